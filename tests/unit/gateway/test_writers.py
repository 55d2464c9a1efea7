"""Writers of one table take turns; writers of others, and readers, do not wait."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from catalog.errors import LockNotAvailable
from catalog.names import TableName
from gateway.writers import Writers

HELD: list[tuple[str, TableName]] = []


@asynccontextmanager
async def row(workspace: str, table: TableName) -> AsyncIterator[None]:
    """The metastore's, of which one may be held at a time."""
    assert (workspace, table) not in HELD
    HELD.append((workspace, table))
    yield
    HELD.remove((workspace, table))


ORDERS, PARTS = TableName("tpch", "orders"), TableName("tpch", "part")


async def test_the_second_writer_of_a_table_waits_for_the_first() -> None:
    writers, order = Writers(row), []

    async def write(name: str, table: TableName | None, workspace: str = "demo") -> None:
        async with writers.turn(workspace, table):
            order.append(f"{name} begins")
            await asyncio.sleep(0)
            order.append(f"{name} ends")

    await asyncio.gather(write("first", ORDERS), write("second", ORDERS))
    assert order == ["first begins", "first ends", "second begins", "second ends"]
    order.clear()
    await asyncio.gather(write("a", ORDERS), write("b", PARTS), write("c", None), write("d", ORDERS, "other"))
    assert order[:4] == ["a begins", "b begins", "c begins", "d begins"]


async def test_who_may_not_wait_so_long_is_told() -> None:
    writers = Writers(row)
    async with writers.turn("demo", ORDERS):
        with pytest.raises(LockNotAvailable, match="canceling statement due to lock timeout"):
            async with writers.turn("demo", ORDERS, 0.001):
                raise AssertionError("two hold it")
        async with writers.turn("demo", PARTS, 0.001):
            pass
    async with writers.turn("demo", ORDERS, 0.001):
        pass
