"""A running statement is stopped by a cancel request and by its client's end, whichever lane runs it."""

from collections.abc import Iterator

import psutil
import psycopg
import pytest

from tests.processes import at_rest, busier, machines_of, until
from tests.target import Target

LONG = "SELECT count(*) FROM tpch.lineitem a, tpch.lineitem b WHERE a.l_comment < b.l_comment"
ENDLESS = (
    "SELECT count(*) FROM tpch.lineitem a, tpch.lineitem b, tpch.lineitem c WHERE a.l_tax + b.l_tax > c.l_discount"
)
STARTED = 0.2
"""CPU seconds of machines after which a statement runs for sure."""
INSIDE_LOOP = 15.0
"""CPU seconds after which that one is in the loop that it does not leave."""


@pytest.fixture(params=["duckdb", "spark"])
def lane(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def connection(gateway: Target, lane: str) -> Iterator[psycopg.Connection]:
    with gateway.connect() as connection:
        connection.execute(f"SET lakegate.lane = {lane}".encode())
        connection.execute("SELECT count(*) FROM tpch.region")
        yield connection
    assert gateway.pid is not None
    until(at_rest(gateway.pid))


def start(connection: psycopg.Connection, statement: str, machines: list[psutil.Process], seconds: float) -> None:
    """Returns while it runs, once one of its lane's machines has worked at it for so long.

    A machine of the other lane may be starting: what it uses tells nothing.
    """
    works = busier(machines, seconds)
    connection.pgconn.send_query(statement.encode())
    until(works)


def cancel(connection: psycopg.Connection) -> bytes:
    """What the server says of the statement that runs."""
    connection.cancel_safe(timeout=60)
    result = connection.pgconn.get_result()
    assert result is not None
    assert connection.pgconn.get_result() is None
    return result.error_message


def test_a_cancel_request_stops_the_statement_only(gateway: Target, connection: psycopg.Connection, lane: str) -> None:
    start(connection, LONG, machines_of(lane, gateway.pid), STARTED)
    assert b"user request" in cancel(connection)
    assert connection.execute("SELECT count(*) FROM tpch.region").fetchone() == (5,)


def test_a_cancel_request_between_statements_does_nothing(connection: psycopg.Connection) -> None:
    for _ in range(5):
        connection.cancel_safe(timeout=60)
        assert connection.execute("SELECT count(*) FROM tpch.region").fetchone() == (5,)


def test_a_cancel_in_a_block_fails_the_block(gateway: Target, connection: psycopg.Connection, lane: str) -> None:
    connection.execute("BEGIN")
    start(connection, LONG, machines_of(lane, gateway.pid), STARTED)
    assert b"canceling statement" in cancel(connection)
    assert connection.info.transaction_status is psycopg.pq.TransactionStatus.INERROR
    connection.execute("ROLLBACK")
    assert connection.execute("SELECT count(*) FROM tpch.region").fetchone() == (5,)


def test_the_end_of_the_client_stops_the_engine(gateway: Target, connection: psycopg.Connection, lane: str) -> None:
    start(connection, LONG, machines_of(lane, gateway.pid), STARTED)
    connection.pgconn.finish()
    assert gateway.pid is not None
    until(at_rest(gateway.pid))
    with gateway.connect() as other:
        assert other.execute("SELECT count(*) FROM tpch.region").fetchone() == (5,)


def test_a_statement_that_does_not_heed_a_cancel_costs_its_machine(gateway: Target) -> None:
    """A nested loop of Spark's asks too seldom whether it has been cancelled: its tasks would hold their cores."""
    with gateway.connect() as connection:
        connection.execute("SET lakegate.lane = spark")
        connection.execute("SELECT count(*) FROM tpch.region")
        (machine,) = machines_of("spark", gateway.pid)
        start(connection, ENDLESS, [machine], INSIDE_LOOP)
        assert b"canceling statement" in cancel(connection)
        until(lambda: not machine.is_running())
        assert connection.execute("SELECT count(*) FROM tpch.region").fetchone() == (5,)
