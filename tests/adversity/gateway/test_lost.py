"""Machines and gateways that are killed: what a client sees, and that nothing is left or lost."""

import secrets
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import psycopg
import pytest

from catalog.names import TableName
from tests.fix_gateway import lake_folder, running_gateway, started_gateway
from tests.processes import busier, kill, machines_of, until
from tests.target import Target

LONG = {
    "duckdb": "SELECT count(*) FROM tpch.lineitem, tpch.nation, tpch.region a, tpch.region b"
    " WHERE l_comment < n_comment || a.r_name || b.r_name",
    "spark": "SELECT count(*) FROM tpch.lineitem, tpch.region WHERE l_comment < r_comment",
}
"""What keeps an engine busy for about a second."""
COUNT = "SELECT count(*) FROM tpch.region"


@pytest.fixture(params=["duckdb", "spark"])
def lane(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def connection(gateway: Target, lane: str) -> Iterator[psycopg.Connection]:
    with gateway.connect() as connection:
        connection.execute(f"SET lakegate.lane = {lane}".encode())
        connection.execute(COUNT)
        yield connection


def running(gateway: Target, lane: str) -> list[psutil.Process]:
    assert gateway.pid is not None
    return machines_of(lane, gateway.pid)


def test_a_machine_lost_after_rows_were_sent_fails_the_statement(
    gateway: Target, connection: psycopg.Connection, lane: str
) -> None:
    connection.pgconn.send_query(b"SELECT a.* FROM tpch.lineitem a, tpch.region b")
    connection.pgconn.set_chunked_rows_mode(1000)
    first = connection.pgconn.get_result()
    assert first is not None
    assert first.ntuples
    kill(running(gateway, lane))
    while (result := connection.pgconn.get_result()) is not None:
        last = result
    assert last.error_field(psycopg.pq.DiagnosticField.SQLSTATE) == b"58000"
    assert connection.execute(COUNT).fetchone() == (5,)


def test_a_machine_lost_before_any_row_is_replaced(gateway: Target, connection: psycopg.Connection, lane: str) -> None:
    (expected,) = connection.execute(LONG[lane].encode()).fetchone() or (None,)
    works = busier(running(gateway, lane), 0.2)
    connection.pgconn.send_query(LONG[lane].encode())
    until(works)
    kill(running(gateway, lane))
    result = connection.pgconn.get_result()
    assert result is not None
    assert result.get_value(0, 0) == str(expected).encode(), result.error_message
    assert connection.pgconn.get_result() is None


def test_the_pool_refills(gateway: Target) -> None:
    until(lambda: bool(running(gateway, "duckdb")))
    before = running(gateway, "duckdb")
    kill(before)
    until(lambda: bool(set(running(gateway, "duckdb")) - set(before)))
    with gateway.connect() as connection:
        connection.execute("SET lakegate.lane = duckdb")
        assert connection.execute(COUNT).fetchone() == (5,)


def test_a_killed_gateway_leaves_no_process_and_starts_again(lake: Mapping[TableName, Path]) -> None:
    region = TableName("tpch", "region")
    password = secrets.token_urlsafe()
    with lake_folder({region: lake[region]}, password) as data, started_gateway(data, password) as daemon:
        target = Target.parse(daemon.ready_line.split()[1], password, daemon.process.pid)
        with target.connect() as connection:
            connection.execute("CREATE TABLE tpch.kept AS SELECT 42 AS a")
            children = psutil.Process(daemon.process.pid).children(recursive=True)
            daemon.process.send_signal(signal.SIGKILL)
            daemon.process.wait()
        with running_gateway(data, password) as again, again.connect() as connection:
            assert connection.execute("SELECT a FROM tpch.kept").fetchone() == (42,)
            assert connection.execute(COUNT).fetchone() == (5,)
        _, left = psutil.wait_procs(children, timeout=600)
        assert left == []
