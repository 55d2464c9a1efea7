"""Folders go with their tables, and never one that is somebody's: while it is made, registered, shared or cleared."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from psycopg import AsyncConnection

from catalog.catalog import Catalog
from catalog.changes import CreateSchema, DropTable, RegisterTable
from catalog.errors import CannotConnectNow, SqlError, UnreadableTable
from catalog.names import TableName
from tests.fix_cluster import eventually
from tests.fix_metastore import Metastore
from tests.lakes import write_table

ORDERS = TableName("sales", "orders")
LOST = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE application_name = 'lakegate folders' AND datname = %s"""
WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


@pytest.fixture(autouse=True)
async def sales(metastore: Metastore) -> None:
    await metastore.apply(CreateSchema("sales"))


@asynccontextmanager
async def another_gateway(metastore: Metastore) -> AsyncIterator[Catalog]:
    catalog = Catalog(metastore.server, warehouse_root=str(metastore.warehouse))
    await catalog.open()
    try:
        yield catalog
    finally:
        await catalog.close()


@asynccontextmanager
async def owner(metastore: Metastore) -> AsyncIterator[AsyncConnection[Any]]:
    """A transaction in the workspace's database."""
    async with await AsyncConnection.connect(metastore.server.owner_endpoint(metastore.workspace).conninfo()) as one:
        yield one


@asynccontextmanager
async def stuck_removal(metastore: Metastore) -> AsyncIterator[None]:
    """Whoever clears gets no further than one folder."""
    await metastore.query("INSERT INTO lakegate.leftovers VALUES ('/nowhere/stuck')")
    async with owner(metastore) as connection:
        await connection.execute("SELECT FROM lakegate.leftovers WHERE location = '/nowhere/stuck' FOR UPDATE")
        yield


def place(metastore: Metastore, name: str = "orders") -> str:
    return f"{metastore.warehouse}/{metastore.workspace}/sales/{name}"


def make(metastore: Metastore, name: str = "orders") -> str:
    """A Delta table's files in a managed folder."""
    return write_table(Path(place(metastore, name)), {"a": [1]})


def is_table(location: str) -> bool:
    return Path(location, "_delta_log").exists()


async def known(metastore: Metastore, workspace: str | None = None) -> set[str]:
    conninfo = metastore.server.owner_endpoint(workspace or metastore.workspace).conninfo()
    async with await AsyncConnection.connect(conninfo) as one:
        return {row[0] for row in await (await one.execute("SELECT location FROM lakegate.leftovers")).fetchall()}


async def clear(metastore: Metastore, catalog: Catalog | None = None, workspace: str | None = None) -> None:
    """All is cleared that can be: a pass that began after this was called has ended."""
    workspace = workspace or metastore.workspace
    for sentinel in ("/nowhere/first", "/nowhere/second"):
        async with await AsyncConnection.connect(metastore.server.owner_endpoint(workspace).conninfo()) as one:
            await one.execute("INSERT INTO lakegate.leftovers VALUES (%s)", (sentinel,))
        (catalog or metastore.catalog).clear_leftovers(workspace)

        async def is_gone(sentinel: str = sentinel) -> bool:
            return sentinel not in await known(metastore, workspace)

        await eventually(is_gone)


async def is_waited(metastore: Metastore) -> bool:
    return bool(await metastore.query(WAITING))


async def test_a_folder_in_the_making_stays(metastore: Metastore) -> None:
    async with another_gateway(metastore) as other:
        await other.open_workspace(metastore.workspace)
        async with metastore.catalog.making(metastore.workspace, place(metastore)):
            location = make(metastore)
            assert location in await known(metastore)
            for catalog in (metastore.catalog, other):
                await clear(metastore, catalog)
            assert is_table(location)
        await eventually(lambda: not Path(location).exists())
        await clear(metastore)
        assert location not in await known(metastore)


async def test_a_table_stays_whatever_comes_after_its_registration(metastore: Metastore) -> None:
    location = place(metastore)
    with suppress(CannotConnectNow):
        async with metastore.catalog.making(metastore.workspace, location):
            make(metastore)
            await metastore.apply(RegisterTable(ORDERS, location))
            raise CannotConnectNow("the answer to COMMIT was lost")
    await clear(metastore)
    assert is_table(location)
    assert location not in await known(metastore)


async def test_what_was_not_kept_meanwhile_becomes_no_table(metastore: Metastore) -> None:
    """Somebody may have cleared it while its machine was still at work."""
    async with metastore.catalog.making(metastore.workspace, place(metastore)):
        location = make(metastore)
        assert len(await metastore.query(LOST, metastore.workspace)) == 1
        with pytest.raises(SqlError):
            await metastore.apply(RegisterTable(ORDERS, location))
    assert await metastore.query("SELECT id FROM lakegate.tables WHERE location = %s", location) == []
    await eventually(lambda: not Path(location).exists())


async def test_what_is_dropped_while_it_is_found_to_be_a_table(metastore: Metastore) -> None:
    """Whoever clears forgets it then, and not what DROP has said meanwhile."""
    location = make(metastore)
    await metastore.apply(RegisterTable(ORDERS, location))
    await metastore.query("INSERT INTO lakegate.leftovers VALUES (%s)", location)
    async with owner(metastore) as clearing:
        await clearing.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (location,))
        dropping = asyncio.create_task(metastore.apply(DropTable(ORDERS)))
        await eventually(lambda: is_waited(metastore))
        await metastore.query("DELETE FROM lakegate.leftovers WHERE location = %s", location)
    await dropping
    await eventually(lambda: not Path(location).exists())


async def test_nobody_waits_for_removals(metastore: Metastore) -> None:
    await metastore.apply(RegisterTable(ORDERS, make(metastore)))
    async with stuck_removal(metastore):
        await metastore.apply(DropTable(ORDERS))
        await eventually(lambda: is_waited(metastore))
    await eventually(lambda: not Path(place(metastore)).exists())


async def test_no_login_waits_for_removals(metastore: Metastore) -> None:
    async with another_gateway(metastore) as other, stuck_removal(metastore):
        assert await other.login("admin", metastore.workspace) is not None
        await eventually(lambda: is_waited(metastore))


async def test_what_could_not_be_removed_is_tried_again(metastore: Metastore) -> None:
    folder = metastore.warehouse / "a file"
    folder.parent.mkdir(exist_ok=True)
    folder.touch()
    await metastore.query("INSERT INTO lakegate.leftovers VALUES (%s)", str(folder))
    await clear(metastore)
    assert str(folder) in await known(metastore)
    folder.unlink()
    folder.mkdir()
    await clear(metastore)
    assert not folder.exists()
    assert str(folder) not in await known(metastore)


async def test_drop_leaves_what_lies_in_another_workspace(metastore: Metastore) -> None:
    location, other = make(metastore), f"{metastore.workspace}b"
    await metastore.apply(RegisterTable(ORDERS, location))
    await metastore.catalog.create_workspace(other)
    for change in (CreateSchema("sales"), RegisterTable(ORDERS, location), DropTable(ORDERS)):
        await metastore.catalog.apply(change, metastore.admin, other)
    await clear(metastore, workspace=other)
    assert is_table(location)


@pytest.mark.parametrize("replaced", ["sales/orders", "sales"])
async def test_no_link_leads_a_drop_to_anothers_table(metastore: Metastore, replaced: str) -> None:
    """The machines' user owns the folders, and gives a table's name to what they lead to."""
    location, victim = make(metastore), write_table(metastore.warehouse / "victim" / "orders", {"a": [1]})
    await metastore.apply(RegisterTable(ORDERS, location))
    own = metastore.warehouse / metastore.workspace / replaced
    shutil.rmtree(own)
    own.symlink_to(victim if own == Path(location) else Path(victim).parent)
    await metastore.apply(DropTable(ORDERS))
    await clear(metastore)
    assert is_table(victim)
    assert own.is_symlink()


@pytest.mark.parametrize("dropped", ["above", "below"])
async def test_drop_leaves_what_it_shares_with_another_table(metastore: Metastore, dropped: str) -> None:
    names = {"above": TableName("sales", "above"), "below": TableName("sales", "below")}
    locations = {"above": make(metastore, "shared"), "below": make(metastore, "shared/inner")}
    for which, name in names.items():
        await metastore.apply(RegisterTable(name, locations[which]))
    await metastore.apply(DropTable(names.pop(dropped)))
    await clear(metastore)
    assert all(map(is_table, locations.values()))
    await metastore.apply(DropTable(names.popitem()[1]))
    await eventually(lambda: not any(Path(location).exists() for location in locations.values()))


@pytest.mark.parametrize("cleared", ["shared/inner", "shared"])
async def test_a_folder_that_is_being_cleared_becomes_no_table(metastore: Metastore, cleared: str) -> None:
    location, clearing = make(metastore, "shared/inner"), place(metastore, cleared)
    await metastore.query("INSERT INTO lakegate.leftovers VALUES (%s)", clearing)
    async with owner(metastore) as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (clearing,))
        registering = asyncio.create_task(metastore.apply(RegisterTable(ORDERS, location)))
        await eventually(lambda: is_waited(metastore))
        shutil.rmtree(clearing)
    with pytest.raises(UnreadableTable):
        await registering
    assert metastore.catalog.find_location(metastore.workspace, ORDERS) is None
