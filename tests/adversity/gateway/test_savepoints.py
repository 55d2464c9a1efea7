"""What a savepoint brings back of a session, beside what its answers say (`tests/conformance/session`)."""

import asyncpg
import psycopg
import pytest
from psycopg.pq import ExecStatus

from tests.target import Target


def test_pinned_versions_stay(gateway: Target, connection: psycopg.Connection, table: str) -> None:
    count = f"SELECT count(*) FROM {table}".encode()
    connection.execute("BEGIN")
    connection.execute("SAVEPOINT a")
    assert connection.execute(count).fetchone() == (1,)
    with gateway.connect() as other:
        other.execute(f"INSERT INTO {table} VALUES (2)".encode())
    connection.execute("ROLLBACK TO a")
    assert connection.execute(count).fetchone() == (1,)
    connection.execute("COMMIT")
    assert connection.execute(count).fetchone() == (2,)


async def follow_portals(target: Target, query: str) -> list[object]:
    """What a portal from before a savepoint gives, and one from after it, when the savepoint is gone back to."""
    keywords = target.keywords
    connection = await asyncpg.connect(database=keywords.pop("dbname"), **keywords)
    try:
        await connection.execute("BEGIN")
        before = await connection.cursor(query)
        heard: list[object] = [await before.fetch(2)]
        await connection.execute("SAVEPOINT a")
        heard.append(await before.fetch(1))
        after = await connection.cursor(query)
        heard.append(await after.fetch(1))
        with pytest.raises(asyncpg.DivisionByZeroError):
            await connection.execute("SELECT 1 / 0")
        await connection.execute("ROLLBACK TO a")
        heard.append(await before.fetch(1))
        kept = await connection.cursor(query)
        await connection.execute("RELEASE a; SAVEPOINT b; ROLLBACK TO b")
        heard.append(await kept.fetch(1))
        with pytest.raises(asyncpg.InvalidCursorNameError):
            await after.fetch(1)
        return heard
    finally:
        await connection.close()


@pytest.mark.parametrize(
    "query", ["SELECT generate_series(1, 9) AS n", "SELECT n_nationkey AS n FROM tpch.nation ORDER BY n"]
)
async def test_portals_of_later_than_a_savepoint_go_with_it(gateway: Target, oracle: Target, query: str) -> None:
    assert await follow_portals(gateway, query) == await follow_portals(oracle, query)


def test_a_block_may_not_have_savepoints_without_end(connection: psycopg.Connection) -> None:
    """PostgreSQL hears of all of them at once, from who has begun blocks before."""
    connection.execute("BEGIN; SELECT 1; COMMIT")
    connection.execute("BEGIN")
    connection.execute("; ".join(["SAVEPOINT a"] * 10_000).encode())
    with pytest.raises(psycopg.errors.ProgramLimitExceeded):
        connection.execute("SAVEPOINT a")
    connection.execute("ROLLBACK TO a")
    assert connection.execute("SELECT 1").fetchone() == (1,)
    connection.execute("COMMIT")


def test_a_pipeline_goes_on_after_a_savepoint(connection: psycopg.Connection) -> None:
    connection.execute("BEGIN")
    connection.execute("SAVEPOINT a")
    with connection.pipeline() as pipeline:
        connection.execute("SELECT 1 / 0")
        connection.execute("SELECT 1")
        with pytest.raises(psycopg.errors.DivisionByZero):
            pipeline.sync()
    result = connection.pgconn.exec_(b"ROLLBACK TO a")
    assert result.status == ExecStatus.COMMAND_OK
    with connection.pipeline():
        assert connection.execute("SELECT 2").fetchone() == (2,)
    connection.execute("COMMIT")


def test_nested_transactions_of_a_driver(connection: psycopg.Connection) -> None:
    with connection.transaction():
        connection.execute("CREATE TEMP TABLE kept (a int)")
        for number in range(5):
            with connection.transaction(force_rollback=number % 2 == 0):
                connection.execute("INSERT INTO kept VALUES (%s)", [number])
                connection.execute("SELECT count(*) FROM tpch.region")
    assert connection.execute("SELECT a FROM kept ORDER BY a").fetchall() == [(1,), (3,)]
