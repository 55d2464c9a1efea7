"""Fixtures for every suite live in plugins, one subject each. On a busy host a property may take its time."""

from hypothesis import HealthCheck, settings

pytest_plugins = [
    "tests.fix_oracle",
    "tests.fix_gateway",
    "tests.fix_metastore",
    "tests.fix_compute",
    "tests.fix_cluster",
    "tests.fix_machines",
    "tests.fix_objects",
    "tests.fix_spark",
    "tests.fix_masters",
    "tests.fix_jobs",
]
settings.register_profile("tests", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")
