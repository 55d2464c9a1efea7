"""The gateway as a process of its own, with a data folder that holds the demo's tables."""

import asyncio
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from catalog.changes import CreateSchema, RegisterTable
from catalog.names import TableName
from gateway.config import Config, Warehouse
from gateway.server import Server
from gateway.warehouse import give_to_machines
from tests.daemon import Daemon, running
from tests.processes import children
from tests.target import Target

READY = "ready postgresql://"
LAKEGATE = Path(sys.executable).with_name("lakegate")
NO_STANDBY = ("--max-spark-machines", "1")
"""A second JVM beside the one that serves would only take its time. Options that follow go before."""
NO_SPARK = ("--warehouse", str(Path(__file__).with_name("no_spark.toml")))
"""No JVM at all, until somebody asks for one."""
NO_MACHINES = Config(data=Path(), port=0, warehouse=Warehouse(duckdb_warm=0, spark_warm=0))


@contextmanager
def running_gateway(
    data: Path, password: str, options: Sequence[str] = (), settings: Mapping[str, str] | None = None
) -> Iterator[Target]:
    """`lakegate serve` on a free port. Leaving asserts that it ended well by SIGINT and left no process behind.

    `settings` are environment variables, such as a metastore's DSN.
    """
    with started_gateway(data, password, options, settings) as daemon:
        url = daemon.ready_line.removeprefix("ready ").split()[0]
        yield Target.parse(url, password, daemon.process.pid)
        _stop(daemon)


@contextmanager
def started_gateway(
    data: Path, password: str, options: Sequence[str] = (), settings: Mapping[str, str] | None = None
) -> Iterator[Daemon]:
    """The same, for a test that ends it in its own way."""
    environment = {**os.environ, "LAKEGATE_ADMIN_PASSWORD": password, **(settings or {})}
    command: list[str | Path] = [LAKEGATE, "serve", "--data", data, "--listen", "127.0.0.1:0", *NO_STANDBY, *options]
    with running(command, lambda line: line.startswith(READY), environment=environment) as daemon:
        yield daemon


def _stop(daemon: Daemon) -> None:
    family = children(psutil.Process(daemon.process.pid), recursive=True)
    assert daemon.stop() == 0, "".join(daemon.log)
    _, left = psutil.wait_procs(family, timeout=120)
    assert left == [], "".join(daemon.log)


@contextmanager
def lake_folder(
    lake: Mapping[TableName, Path], password: str, parent: Path | None = None, metastore_dsn: str | None = None
) -> Iterator[Path]:
    """A gateway's data folder that knows copies of these Delta tables, with that password for `admin`.

    Machines run as another user, who may pass this folder, unlike pytest's own.
    """
    folder = Path(tempfile.mkdtemp(prefix="lakegate-test-", dir=parent))
    folder.chmod(0o711)
    try:
        copies = {name: folder / "warehouse" / "demo" / name.schema / name.name for name in lake}
        for name, copy in copies.items():
            shutil.copytree(lake[name], copy)
        config = replace(NO_MACHINES, data=folder, admin_password=password, metastore_dsn=metastore_dsn)
        asyncio.run(register(config, copies))
        yield folder
    finally:
        shutil.rmtree(folder)


async def register(config: Config, tables: Mapping[TableName, Path | str]) -> None:
    """Makes Delta tables that exist known to a gateway that does not run now."""
    server = Server(config)
    async with server.running():
        login = await server.catalog.login(config.admin, config.workspace)
        assert login is not None
        for schema in sorted({name.schema for name in tables}):
            await server.catalog.apply(CreateSchema(schema), login.principal, config.workspace)
        for name, folder in tables.items():
            await server.catalog.apply(RegisterTable(name, str(folder)), login.principal, config.workspace)
        give_to_machines(config.warehouse_root, server.machine_uid)


@contextmanager
def running_lake(lake: Mapping[TableName, Path], options: Sequence[str] = ()) -> Iterator[Target]:
    """A gateway with these tables."""
    password = secrets.token_urlsafe()
    with lake_folder(lake, password) as data, running_gateway(data, password, options) as target:
        yield target


@pytest.fixture(scope="session")
def gateway(lake: Mapping[TableName, Path]) -> Iterator[Target]:
    """A gateway with the tables under test, logged in as `admin`."""
    with running_lake(lake) as target:
        yield target


@pytest.fixture(scope="session")
def sleeping(lake: Mapping[TableName, Path]) -> Iterator[Target]:
    """The same, of a gateway that keeps no machine warm."""
    with running_lake(lake, ["--min-machines", "0"]) as target:
        yield target
