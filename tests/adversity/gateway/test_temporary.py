"""Statements that mix PostgreSQL's tables with the lakehouse's, cut short: neither side keeps anything of them."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.adversity.gateway.test_cancel import LONG, STARTED, cancel, start
from tests.adversity.gateway.test_copy import staged
from tests.processes import at_rest, machines_of, until
from tests.target import Target

MANY = "SELECT a.l_orderkey AS k, b.l_comment AS c FROM tpch.lineitem a JOIN tpch.lineitem b ON a.l_tax = b.l_tax"
LEFT = "SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r'"


@pytest.fixture
def connection(gateway: Target) -> Iterator[psycopg.Connection]:
    """With a temporary table of five rows, `few`."""
    with gateway.connect() as connection:
        connection.execute("SET lakegate.lane = duckdb")
        connection.execute("CREATE TEMP TABLE few AS SELECT r_regionkey AS k FROM tpch.region")
        yield connection
    assert gateway.pid is not None
    until(at_rest(gateway.pid))


def stop(gateway: Target, connection: psycopg.Connection, statement: str) -> None:
    start(connection, statement, machines_of("duckdb", gateway.pid), STARTED)
    assert b"user request" in cancel(connection)


def check(gateway: Target, connection: psycopg.Connection) -> None:
    """The session goes on with what it had, and nothing else."""
    assert connection.execute("SELECT count(*) FROM few JOIN tpch.region ON k = r_regionkey").fetchone() == (5,)
    assert connection.execute(LEFT.encode()).fetchone() == (1,)
    until(lambda: staged(gateway) == [])


@pytest.mark.parametrize(
    "statement",
    [
        LONG + " AND a.l_linenumber IN (SELECT k FROM few)",
        f"CREATE TEMP TABLE counted AS {LONG}",
        f"CREATE TEMP TABLE many AS {MANY}",
        f"INSERT INTO few SELECT k FROM ({MANY}) AS many RETURNING k",
    ],
)
def test_a_cancel_leaves_both_sides_clean(gateway: Target, connection: psycopg.Connection, statement: str) -> None:
    stop(gateway, connection, statement)
    check(gateway, connection)


def test_a_cancel_fails_a_block_which_goes_back(gateway: Target, connection: psycopg.Connection) -> None:
    connection.execute("BEGIN")
    connection.execute("SAVEPOINT a")
    stop(gateway, connection, f"CREATE TEMP TABLE many AS {MANY}")
    with pytest.raises(psycopg.errors.InFailedSqlTransaction):
        connection.execute("SELECT 1")
    connection.execute("ROLLBACK TO a")
    connection.execute("INSERT INTO few SELECT 7 FROM tpch.region")
    connection.execute("COMMIT")
    assert connection.execute("SELECT count(*) FROM few, tpch.region WHERE k = 7").fetchone() == (25,)
    connection.execute("DELETE FROM few WHERE k = 7")
    check(gateway, connection)


def test_an_engines_error_leaves_both_sides_clean(gateway: Target, connection: psycopg.Connection) -> None:
    for statement in (
        "CREATE TEMP TABLE broken AS SELECT l_orderkey / (l_linenumber - 3) AS k FROM tpch.lineitem",
        "INSERT INTO few SELECT l_orderkey / (l_linenumber - 3) FROM tpch.lineitem",
        "SELECT 1 / (k - 3) FROM few, tpch.region",
    ):
        with pytest.raises(psycopg.errors.DivisionByZero):
            connection.execute(statement.encode())
    check(gateway, connection)


def test_a_client_that_leaves_leaves_nothing(gateway: Target) -> None:
    connection = gateway.connect()
    connection.execute("CREATE TEMP TABLE few AS SELECT r_regionkey AS k FROM tpch.region")
    start(connection, f"CREATE TEMP TABLE many AS {MANY}", machines_of("duckdb", gateway.pid), STARTED)
    connection.pgconn.finish()
    until(lambda: staged(gateway) == [])
    assert gateway.pid is not None
    until(at_rest(gateway.pid))
