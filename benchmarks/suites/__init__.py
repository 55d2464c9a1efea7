"""The suites: functions from the laboratory to measurements. `SUITES` names them for the command line."""

from collections.abc import Callable, Iterator, Mapping

from benchmarks.compare import Measurement
from benchmarks.laboratory import Laboratory
from benchmarks.suites.cancels import cancels
from benchmarks.suites.churn import churn
from benchmarks.suites.claims import claims
from benchmarks.suites.connections import connections, idle_connections
from benchmarks.suites.durations import durations_of_tests
from benchmarks.suites.fleet import fleet_decisions, fleet_simulation
from benchmarks.suites.lookups import point_lookups
from benchmarks.suites.metadata import metadata
from benchmarks.suites.microvms import microvms
from benchmarks.suites.objects import reading_files
from benchmarks.suites.relay import relay, select_one
from benchmarks.suites.sending import sending
from benchmarks.suites.small_writes import small_writes
from benchmarks.suites.starts import machine_starts
from benchmarks.suites.tpch import tpch_duckdb, tpch_spark

Suite = Callable[[Laboratory], Iterator[Measurement]]

SUITES: Mapping[str, Suite] = {
    "select-one": select_one,
    "relay": relay,
    "point-lookups": point_lookups,
    "sending": sending,
    "small-writes": small_writes,
    "connections": connections,
    "idle-connections": idle_connections,
    "metadata": metadata,
    "cancels": cancels,
    "tpch-duckdb": tpch_duckdb,
    "reading-files": reading_files,
    "machine-starts": machine_starts,
    "microvms": microvms,
    "claims": claims,
    "churn": churn,
    "fleet-decisions": fleet_decisions,
    "fleet-simulation": fleet_simulation,
    "tpch-spark": tpch_spark,
    "test-durations": durations_of_tests,
}
