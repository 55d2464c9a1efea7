"""How long tests take: what `make test` noted of its last run, which had nothing to compare with."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.compare import Measurement
from benchmarks.laboratory import Laboratory
from benchmarks.peers import Missing
from benchmarks.report import RESULTS

TIMES = RESULTS / "tests.xml"
"""In JUnit's form, by pytest."""
MACHINES = (
    "tests.adversity.compute.",
    "tests.adversity.gateway.test_chaos",
    "tests.adversity.gateway.test_idle_economy",
    "tests.adversity.gateway.test_no_machines",
    "tests.conformance.engine.",
    "tests.conformance.firecracker.",
    "tests.conformance.spawner.",
    "tests.conformance.test_guest_image",
    "tests.conformance.test_jobs",
    "tests.conformance.test_spark_image",
    "tests.conformance.tpch.test_microvm",
    "tests.conformance.tpch.test_spark_microvm",
    "tests.kubernetes.",
    "tests.properties.fleet.",
    "tests.unit.compute.",
    "tests.unit.deploy.",
)
"""Modules of the tests of machines: spawners, guests, engines, the fleet, clusters, and what installs them."""
SLOWEST = 25


def durations_of_tests(_: Laboratory) -> Iterator[Measurement]:
    """Of all tests, of those of machines, and of the slowest of these. Each has its fixtures' time, shared ones too."""
    times = read_times(TIMES)
    machines = {name: seconds for name, seconds in times.items() if name.startswith(MACHINES)}
    yield _measured("all", sum(times.values()))
    yield _measured("machines", sum(machines.values()))
    for name in sorted(machines, key=machines.__getitem__, reverse=True)[:SLOWEST]:
        yield _measured(name, machines[name])


def read_times(path: Path) -> Mapping[str, float]:
    """Seconds by test. Raises Missing."""
    if not path.exists():
        raise Missing("no test has been timed: run make test")
    cases = ElementTree.parse(path).iter("testcase")
    return {f"{case.attrib['classname']}::{case.attrib['name']}": float(case.attrib["time"]) for case in cases}


def _measured(subject: str, seconds: float) -> Measurement:
    return Measurement("tests", subject, "s", seconds, (seconds,))
