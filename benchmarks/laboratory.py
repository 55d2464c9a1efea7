"""The laboratory: a gateway and a PostgreSQL that hold the same tables, running side by side for one run of suites."""

import secrets
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import duckdb
import psutil

from benchmarks.compare import ROUNDS
from benchmarks.tables import POINTS, WIDE, bench_tables
from catalog.names import TableName
from tests.fix_gateway import lake_folder, running_gateway
from tests.fix_oracle import load_lake, running_postgres
from tests.processes import settled, until
from tests.target import Target


@dataclass(frozen=True, slots=True)
class Servers:
    """`tables` are the folders that the gateway reads, so that an embedded engine reads the very same files."""

    gateway: Target
    postgres: Target
    tables: Mapping[TableName, Path]


@dataclass(frozen=True)
class Laboratory:
    """Starts its servers when a suite first asks for one: others have the machine for themselves.

    `hours` and `nodes` are those of simulations. Leave by `close`.
    """

    scale: float
    rounds: int = ROUNDS
    hours: float = 24.0
    nodes: int = 1000
    _started: ExitStack = field(default_factory=ExitStack, init=False, repr=False)

    @property
    def gateway(self) -> Target:
        return self._servers.gateway

    @property
    def postgres(self) -> Target:
        return self._servers.postgres

    @property
    def tables(self) -> Mapping[TableName, Path]:
        return self._servers.tables

    def close(self) -> None:
        self._started.close()

    @cached_property
    def _servers(self) -> Servers:
        return self._started.enter_context(running_servers(self.scale))


@contextmanager
def running_servers(scale: float) -> Iterator[Servers]:
    """Starts both and fills them. The gateway keeps its accounts in a metastore of its own."""
    lake, password = bench_tables(scale), secrets.token_urlsafe()
    with running_postgres() as postgres, lake_folder(lake, password) as data:
        load_lake(postgres, lake, rows=True)
        with postgres.connect() as connection:
            connection.execute(f"ALTER TABLE {POINTS} ADD PRIMARY KEY (id)".encode())
            connection.execute(f"SELECT sum(id) FROM {WIDE}".encode())
        tables = {name: data / "warehouse" / "demo" / name.schema / name.name for name in lake}
        with running_gateway(data, password) as gateway:
            wait_until_warm(gateway)
            yield Servers(gateway, postgres, tables)


@contextmanager
def running_before(postgres: Target, options: Sequence[str] = ()) -> Iterator[Target]:
    """A gateway without machines, whose metastore is that server."""
    password, settings = secrets.token_urlsafe(), {"LAKEGATE_METASTORE_DSN": f"{postgres.conninfo} sslmode=disable"}
    with (
        tempfile.TemporaryDirectory(prefix="lakegate-before-") as data,
        running_gateway(Path(data), password, ("--min-machines", "0", *options), settings) as gateway,
    ):
        yield gateway


def wait_until_warm(gateway: Target) -> None:
    """Its machines go on warming after it is ready: a JVM takes both cores for a while, and every subject's time."""
    pid = gateway.pid
    assert pid is not None
    until(settled(lambda: round(tree_cpu_seconds(pid), 1)))


def embedded_duckdb(tables: Mapping[TableName, Path]) -> duckdb.DuckDBPyConnection:
    """DuckDB alone, in this process, over the same files: what an engine costs without a gateway."""
    connection = duckdb.connect(config={"threads": psutil.cpu_count() or 1})
    for name, folder in tables.items():
        files = [str(path) for path in sorted(folder.glob("*.parquet"))]
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {name.schema}")
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({files!r})")
    connection.execute("SET parquet_metadata_cache = true")
    return connection


def cpu_seconds(pid: int) -> float:
    """Of that process alone, user and system."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def tree_cpu_seconds(pid: int) -> float:
    """Of that process, all below it that live, and its own children that have ended."""
    process = psutil.Process(pid)
    times = process.cpu_times()
    total = cpu_seconds(pid) + float(times.children_user + times.children_system)
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            total += cpu_seconds(child.pid)
    return total
