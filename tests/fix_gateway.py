"""The gateway as a process of its own, with a data folder that holds the demo's tables."""

import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from catalog.names import TableName, quote_identifier
from tests.daemon import Daemon, running
from tests.target import Target

READY = "ready postgresql://"
LAKEGATE = Path(sys.executable).with_name("lakegate")


@contextmanager
def running_gateway(
    data: Path, options: Sequence[str] = (), settings: Mapping[str, str] | None = None
) -> Iterator[Target]:
    """`lakegate serve` on a free port. Leaving asserts that it ended well by SIGINT and left no process behind.

    `settings` are environment variables, such as a metastore's DSN.
    """
    password = secrets.token_urlsafe()
    environment = {**os.environ, "LAKEGATE_ADMIN_PASSWORD": password, **(settings or {})}
    command: list[str | Path] = [LAKEGATE, "serve", "--data", data, "--listen", "127.0.0.1:0", *options]
    with running(command, lambda line: line.startswith(READY), environment=environment) as daemon:
        url = daemon.ready_line.removeprefix("ready ").split()[0]
        yield Target.parse(url, password, daemon.process.pid)
        _stop(daemon)


def _stop(daemon: Daemon) -> None:
    children = psutil.Process(daemon.process.pid).children(recursive=True)
    assert daemon.stop() == 0, "".join(daemon.log)
    _, left = psutil.wait_procs(children, timeout=10)
    assert left == [], "".join(daemon.log)


@contextmanager
def data_folder() -> Iterator[Path]:
    """A folder that the machines' account may pass, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="lakegate-test-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def running_lake(
    lake: Mapping[TableName, Path], options: Sequence[str] = (), settings: Mapping[str, str] | None = None
) -> Iterator[Target]:
    """A gateway with copies of these Delta tables, each where a managed table of that name would lie."""
    with data_folder() as data:
        copies = {name: data / "warehouse" / "demo" / name.schema / name.name for name in lake}
        for name, copy in copies.items():
            shutil.copytree(lake[name], copy)
        with running_gateway(data, options, settings) as target:
            register(target, copies)
            yield target


def register(target: Target, tables: Mapping[TableName, Path]) -> None:
    """Makes Delta tables that exist known to the gateway, in SQL."""
    with target.connect() as connection:
        for schema in sorted({name.schema for name in tables}):
            connection.execute(f"CREATE SCHEMA {quote_identifier(schema)}".encode())
        for name, folder in tables.items():
            connection.execute(f"CREATE TABLE {name} USING delta LOCATION '{folder}'".encode())


@pytest.fixture(scope="session")
def gateway(lake: Mapping[TableName, Path]) -> Iterator[Target]:
    """A gateway with the tables under test, logged in as `admin`."""
    with running_lake(lake) as target:
        yield target
