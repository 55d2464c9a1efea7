"""Views are PostgreSQL's own over the shadows: dependencies, renamings, changes behind them, whose rights count."""

from typing import Any

import pytest

from catalog.catalog import Catalog
from catalog.changes import (
    CommentOnTable,
    CreateSchema,
    CreateView,
    DropSchema,
    DropTable,
    Grant,
    Privilege,
    RegisterTable,
    RenameTable,
)
from catalog.errors import InsufficientPrivilege, ObjectNotInPrerequisiteState, SqlError
from catalog.names import TableName, TableReference
from catalog.resolution import ResolvedTable
from tests.fix_metastore import Metastore
from tests.lakes import mapped_field, write_log

TABLE, VIEW, OUTER = (TableName("sales", name) for name in ("orders", "cheap", "cheapest"))
A, B = mapped_field("a", "long", 1, "p1"), mapped_field("b", "string", 2, "p2")
CHEAP = 'CREATE VIEW "sales"."cheap" AS SELECT a, b AS label FROM "sales"."orders" WHERE a < 10'
CHEAPEST = 'CREATE VIEW "sales"."cheapest" AS SELECT * FROM "sales"."cheap" WHERE a < 2'

FOREIGN = (
    "NULL::sales.orders IS NULL",
    "NULL::information_schema.sql_identifier",
    "'lakegate.tables'::regclass",
    "'public'::regnamespace",
    "lakegate.pg_backend_pid()",
)
"""Expressions that PostgreSQL would keep, or drop, a view with."""


def lake(metastore: Metastore, version: int, *fields: dict[str, Any]) -> str:
    return write_log(metastore.warehouse / "t", fields, mode="name", reader=2, version=version)


@pytest.fixture
async def sales(metastore: Metastore) -> Metastore:
    """A table, a view of it, and a view of that."""
    await metastore.apply(CreateSchema("sales"))
    await metastore.apply(RegisterTable(TABLE, lake(metastore, 0, A, B)))
    await metastore.apply(CreateView(VIEW, CHEAP))
    await metastore.apply(CreateView(OUTER, CHEAPEST))
    return metastore


async def find(sales: Metastore, name: TableName, **more: Any) -> ResolvedTable:
    reference = TableReference(name.name, name.schema)
    return (await sales.resolve(reference, **more)).tables[reference]


async def relations(sales: Metastore) -> list[Any]:
    query = """SELECT relname::text, relkind::text FROM pg_class
               WHERE relnamespace = 'sales'::regnamespace AND relkind IN ('r', 'v') ORDER BY 1"""
    kept = """SELECT name, CASE location WHEN '' THEN 'v' ELSE 'r' END FROM lakegate.tables
              WHERE schema_name = 'sales' ORDER BY 1"""
    shown = await sales.query(query)
    assert shown == await sales.query(kept)
    return [name for name, _ in shown]


async def test_a_view_resolves_to_its_text_and_what_is_behind(sales: Metastore) -> None:
    found = await find(sales, OUTER)
    assert found.view is not None
    assert [column.name for column in found.view.columns] == ["a", "label"]
    (inner,) = found.view.relations.values()
    assert inner.view is not None
    assert '"sales"' not in inner.view.text
    assert "FROM sales.orders" in inner.view.text
    assert [snapshot.table for snapshot in found.snapshots()] == [TABLE]


async def refuses(sales: Metastore, change: Any, sqlstate: str, text: str | None = None) -> None:
    before = await relations(sales)
    with pytest.raises(SqlError, match=text) as raised:
        await sales.apply(change)
    assert raised.value.sqlstate == sqlstate
    assert await relations(sales) == before


async def test_dependencies(sales: Metastore) -> None:
    await refuses(sales, DropTable(TABLE), "2BP01", "cannot drop table orders because other objects depend on it")
    await refuses(sales, DropTable(VIEW, view=True), "2BP01")
    await refuses(sales, DropTable(VIEW), "42809", '"cheap" is not a table')
    await refuses(sales, DropTable(TABLE, view=True), "42809", '"orders" is not a view')
    await sales.apply(DropTable(VIEW, view=True, cascade=True))
    assert await relations(sales) == ["orders"]
    await sales.apply(CreateView(VIEW, CHEAP))
    await sales.apply(DropTable(TABLE, cascade=True))
    assert await relations(sales) == []


def doubled(name: str, *read: str) -> CreateView:
    """A view of those relations, made or made anew."""
    joined = ", ".join(f'"sales"."{each}" r{number}' for number, each in enumerate(read))
    text = f'CREATE OR REPLACE VIEW "sales"."{name}" AS SELECT 1 AS a FROM {joined}'
    return CreateView(TableName("sales", name), text, replace=True)


async def test_views_come_to_so_many_relations_at_most(sales: Metastore) -> None:
    await sales.apply(doubled("v0", "orders"))
    for level in range(1, 9):
        await sales.apply(doubled(f"v{level}", f"v{level - 1}", f"v{level - 1}"))
    await refuses(sales, doubled("v9", "v8", "v8"), "54000", "view sales.v9 would read more than 1000 relations")
    await refuses(sales, doubled("v0", "orders", "orders", "orders"), "54000", "view sales.v8 would read more")
    await sales.apply(doubled("v9", "v8", "v0"))


async def test_nothing_is_told_of_what_is_behind_to_who_may_not_read_it(sales: Metastore) -> None:
    stranger = await sales.make_user("stranger")
    await sales.apply(Grant(frozenset({Privilege.USAGE}), (stranger.name,), schemas=("sales",)))
    found = await find(sales, OUTER, who=stranger)
    assert found.view is not None
    assert not found.view.relations


async def test_views_elsewhere_go_with_a_schema(sales: Metastore) -> None:
    await sales.apply(CreateSchema("more"))
    there = TableName("more", "all")
    await sales.apply(CreateView(there, 'CREATE VIEW "more"."all" AS SELECT * FROM "sales"."cheap"'))
    await refuses(sales, DropSchema("sales"), "2BP01", "cannot drop schema sales")
    await sales.apply(DropSchema("sales", cascade=True))
    assert await sales.query("SELECT name FROM lakegate.tables") == []


async def test_wrong_views(sales: Metastore) -> None:
    own = 'CREATE OR REPLACE VIEW "sales"."cheap" AS SELECT a, label FROM "sales"."cheapest"'
    for change, sqlstate in (
        (CreateView(VIEW, CHEAP), "42P07"),
        (CreateView(TABLE, CHEAP, replace=True), "42809"),
        (CreateView(VIEW, CHEAP.replace("CREATE", "CREATE OR REPLACE").replace("a,", ""), replace=True), "42P16"),
        (CreateView(VIEW, own, replace=True), "42P17"),
        (CreateView(TableName("sales", "x"), 'CREATE VIEW "sales"."x" AS SELECT c FROM "sales"."orders"'), "42703"),
        (
            CreateView(
                TableName("sales", "x"), 'CREATE VIEW "sales"."x" AS SELECT 1 FROM pg_class', unknown="pg_class"
            ),
            "0A000",
        ),
        (CreateView(TableName("sales", "x"), 'CREATE VIEW "sales"."x" AS SELECT $1 AS a'), "42P02"),
        (
            CreateView(TableName("sales", "x"), 'CREATE VIEW "sales"."x" AS SELECT 1 AS a; DROP TABLE sales.orders'),
            "42601",
        ),
        (CreateView(TableName("none", "x"), 'CREATE VIEW "none"."x" AS SELECT 1 AS a'), "3F000"),
        *(
            (CreateView(TableName("sales", "x"), f'CREATE VIEW "sales"."x" AS SELECT {each} AS a'), "0A000")
            for each in FOREIGN
        ),
    ):
        await refuses(sales, change, sqlstate)


async def test_replacing(sales: Metastore) -> None:
    user = await sales.make_user("user")
    await sales.apply(Grant(frozenset({Privilege.SELECT}), (user.name,), tables=(VIEW,)))
    text = CHEAP.replace("CREATE", "CREATE OR REPLACE").replace("label", "label, b || 'x' AS more")
    await sales.apply(CreateView(VIEW, text, replace=True))
    found = await find(sales, VIEW)
    assert found.view is not None
    assert [column.name for column in found.view.columns] == ["a", "label", "more"]
    assert (await sales.query("SELECT grantee FROM lakegate.table_grants")) == [(user.name,)]
    stranger = await sales.make_user("stranger")
    await sales.apply(Grant(frozenset({Privilege.USAGE}), (stranger.name,), schemas=("sales",)))
    await sales.apply(Grant(frozenset({Privilege.CREATE, Privilege.USAGE}), (stranger.name,), schemas=("sales",)))
    with pytest.raises(InsufficientPrivilege, match="must be owner of view cheap"):
        await sales.apply(CreateView(VIEW, text, replace=True), stranger)


async def test_new_names(sales: Metastore) -> None:
    user = await sales.make_user("user")
    await sales.apply(Grant(frozenset({Privilege.SELECT}), (user.name,), tables=(TABLE,)))
    await find(sales, OUTER)
    await sales.apply(RenameTable(TABLE, "purchases"))
    await sales.apply(RenameTable(VIEW, "low"))
    assert await relations(sales) == ["cheapest", "low", "purchases"]
    found = await find(sales, OUTER)
    assert [snapshot.table.name for snapshot in found.snapshots()] == ["purchases"]
    await refuses(sales, RenameTable(OUTER, "low"), "42P07")
    with pytest.raises(InsufficientPrivilege):
        await sales.apply(RenameTable(OUTER, "mine"), user)


async def test_owners_rights_count_behind_a_view(sales: Metastore) -> None:
    user = await sales.make_user("user")
    await sales.apply(Grant(frozenset({Privilege.USAGE}), ("public",), schemas=("sales",)))
    await sales.apply(Grant(frozenset({Privilege.SELECT}), (user.name,), tables=(OUTER,)))
    found = await find(sales, OUTER, who=user)
    assert found.privileges == {Privilege.SELECT}
    assert [snapshot.table for snapshot in found.snapshots()] == [TABLE]
    text = CHEAP.replace("CREATE", "CREATE OR REPLACE").replace(" AS SELECT", " WITH (security_invoker) AS SELECT")
    await sales.apply(CreateView(VIEW, text, replace=True))
    assert list((await find(sales, OUTER, who=user)).snapshots()) == []
    await sales.apply(Grant(frozenset({Privilege.SELECT}), (user.name,), tables=(TABLE,)))
    assert [snapshot.table for snapshot in (await find(sales, OUTER, who=user)).snapshots()] == [TABLE]


async def definition(sales: Metastore, name: TableName) -> str:
    return str((await sales.query("SELECT pg_get_viewdef(%s::regclass)", f"{name.schema}.{name.name}"))[0][0])


CHANGES = {
    "added": ((A, B, mapped_field("c", "date", 3, "p3")), "bigint"),
    "renamed": ((A | {"name": "z"}, B), "bigint"),
    "widened": ((A | {"type": "decimal(20,0)"}, B), "numeric(20,0)"),
    "moved": ((B, A), "bigint"),
}


@pytest.mark.parametrize(("fields", "type_"), CHANGES.values(), ids=CHANGES)
async def test_views_follow_their_tables(sales: Metastore, fields: tuple[Any, ...], type_: str) -> None:
    await sales.apply(CommentOnTable(VIEW, None, "below ten"))
    await sales.apply(CommentOnTable(VIEW, "label", "what it is called"))
    user = await sales.make_user("user")
    await sales.apply(Grant(frozenset({Privilege.SELECT}), (user.name,), tables=(OUTER,)))
    lake(sales, 1, *fields)
    await find(sales, OUTER)
    shown = """SELECT attname::text, format_type(atttypid, atttypmod), col_description(attrelid, attnum),
                      obj_description(attrelid), has_table_privilege(%s, attrelid, 'REFERENCES')
               FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum"""
    assert await sales.query(shown, user.name, "sales.cheap") == [
        ("a", type_, None, "below ten", False),
        ("label", "text", "what it is called", "below ten", False),
    ]
    assert [row[1] for row in await sales.query(shown, user.name, "sales.cheapest")] == [type_, "text"]
    assert (await sales.query(shown, user.name, "sales.cheapest"))[0][4]
    assert await relations(sales) == ["cheap", "cheapest", "orders"]


async def test_a_view_whose_column_was_taken_away_waits_for_it(sales: Metastore) -> None:
    lake(sales, 1, A)
    with pytest.raises(ObjectNotInPrerequisiteState):
        await find(sales, OUTER)
    assert (await find(sales, TABLE)).snapshot is not None
    assert await relations(sales) == ["cheap", "cheapest", "orders"]
    for name in (VIEW, OUTER):
        with pytest.raises(ObjectNotInPrerequisiteState, match=r"cannot be read any more: column .* does not exist"):
            await find(sales, name)
    lake(sales, 2, A, B)
    await find(sales, TABLE)
    assert [snapshot.version for snapshot in (await find(sales, OUTER)).snapshots()] == [2]
    assert "orders" in await definition(sales, VIEW)


async def test_a_view_that_cannot_be_read_can_be_replaced_or_dropped(sales: Metastore) -> None:
    lake(sales, 1, A)
    await find(sales, TABLE)
    text = 'CREATE OR REPLACE VIEW "sales"."cheap" AS SELECT a, \'none\'::text AS label FROM "sales"."orders"'
    await sales.apply(CreateView(VIEW, text, replace=True))
    assert len(list((await find(sales, OUTER)).snapshots())) == 1
    await sales.apply(DropTable(OUTER, view=True))
    assert await relations(sales) == ["cheap", "orders"]


async def test_a_view_that_postgresql_has_lost_keeps_nobody_out(sales: Metastore) -> None:
    await sales.query("DROP VIEW sales.cheap CASCADE")
    catalog = Catalog(sales.server, warehouse_root=str(sales.warehouse))
    await catalog.open()
    try:
        references = [TableReference(name.name, name.schema) for name in (TABLE, VIEW)]
        assert references[0] in (await catalog.resolve(sales.admin, sales.workspace, references[:1], [])).tables
        with pytest.raises(ObjectNotInPrerequisiteState, match="cannot be read any more"):
            await catalog.resolve(sales.admin, sales.workspace, references, [])
    finally:
        await catalog.close()
    await sales.apply(CreateView(VIEW, CHEAP.replace("CREATE", "CREATE OR REPLACE"), replace=True))
    assert len(list((await find(sales, VIEW)).snapshots())) == 1
    await sales.apply(DropTable(OUTER, view=True))
    assert await relations(sales) == ["cheap", "orders"]
    await sales.query("DROP VIEW sales.cheap")
    await sales.apply(DropSchema("sales", cascade=True))


async def test_a_statement_reads_so_many_relations_behind_views_at_most(sales: Metastore) -> None:
    await sales.apply(doubled("x0", "orders"))
    await sales.apply(doubled("y0", "orders"))
    for level in range(1, 8):
        for side in "xy":
            await sales.apply(doubled(f"{side}{level}", f"x{level - 1}", f"y{level - 1}"))
    references = [TableReference(name, "sales") for name in ("x7", "y7", "x6", "y6")]
    await sales.resolve(*references[:2])
    with pytest.raises(SqlError) as raised:
        await sales.resolve(*references)
    assert raised.value.sqlstate == "54000"
