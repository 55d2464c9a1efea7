"""A running statement is stopped by a cancel request and by its client's end, whichever lane runs it."""

import threading
from collections.abc import Callable, Iterator

import psycopg
import pytest

from tests.processes import cpu_seconds, machines, settled, until
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
def connection(gateway: Target, request: pytest.FixtureRequest) -> Iterator[psycopg.Connection]:
    with gateway.connect() as connection:
        connection.execute(f"SET lakegate.lane = {request.param}".encode())
        connection.execute("SELECT count(*) FROM tpch.region")
        yield connection
    until(at_rest(gateway))


def busy(gateway: Target) -> float:
    assert gateway.pid is not None
    return cpu_seconds(machines(gateway.pid))


def at_rest(gateway: Target) -> Callable[[], bool]:
    """Whether machines do nothing any more. One that is still at a cancelled statement may be given up, and with it
    what runs there next."""
    return settled(lambda: round(busy(gateway), 1))


def test_a_cancel_request_stops_the_statement_only(gateway: Target, connection: psycopg.Connection) -> None:
    before = busy(gateway)

    def cancel() -> None:
        until(lambda: busy(gateway) > before + STARTED)
        connection.cancel_safe(timeout=60)

    canceller = threading.Thread(target=cancel)
    canceller.start()
    with pytest.raises(psycopg.errors.QueryCanceled, match="user request"):
        connection.execute(LONG)
    canceller.join()
    assert connection.execute("SELECT count(*) FROM tpch.region").fetchone() == (5,)


def test_a_cancel_request_between_statements_does_nothing(connection: psycopg.Connection) -> None:
    for _ in range(5):
        connection.cancel_safe(timeout=60)
        assert connection.execute("SELECT count(*) FROM tpch.region").fetchone() == (5,)


def test_a_cancel_in_a_block_fails_the_block(gateway: Target, connection: psycopg.Connection) -> None:
    connection.execute("BEGIN")
    before = busy(gateway)
    connection.pgconn.send_query(LONG.encode())
    until(lambda: busy(gateway) > before + STARTED)
    connection.cancel_safe(timeout=60)
    result = connection.pgconn.get_result()
    assert result is not None
    assert b"canceling statement" in result.error_message
    assert connection.pgconn.get_result() is None
    assert connection.info.transaction_status is psycopg.pq.TransactionStatus.INERROR
    connection.execute("ROLLBACK")
    assert connection.execute("SELECT count(*) FROM tpch.region").fetchone() == (5,)


def test_the_end_of_the_client_stops_the_engine(gateway: Target, connection: psycopg.Connection) -> None:
    before = busy(gateway)
    connection.pgconn.send_query(LONG.encode())
    until(lambda: busy(gateway) > before + STARTED)
    connection.pgconn.finish()
    until(at_rest(gateway))
    with gateway.connect() as other:
        assert other.execute("SELECT count(*) FROM tpch.region").fetchone() == (5,)


def test_a_statement_that_does_not_heed_a_cancel_costs_its_machine(gateway: Target) -> None:
    """A nested loop of Spark's asks too seldom whether it has been cancelled: its tasks would hold their cores."""
    with gateway.connect() as connection:
        connection.execute("SET lakegate.lane = spark")
        connection.execute("SELECT count(*) FROM tpch.region")
        assert gateway.pid is not None
        (machine,) = (one for one in machines(gateway.pid) if one.children())
        before = busy(gateway)
        connection.pgconn.send_query(ENDLESS.encode())
        until(lambda: busy(gateway) > before + INSIDE_LOOP)
        connection.cancel_safe(timeout=60)
        result = connection.pgconn.get_result()
        assert result is not None
        assert b"canceling statement" in result.error_message
        assert connection.pgconn.get_result() is None
        until(lambda: not machine.is_running())
        assert connection.execute("SELECT count(*) FROM tpch.region").fetchone() == (5,)
