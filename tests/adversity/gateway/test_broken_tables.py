"""Tables whose files or log are gone, or that need what no lane reads: a clear error that names the table."""

import json
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.target import Target

LANES = ("auto", "duckdb", "spark")
READS = ("SELECT * FROM {}", "SELECT count(*) FROM {} WHERE r_name > 'B'", "SELECT * FROM {}, tpch.nation")


@pytest.fixture
def table(connection: psycopg.Connection) -> Iterator[str]:
    """A good table so far. It can be dropped whatever became of it."""
    name = f"sample.broken_{secrets.token_hex(4)}"
    connection.execute(f"CREATE TABLE {name} AS SELECT * FROM tpch.region".encode())
    yield name
    connection.execute(f"DROP TABLE {name}".encode())
    with pytest.raises(psycopg.errors.UndefinedTable):
        connection.execute(f"SELECT * FROM {name}".encode())


def folder_of(gateway: Target, table: str) -> Path:
    command = psutil.Process(gateway.pid).cmdline()
    schema, _, name = table.partition(".")
    (folder,) = Path(command[command.index("--data") + 1], "warehouse", gateway.database, schema).glob(f"{name}*")
    return folder


def failures(connection: psycopg.Connection, table: str) -> Iterator[psycopg.Error]:
    """What each read says on each lane; the session goes on after each."""
    for lane in LANES:
        connection.execute(f"SET lakegate.lane = {lane}".encode())
        for read in READS:
            with pytest.raises(psycopg.Error) as failure:
                connection.execute(read.format(table).encode())
            yield failure.value
            assert connection.execute("SELECT count(*) FROM tpch.region").fetchone() == (5,)


def test_files_that_are_gone(gateway: Target, connection: psycopg.Connection, table: str) -> None:
    folder = folder_of(gateway, table)
    for file in folder.glob("*.parquet"):
        file.unlink()
    for failure in failures(connection, table):
        assert failure.sqlstate == "58030"
        assert table.partition(".")[2] in str(failure.diag.message_primary)
        assert str(folder.parent) not in str(failure)


def test_files_that_are_damaged(gateway: Target, connection: psycopg.Connection, table: str) -> None:
    for file in folder_of(gateway, table).glob("*.parquet"):
        file.write_bytes(file.read_bytes()[:100])
    for failure in failures(connection, table):
        assert failure.sqlstate == "58030"


def test_a_log_that_is_gone(gateway: Target, connection: psycopg.Connection, table: str) -> None:
    shutil.rmtree(folder_of(gateway, table) / "_delta_log")
    for failure in failures(connection, table):
        assert failure.sqlstate == "58030"
        assert table.partition(".")[2] in str(failure.diag.message_primary)


def test_a_reader_feature_that_nobody_knows(gateway: Target, connection: psycopg.Connection, table: str) -> None:
    features = {"readerFeatures": ["fromTheFuture"], "writerFeatures": ["fromTheFuture"]}
    commit = {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, **features}}
    (folder_of(gateway, table) / "_delta_log" / f"{1:020}.json").write_text(json.dumps(commit))
    for failure in failures(connection, table):
        assert failure.sqlstate == "0A000"
        assert "fromTheFuture" in str(failure.diag.message_primary)
        assert table.partition(".")[2] in str(failure.diag.message_primary)
