"""A running statement is stopped by a cancel request and by its client's end, whichever lane runs it."""

import threading
from collections.abc import Iterator

import psycopg
import pytest

from tests.processes import cpu_seconds, machines, settled, until
from tests.target import Target

LONG = "SELECT count(*) FROM tpch.lineitem a, tpch.lineitem b WHERE a.l_comment < b.l_comment"
STARTED = 0.2
"""CPU seconds of machines after which a statement runs for sure."""


@pytest.fixture(params=["duckdb", "spark"])
def connection(gateway: Target, request: pytest.FixtureRequest) -> Iterator[psycopg.Connection]:
    with gateway.connect() as connection:
        connection.execute(f"SET lakegate.lane = {request.param}".encode())
        connection.execute("SELECT count(*) FROM tpch.region")
        yield connection


def busy(gateway: Target) -> float:
    assert gateway.pid is not None
    return cpu_seconds(machines(gateway.pid))


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
    until(settled(lambda: round(busy(gateway), 1)))
    with gateway.connect() as other:
        assert other.execute("SELECT count(*) FROM tpch.region").fetchone() == (5,)
