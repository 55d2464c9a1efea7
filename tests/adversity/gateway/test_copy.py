"""Loads that are large, interrupted or not allowed: memory stays bounded, and nothing is left half done."""

import itertools
import os
import secrets
import signal
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from psycopg import pq

from catalog.names import TableName
from tests.adversity.gateway.test_memory import bounded
from tests.fix_gateway import NO_SPARK, lake_folder, running_gateway, started_gateway
from tests.processes import until
from tests.target import Target

pytestmark = pytest.mark.spark

MILLION = 1_000_000
CHUNK = 10_000
COUNT = "SELECT count(*) FROM sample.load"


@pytest.fixture
def table(gateway: Target) -> Iterator[None]:
    """An empty table `sample.load`."""
    with gateway.connect() as connection:
        connection.execute("CREATE TABLE sample.load (id int, t text, n numeric(10,2), at timestamp) USING delta")
        yield
        connection.execute("DROP TABLE sample.load")


def chunk(start: int) -> bytes:
    rows = range(start, start + CHUNK)
    return "".join(f"{n}\trow number {n}\t{n % 1000}.25\t2024-02-29 10:11:12.5\n" for n in rows).encode()


def staged(gateway: Target) -> list[Path]:
    """The folders of loads that are under way."""
    assert gateway.pid is not None
    data = Path(f"/proc/{gateway.pid}/cmdline").read_bytes().split(b"\0")
    folder = Path(os.fsdecode(data[data.index(b"--data") + 1]), "warehouse", "demo", "_staging")
    return list(folder.iterdir()) if folder.exists() else []


def load(connection: psycopg.Connection, pieces: Iterable[bytes], options: str = "") -> str | None:
    """The tag of a whole COPY."""
    with connection.cursor() as cursor:
        with cursor.copy(f"COPY sample.load FROM STDIN {options}".encode()) as copy:
            for piece in pieces:
                copy.write(piece)
        return cursor.statusmessage


@pytest.mark.usefixtures("table")
def test_a_million_rows_are_one_commit(gateway: Target) -> None:
    with gateway.connect() as connection:
        with bounded(gateway):
            assert load(connection, map(chunk, range(0, MILLION, CHUNK))) == f"COPY {MILLION}"
        told = connection.execute("SELECT count(*), count(DISTINCT id), sum(n), min(at) = max(at) FROM sample.load")
        assert told.fetchone() == (MILLION, MILLION, MILLION * 499.75, True)
        assert connection.execute(COUNT + " FOR VERSION AS OF 0").fetchone() == (0,)
        assert connection.execute(COUNT + " FOR VERSION AS OF 1").fetchone() == (MILLION,)
    assert staged(gateway) == []


@pytest.mark.usefixtures("table")
def test_a_bad_last_row_leaves_nothing(gateway: Target) -> None:
    with gateway.connect() as connection:
        with pytest.raises(psycopg.errors.InvalidTextRepresentation) as raised:
            load(connection, [*map(chunk, range(0, 10 * CHUNK, CHUNK)), b"x\n"])
        assert raised.value.diag.context == 'COPY load, line 100001, column id: "x"'
        assert connection.execute(COUNT).fetchone() == (0,)
    assert staged(gateway) == []


@pytest.mark.usefixtures("table")
def test_a_cancelled_or_lost_load_leaves_nothing(gateway: Target) -> None:
    with closing(gateway.connect()) as connection, closing(gateway.connect()) as lost:
        for each in (connection, lost):
            assert each.pgconn.exec_(b"COPY sample.load FROM STDIN").status == pq.ExecStatus.COPY_IN
            for start in range(0, 20 * CHUNK, CHUNK):
                each.pgconn.put_copy_data(chunk(start))
        connection.cancel()
        connection.pgconn.put_copy_end()
        result = connection.pgconn.get_result()
        assert result is not None
        assert result.error_field(pq.DiagnosticField.SQLSTATE) == b"57014"
        assert connection.pgconn.get_result() is None
        lost.close()
        until(lambda: staged(gateway) == [])
        with gateway.connect() as other:
            assert other.execute(COUNT).fetchone() == (0,)


@pytest.mark.usefixtures("table")
def test_a_row_without_an_end_is_refused(gateway: Target) -> None:
    endless = itertools.chain([b'1,"'], itertools.repeat(b"endless\n" * (1 << 17), 80))
    with gateway.connect() as connection, bounded(gateway), pytest.raises(psycopg.errors.ProgramLimitExceeded):
        load(connection, endless, "CSV")


@pytest.mark.usefixtures("table")
def test_who_may_not_insert_may_not_load(gateway: Target) -> None:
    password = secrets.token_urlsafe()
    with gateway.connect() as admin:
        admin.execute(f"CREATE ROLE loader LOGIN PASSWORD '{password}'".encode())
        admin.execute("GRANT USAGE ON SCHEMA sample TO loader")
        admin.execute("GRANT SELECT ON sample.load TO loader")
        loader = gateway.as_user("loader", password)
        with loader.connect() as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            load(connection, [])
        admin.execute("REVOKE SELECT ON sample.load FROM loader")
        admin.execute("REVOKE USAGE ON SCHEMA sample FROM loader")
        admin.execute("DROP ROLE loader")


@pytest.mark.usefixtures("table")
def test_where_no_write_may_be_no_load_may(gateway: Target) -> None:
    with gateway.connect() as connection:
        connection.execute("SET default_transaction_read_only = on")
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            load(connection, [])


def test_a_killed_gateways_load_is_swept_away(lake: Mapping[TableName, Path]) -> None:
    samples = {name: folder for name, folder in lake.items() if name.schema == "sample"}
    password = secrets.token_urlsafe()
    with lake_folder(samples, password) as data:
        with started_gateway(data, password, NO_SPARK) as daemon:
            target = Target.parse(daemon.ready_line.removeprefix("ready ").split()[0], password, daemon.process.pid)
            with closing(target.connect()) as connection:
                assert (
                    connection.pgconn.exec_(b"COPY sample.every_type (id) FROM STDIN").status == pq.ExecStatus.COPY_IN
                )
                assert len(staged(target)) == 1
                daemon.process.send_signal(signal.SIGKILL)
                daemon.process.wait()
        with running_gateway(data, password, NO_SPARK) as target, target.connect() as connection:
            assert staged(target) == []
            assert connection.execute("SELECT count(*) FROM sample.every_type").fetchone() == (4,)
