"""How long tests take: what `make test` noted of its last run, which had nothing to compare with."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.compare import Measurement
from benchmarks.laboratory import Laboratory
from benchmarks.peers import Missing
from benchmarks.report import RESULTS

TIMES = RESULTS / "tests.xml"
"""In JUnit's form, by pytest."""
MAIN_JOB = (
    "tests.adversity.gateway.test_attacks",
    "tests.adversity.gateway.test_bad_input",
    "tests.conformance.catalog.test_external",
    "tests.conformance.catalog.test_grants",
    "tests.conformance.catalog.test_postgres",
    "tests.conformance.catalog.test_relay",
    "tests.conformance.catalog.test_replicas",
    "tests.conformance.catalog.test_shadows",
    "tests.conformance.engine.test_appends",
    "tests.conformance.engine.test_duckdb_scans",
    "tests.conformance.engine.test_engine",
    "tests.conformance.engine.test_rewrites",
    "tests.conformance.engine.test_spark::",
    "tests.conformance.engine.test_spark_delta",
    "tests.conformance.engine.test_spark_machine",
    "tests.conformance.engine.test_spark_server",
    "tests.properties.pgwire.",
)
"""Modules of tests of what there is without more than one kind of machine, and with any client: reads, writes and
rights over one gateway's engines. They come before what the others begin with."""
MACHINES = (
    "tests.adversity.compute.",
    "tests.adversity.gateway.test_chaos",
    "tests.adversity.gateway.test_idle_economy",
    "tests.adversity.gateway.test_lost",
    "tests.adversity.gateway.test_no_machines",
    "tests.conformance.engine.",
    "tests.conformance.firecracker.",
    "tests.conformance.objectstore.",
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
"""Of the tests of machines: spawners, guests, engines, the fleet, clusters, and what installs them."""
CLIENTS = (
    "tests.adversity.gateway.test_blocks",
    "tests.adversity.gateway.test_cancel",
    "tests.adversity.gateway.test_copy",
    "tests.adversity.gateway.test_replicas",
    "tests.adversity.gateway.test_savepoints",
    "tests.adversity.gateway.test_settings",
    "tests.adversity.gateway.test_temporary",
    "tests.adversity.gateway.test_transactions",
    "tests.conformance.blocks.",
    "tests.conformance.catalog.",
    "tests.conformance.copy.",
    "tests.conformance.explain.",
    "tests.conformance.pgwire.",
    "tests.conformance.relay.",
    "tests.conformance.session.",
    "tests.conformance.temporary.",
    "tests.drivers.",
    "tests.properties.test_blocks",
    "tests.properties.test_fuzz",
    "tests.properties.test_scroll",
    "tests.unit.gateway.auth.",
    "tests.unit.gateway.pgwire.",
    "tests.unit.gateway.relay.",
)
"""Those of clients, the protocol and the catalog."""
SLOWEST = 25


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of the whole run, and by test. Tests run side by side, so that together they have more than the run."""

    run: float
    tests: Mapping[str, float]

    def of(self, beginnings: tuple[str, ...]) -> Mapping[str, float]:
        others = {name: seconds for name, seconds in self.tests.items() if not name.startswith(MAIN_JOB)}
        return {name: seconds for name, seconds in others.items() if name.startswith(beginnings)}

    def share(self, tests: Mapping[str, float]) -> float:
        """The part of the run that these took."""
        return self.run * sum(tests.values()) / sum(self.tests.values())


def durations_of_tests(_: Laboratory) -> Iterator[Measurement]:
    """Of the run, of the parts of it that tests of machines and of clients took, and of the slowest of machines'. Each
    test has its fixtures' time, shared ones too."""
    times = read_times(TIMES)
    machines = times.of(MACHINES)
    yield _measured("all", times.run)
    yield _measured("machines", times.share(machines))
    yield _measured("clients", times.share(times.of(CLIENTS)))
    for name in sorted(machines, key=machines.__getitem__, reverse=True)[:SLOWEST]:
        yield _measured(name, machines[name])


def read_times(path: Path) -> Times:
    """What pytest noted there. Raises Missing."""
    if not path.exists():
        raise Missing("no test has been timed: run make test")
    noted = ElementTree.parse(path)
    cases = noted.iter("testcase")
    tests = {f"{case.attrib['classname']}::{case.attrib['name']}": float(case.attrib["time"]) for case in cases}
    return Times(sum(float(suite.attrib["time"]) for suite in noted.iter("testsuite")), tests)


def _measured(subject: str, seconds: float) -> Measurement:
    return Measurement("tests", subject, "s", seconds, (seconds,))
