"""asyncpg: always extended and binary; prepared statements, cursors, pools, cancels by time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from tests import samples
from tests.target import Target

pytestmark = pytest.mark.driver

ENDLESS = (
    "SELECT count(*) FROM tpch.lineitem a, tpch.lineitem b, tpch.lineitem c WHERE a.l_tax + b.l_tax > c.l_discount"
)
INFINITE = {"date", "timestamp", "timestamptz"}
"""Of these asyncpg sends Python's first and last value as minus and plus infinity."""

COMPARED = [column for column in samples.COLUMNS if column != "bool"]


@asynccontextmanager
async def connected(target: Target) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(**arguments(target))
    try:
        yield connection
    finally:
        await connection.close()


def arguments(target: Target) -> dict[str, Any]:
    return {("database" if name == "dbname" else name): value for name, value in target.keywords.items()}


@pytest.mark.parametrize("column", samples.COLUMNS)
async def test_results_of_every_type(target: Target, column: str) -> None:
    async with connected(target) as connection:
        rows = await connection.fetch(f'SELECT "{column}" FROM sample.every_type ORDER BY id')
    assert [row[0] for row in rows] == [row[column] for row in samples.ROWS]


@pytest.mark.parametrize("column", COMPARED)
async def test_parameters_of_every_type(target: Target, column: str) -> None:
    query = f'SELECT id FROM sample.every_type WHERE "{column}" = $1'
    async with connected(target) as connection:
        found = [[row["id"] for row in await connection.fetch(query, row[column])] for row in samples.ROWS]
    assert found == ([[1], [], [], []] if column in INFINITE else [[1], [], [3], [4]])


async def test_boolean_parameter(target: Target) -> None:
    async with connected(target) as connection:
        rows = await connection.fetch("SELECT id FROM sample.every_type WHERE bool = $1 ORDER BY id", True)
    assert [row["id"] for row in rows] == [1, 3]


async def test_prepared_statement_describes_itself(target: Target) -> None:
    columns = "o_orderkey, o_totalprice AS price, o_orderdate"
    query = f"SELECT {columns} FROM tpch.orders WHERE o_custkey = $1 AND o_orderdate < $2"
    async with connected(target) as connection:
        statement = await connection.prepare(query)
        assert [type_.name for type_ in statement.get_parameters()] == ["int8", "date"]
        assert [(column.name, column.type.name) for column in statement.get_attributes()] == [
            ("o_orderkey", "int8"),
            ("price", "numeric"),
            ("o_orderdate", "date"),
        ]
        assert await statement.fetchval(0, samples.ORDINARY["date"]) is None


async def test_prepared_statement_is_executed_again(target: Target) -> None:
    async with connected(target) as connection:
        statement = await connection.prepare("SELECT o_totalprice FROM tpch.orders WHERE o_orderkey = $1")
        prices = [await statement.fetchval(key) for key in (1, 2, 3, 8)]
        assert prices[3] is None
        assert all(isinstance(price, Decimal) for price in prices[:3])
        assert await statement.fetchval(1) == prices[0]


async def test_cursor_suspends_its_portal(target: Target) -> None:
    query = "SELECT l_orderkey, l_linenumber FROM tpch.lineitem ORDER BY l_orderkey, l_linenumber"
    async with connected(target) as connection, connection.transaction():
        cursor = await connection.cursor(query)
        first, second, third = await cursor.fetch(7), await cursor.fetch(100), await cursor.fetchrow()
    keys = [tuple(row) for row in [*first, *second, third]]
    assert len(keys) == 108
    assert keys == sorted(keys)


async def test_cursor_iterates_a_large_table(target: Target) -> None:
    async with connected(target) as connection, connection.transaction():
        count = 0
        async for _ in connection.cursor("SELECT l_orderkey FROM tpch.lineitem", prefetch=10_000):
            count += 1
    assert count == 600_572


async def test_execute_many_selects(target: Target) -> None:
    async with connected(target) as connection:
        await connection.executemany(
            "SELECT n_name FROM tpch.nation WHERE n_nationkey = $1", [(key,) for key in range(25)]
        )
        assert await connection.fetchval("SELECT count(*) FROM tpch.nation") == 25


async def test_pool_resets_its_connections(target: Target) -> None:
    async with asyncpg.create_pool(min_size=2, max_size=2, **arguments(target)) as pool:
        async with pool.acquire() as connection:
            await connection.execute("SET search_path = tpch")
            assert await connection.fetchval("SELECT count(*) FROM nation") == 25
        counts = await asyncio.gather(*(pool.fetchval("SELECT count(*) FROM tpch.region") for _ in range(6)))
        assert counts == [5] * 6
        with pytest.raises(asyncpg.UndefinedTableError):
            await pool.fetchval("SELECT count(*) FROM nation")


async def test_error_leaves_the_connection_usable(target: Target) -> None:
    async with connected(target) as connection:
        with pytest.raises(asyncpg.UndefinedColumnError) as raised:
            await connection.fetch("SELECT nothing FROM tpch.nation")
        assert raised.value.position == "8"
        assert await connection.fetchval("SELECT count(*) FROM tpch.nation") == 25


async def test_time_out_cancels(target: Target) -> None:
    async with connected(target) as connection:
        with pytest.raises(asyncio.TimeoutError):
            await connection.fetchval(ENDLESS, timeout=1)
        assert await connection.fetchval("SELECT count(*) FROM tpch.nation") == 25


async def test_settings_are_reported(target: Target) -> None:
    async with connected(target) as connection:
        await connection.execute("SET timezone = 'Asia/Kolkata'")
        assert connection.get_settings().TimeZone == "Asia/Kolkata"
        assert connection.get_server_version().major >= 18
