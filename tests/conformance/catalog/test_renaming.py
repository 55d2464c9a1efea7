"""A table stays what it is under another name: what was read of it, and at which version a block reads it."""

import asyncio

import pytest

from catalog.changes import CreateSchema, RegisterTable, RenameTable
from catalog.names import TableName, TableReference
from catalog.observations import Observation, Observations
from catalog.snapshots import Snapshot
from tests.fix_metastore import Metastore
from tests.lakes import write_table


@pytest.fixture
async def sales(metastore: Metastore) -> Metastore:
    """Table `a` with two versions, and table `b` with one."""
    await metastore.apply(CreateSchema("sales"))
    for name in ("a", "b"):
        location = write_table(metastore.warehouse / name, {"id": [1]})
        await metastore.apply(RegisterTable(TableName("sales", name), location))
    write_table(metastore.warehouse / "a", {"id": [2]}, mode="append")
    return metastore


async def rename(sales: Metastore, name: str, new: str) -> None:
    await sales.apply(RenameTable(TableName("sales", name), new))


async def read(sales: Metastore, name: str, pinned: dict[str, int] | None = None) -> Snapshot:
    reference = TableReference(name, "sales")
    snapshot = (await sales.resolve(reference, pinned=pinned or {})).tables[reference].snapshot
    assert snapshot is not None
    return snapshot


async def test_a_snapshot_is_kept_under_the_new_name(sales: Metastore) -> None:
    before = await read(sales, "a")
    await rename(sales, "a", "c")
    after = await read(sales, "c")
    assert (after.table, after.files) == (TableName("sales", "c"), before.files)
    assert await read(sales, "c") is after


async def test_a_block_reads_whatever_has_the_name_at_a_version_of_its_own(sales: Metastore) -> None:
    reference = TableReference("a", "sales")
    pins = dict((await sales.resolve(reference)).pins())
    for name, new in (("a", "c"), ("b", "a"), ("c", "b")):
        await rename(sales, name, new)
    write_table(sales.warehouse / "a", {"id": [3]}, mode="append")
    assert [
        (found.location, found.version) for found in (await read(sales, "a", pins), await read(sales, "b", pins))
    ] == [
        (str(sales.warehouse / "b"), 0),
        (str(sales.warehouse / "a"), 1),
    ]


async def test_what_was_seen_is_not_lost_with_who_writes_it_down(sales: Metastore) -> None:
    begun, written = asyncio.Event(), list[tuple[Observation, ...]]()

    async def write(seen: tuple[Observation, ...]) -> bool:
        if not begun.is_set():
            begun.set()
            await asyncio.Event().wait()
        written.append(seen)
        return True

    observations = Observations(write)
    observations.note(1, await read(sales, "a"))
    first = asyncio.create_task(observations.flush())
    await begun.wait()
    second = asyncio.create_task(observations.flush())
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await second
    await observations.close()
    assert [[each.table_id for each in seen] for seen in written] == [[1]]
