"""Fixtures for every suite live in plugins, one subject each. On a busy host a property may take its time."""

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("tests.alike", "tests.blocks")
pytest_plugins = [
    "tests.fix_oracle",
    "tests.fix_gateway",
    "tests.fix_replicas",
    "tests.fix_metastore",
    "tests.fix_compute",
    "tests.fix_cluster",
    "tests.fix_machines",
    "tests.fix_firecracker",
    "tests.fix_objects",
    "tests.fix_spark",
    "tests.fix_masters",
    "tests.fix_jobs",
    "tests.workers",
]
# Gateways and submitters under test run statements over a few rows, on JVMs that live for a minute.
os.environ["LAKEGATE_SPARK_COMPILER"] = "c1"
settings.register_profile("tests", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell has what it starts in the background ignore it, and so all programs that tests start and interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
