"""Several gateways over one metastore: each sees the others' changes, and none is lost when they race."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from psycopg import AsyncConnection

from catalog.catalog import Catalog
from catalog.changes import CreateRole, CreateSchema, DropTable, Grant, Privilege, RegisterTable
from catalog.errors import CannotConnectNow, DuplicateTable, InvalidCatalogName, InvalidName
from catalog.migrations import History, migrate
from catalog.names import TableName, TableReference
from catalog.postgres import EmbeddedPostgres
from catalog.principals import Principal
from tests.fix_metastore import Metastore
from tests.lakes import write_table

TABLE = TableName("sales", "orders")
REFERENCE = TableReference("orders", "sales")


@pytest.fixture
async def replica(metastore: Metastore) -> AsyncIterator[Catalog]:
    catalog = Catalog(metastore.server, warehouse_root=str(metastore.warehouse))
    await catalog.open()
    assert await catalog.login("admin", metastore.workspace) is not None
    yield catalog
    await catalog.close()


async def reach(catalog: Catalog, workspace: str, version: int) -> None:
    """Waits until the replica has heard of that version."""
    async with asyncio.timeout(300):
        while True:
            if catalog.version(workspace) >= version:
                return
            await asyncio.sleep(0)


async def test_changes_arrive(metastore: Metastore, replica: Catalog) -> None:
    async def seen(who: Principal) -> bool:
        await reach(replica, metastore.workspace, metastore.catalog.version(metastore.workspace))
        return replica.has_table_called(metastore.workspace, REFERENCE.name)

    assert not await seen(metastore.admin)
    await metastore.apply(CreateSchema("sales"))
    await metastore.apply(RegisterTable(TABLE, write_table(metastore.warehouse / "t", {"a": [1]})))
    assert await seen(metastore.admin)
    user = metastore.unique("user")
    await metastore.apply(CreateRole(user, None, login=True))
    await metastore.apply(Grant(frozenset({Privilege.USAGE}), (user,), schemas=("sales",)))
    await reach(replica, metastore.workspace, metastore.catalog.version(metastore.workspace))
    login = await replica.login(user, metastore.workspace)
    assert login is not None
    assert await seen(login.principal)
    await metastore.apply(DropTable(TABLE))
    assert not await seen(metastore.admin)


async def test_races_have_one_winner(metastore: Metastore, replica: Catalog) -> None:
    await metastore.apply(CreateSchema("sales"))
    location = write_table(metastore.warehouse / "t", {"a": [1]})
    attempts = [
        catalog.apply(RegisterTable(TABLE, location), metastore.admin, metastore.workspace)
        for catalog in (metastore.catalog, replica) * 5
    ]
    results = await asyncio.gather(*attempts, return_exceptions=True)
    assert results.count(None) == 1
    assert sum(isinstance(result, DuplicateTable) for result in results) == 9


async def test_many_changes_at_once(metastore: Metastore, replica: Catalog) -> None:
    await metastore.apply(CreateSchema("sales"))
    location = write_table(metastore.warehouse / "t", {"a": [1]})
    names = [TableName("sales", f"t{number}") for number in range(40)]
    async with asyncio.TaskGroup() as group:
        for number, name in enumerate(names):
            catalog = (metastore.catalog, replica)[number % 2]
            group.create_task(catalog.apply(RegisterTable(name, location), metastore.admin, metastore.workspace))
    references = [TableReference(name.name, name.schema) for name in names]
    for catalog in (metastore.catalog, replica):
        await reach(catalog, metastore.workspace, metastore.catalog.version(metastore.workspace))
        resolution = await catalog.resolve(metastore.admin, metastore.workspace, references, [])
        assert {table.name for table in resolution.tables.values()} == set(names)


async def test_a_cut_channel_stales_nothing(metastore: Metastore, replica: Catalog) -> None:
    """Every listener is killed; a resolution right after must not trust its cache."""
    await metastore.apply(CreateSchema("sales"))
    location = write_table(metastore.warehouse / "t", {"a": [1]})
    for number in range(5):
        await metastore.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE %s", "LISTEN %")
        name = TableName("sales", f"t{number}")
        await metastore.apply(RegisterTable(name, location))
        await reach(replica, metastore.workspace, metastore.catalog.version(metastore.workspace))
        reference = TableReference(name.name, "sales")
        assert reference in (await replica.resolve(metastore.admin, metastore.workspace, [reference], [])).tables


async def test_what_nobody_understands_stales_nothing(metastore: Metastore, replica: Catalog) -> None:
    """A notification that cannot be read breaks the channel, which is opened again."""
    await metastore.apply(CreateSchema("sales"))
    location = write_table(metastore.warehouse / "t", {"a": [1]})
    for number, payload in enumerate(("", "[]", "{}")):
        await metastore.query("SELECT pg_notify('lakegate_version', %s)", payload)
        name = TableName("sales", f"t{number}")
        await metastore.apply(RegisterTable(name, location))
        await reach(replica, metastore.workspace, metastore.catalog.version(metastore.workspace))
        reference = TableReference(name.name, "sales")
        assert reference in (await replica.resolve(metastore.admin, metastore.workspace, [reference], [])).tables


async def test_unknown_workspaces_and_names(metastore: Metastore) -> None:
    assert await metastore.catalog.login("admin", "no_such_workspace") is None
    assert await metastore.catalog.login("no_such_user", metastore.workspace) is None
    with pytest.raises(InvalidCatalogName, match='database "no_such_workspace" does not exist'):
        await metastore.catalog.resolve(metastore.admin, "no_such_workspace", [], [])
    for name in ("", ".", "..", "a/b", "lakegate", "postgres", "template1", "x" * 64):
        with pytest.raises(InvalidName):
            await metastore.catalog.create_workspace(name)


async def test_migrations_from_nothing_and_again(metastore: Metastore) -> None:
    for database, history in (("lakegate", History.ACCOUNT), (metastore.workspace, History.WORKSPACE)):
        endpoint = metastore.server.owner_endpoint(database)
        async with await AsyncConnection.connect(endpoint.conninfo()) as connection:
            query = "SELECT version_num FROM lakegate.migration"
            before = await (await connection.execute(query.encode())).fetchall()
            await connection.rollback()
            await asyncio.to_thread(migrate, endpoint, history)
            assert await (await connection.execute(query.encode())).fetchall() == before
            assert len(before) == 1


async def test_an_interrupted_workspace_is_finished(metastore: Metastore) -> None:
    name = f"{metastore.workspace}_half"
    await metastore.query(f'CREATE DATABASE "{name}"')
    assert await metastore.catalog.login("admin", name) is None
    await metastore.catalog.create_workspace(name)
    await metastore.catalog.create_workspace(name)
    assert await metastore.catalog.login("admin", name) is not None


async def test_a_server_that_is_not_there(passable_folder: Path) -> None:
    server = EmbeddedPostgres(passable_folder / "never_started")
    with pytest.raises(CannotConnectNow, match="the metastore cannot be reached"):
        await Catalog(server, warehouse_root="/nowhere").open()


async def test_other_replicas_need_no_moment_to_learn(metastore: Metastore, replica: Catalog) -> None:
    """What one gateway has made is there on another at once, however slow the channel."""
    await metastore.apply(CreateSchema("sales"))
    location = write_table(metastore.warehouse / "t", {"a": [1]})
    for number in range(10):
        name = TableName("sales", f"t{number}")
        await metastore.apply(RegisterTable(name, location))
        reference = TableReference(name.name, "sales")
        assert reference in (await replica.resolve(metastore.admin, metastore.workspace, [reference], [])).tables
        user = await metastore.make_user(f"user{number}")
        assert await replica.login(user.name, metastore.workspace) is not None
