"""What the catalogs of an account tell: nothing of another account, and of another workspace no more than its name.

Every relation that a relayed statement can name is read whole, as a user of its own role, and searched for the names
that others have given.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from psycopg import AsyncConnection, sql

from catalog.catalog import Catalog
from catalog.changes import CommentOnTable, CreateRole, CreateSchema, CreateView, Grant, Privilege, RegisterTable
from catalog.names import TableName
from catalog.postgres import EmbeddedPostgres
from catalog.principals import Principal
from tests.fix_metastore import ADMIN_PASSWORD, Metastore
from tests.lakes import write_table

MARKER = "zz_marker"
RELATIONS = """
SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('pg_catalog', 'information_schema', 'lakegate') AND c.relkind IN ('r', 'v') ORDER BY 1, 2
"""
LEAST_READ = 180
"""Of PostgreSQL's some 210: the others are for superusers."""


async def leave_marks(catalog: Catalog, workspace: str, folder: Path) -> None:
    """A schema, a table, a column, a comment and a view of that name."""
    login = await catalog.login("admin", workspace)
    assert login is not None
    table = TableName(f"{MARKER}_schema", f"{MARKER}_table")
    text = f'CREATE VIEW "{MARKER}_schema"."{MARKER}_view" AS SELECT * FROM {table}'
    for change in (
        CreateSchema(table.schema),
        RegisterTable(table, write_table(folder / MARKER, {f"{MARKER}_column": [1]})),
        CommentOnTable(table, None, f"{MARKER}_comment"),
        CreateView(TableName(table.schema, f"{MARKER}_view"), text),
    ):
        await catalog.apply(change, login.principal, workspace)


@pytest.fixture
async def neighbour(metastore: Metastore, tmp_path: Path) -> str:
    """Another workspace of the account, with the marks in it, where somebody is at work."""
    workspace = f"{metastore.workspace}_next"
    await metastore.catalog.create_workspace(workspace)
    await leave_marks(metastore.catalog, workspace, tmp_path / "near")
    return workspace


@pytest.fixture
async def stranger(passable_folder: Path, tmp_path: Path) -> AsyncIterator[Catalog]:
    """Another account, with the marks in it, in its workspace's and a role's name as well."""
    server = EmbeddedPostgres(passable_folder / "stranger", settings={"fsync": "off"})
    await server.start()
    catalog = Catalog(server, warehouse_root=str(tmp_path))
    await catalog.open()
    await catalog.bootstrap("admin", ADMIN_PASSWORD)
    await catalog.create_workspace(f"{MARKER}_workspace")
    login = await catalog.login("admin", f"{MARKER}_workspace")
    assert login is not None
    await catalog.apply(CreateRole(f"{MARKER}_role", None, login=True), login.principal, f"{MARKER}_workspace")
    await leave_marks(catalog, f"{MARKER}_workspace", tmp_path / "far")
    yield catalog
    await catalog.close()
    await server.stop(now=True)


async def leaks(metastore: Metastore, who: Principal) -> list[str]:
    """The relations that tell a marker to that role."""
    endpoint = await metastore.catalog.relay_endpoint(who.name, metastore.workspace)
    found, read = [], 0
    async with await AsyncConnection.connect(endpoint.conninfo(), autocommit=True) as connection:
        for schema, name in await metastore.query(RELATIONS):
            query = sql.SQL("SELECT r::text FROM {} r").format(sql.Identifier(schema, name))
            try:
                rows = await (await connection.execute(query)).fetchall()
            except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectNotInPrerequisiteState):
                continue
            read += 1
            found += [f"{schema}.{name}"] * any(MARKER in (row or "") for (row,) in rows)
    assert read > LEAST_READ
    return found


async def test_no_catalog_tells_of_others(metastore: Metastore, neighbour: str, stranger: Catalog) -> None:
    user = await metastore.make_user("user")
    there = await metastore.catalog.relay_endpoint(user.name, neighbour)
    async with await AsyncConnection.connect(there.conninfo(), autocommit=True) as busy:
        await busy.execute(f"SET application_name = '{MARKER}_application'")
        await busy.execute(f"SELECT '{MARKER}_query'")
        for who in (await metastore.make_user("other"), metastore.admin):
            assert await leaks(metastore, who) in ([], ["pg_catalog.pg_stat_activity"])


async def test_marks_of_ones_own_are_found(metastore: Metastore, tmp_path: Path) -> None:
    """Else the search would prove nothing; and what is granted decides what of them information_schema shows."""
    await leave_marks(metastore.catalog, metastore.workspace, tmp_path)
    user = await metastore.make_user("user")
    before = await leaks(metastore, user)
    assert {"pg_catalog.pg_class", "pg_catalog.pg_attribute", "pg_catalog.pg_views"} <= set(before)
    assert not {"information_schema.tables", "information_schema.columns", "lakegate.delta_tables"} & set(before)
    table = TableName(f"{MARKER}_schema", f"{MARKER}_table")
    await metastore.apply(Grant(frozenset({Privilege.SELECT}), (user.name,), tables=(table,)))
    after = set(await leaks(metastore, user)) - set(before)
    assert {"information_schema.tables", "information_schema.columns", "lakegate.delta_tables"} <= after
