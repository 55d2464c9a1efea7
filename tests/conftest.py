"""Fixtures for every suite live in plugins, one subject each."""

pytest_plugins = [
    "tests.fix_oracle",
    "tests.fix_gateway",
    "tests.fix_cluster",
    "tests.fix_metastore",
    "tests.fix_compute",
    "tests.fix_machines",
    "tests.fix_spark",
]
