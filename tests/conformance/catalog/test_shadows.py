"""Shadows follow their Delta tables: registered, synchronised, refused, dropped."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from psycopg import AsyncConnection

from catalog.changes import (
    CommentOnTable,
    CreateSchema,
    DropSchema,
    DropTable,
    Grant,
    Privilege,
    RegisterTable,
    SyncTable,
)
from catalog.deltalog import read_snapshot
from catalog.errors import (
    DependentObjectsStillExist,
    DuplicateSchema,
    DuplicateTable,
    InsufficientPrivilege,
    InvalidParameterValue,
    InvalidSchemaName,
    ReservedName,
    UndefinedColumn,
    UndefinedTable,
    UnreadableTable,
)
from catalog.names import Role, TableName, TableReference
from catalog.tables import register_tables
from tests.fix_cluster import eventually
from tests.fix_metastore import Metastore
from tests.lakes import field, mapped_field, write_log, write_table

TABLE = TableName("sales", "orders")
REFERENCE = TableReference("orders", "sales")
NESTED = {"type": "struct", "fields": [field("q", "long")]}
ARRAY = {"type": "array", "elementType": "integer", "containsNull": True}


@pytest.fixture
async def sales(metastore: Metastore) -> Metastore:
    await metastore.apply(CreateSchema("sales"))
    return metastore


async def columns(sales: Metastore, name: str = "orders") -> list[tuple[Any, ...]]:
    """The shadow's columns: name, type, NOT NULL, comment."""
    return await sales.query(
        """SELECT attname::text, format_type(atttypid, atttypmod), attnotnull, col_description(attrelid, attnum)
           FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = relnamespace
           WHERE nspname = 'sales' AND relname = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum""",
        name,
    )


async def test_types_order_limits_and_comments(sales: Metastore) -> None:
    fields = [
        field("Id", "long", nullable=False, comment="the key"),
        field("price", "decimal(15,2)"),
        field("note", "string", __CHAR_VARCHAR_TYPE_STRING="varchar(10)"),
        field("at", "timestamp"),
        field("nested", NESTED),
        field("many", ARRAY),
        field('odd "name"', "date"),
    ]
    await sales.apply(RegisterTable(TABLE, write_log(sales.warehouse / "t", fields)))
    assert await columns(sales) == [
        ("Id", "bigint", True, "the key"),
        ("price", "numeric(15,2)", False, None),
        ("note", "character varying(10)", False, None),
        ("at", "timestamp with time zone", False, None),
        ("nested", "jsonb", False, None),
        ("many", "integer[]", False, None),
        ('odd "name"', "date", False, None),
    ]


async def test_an_outside_writer_is_followed(sales: Metastore) -> None:
    folder = sales.warehouse / "t"
    await sales.apply(RegisterTable(TABLE, write_table(folder, {"a": [1], "b": ["x"]})))
    before = await sales.resolve(REFERENCE)
    write_table(folder, {"a": [2], "b": ["y"], "c": [1.5]}, mode="append", schema_mode="merge")
    after = await sales.resolve(REFERENCE)
    assert [column[:2] for column in await columns(sales)] == [
        ("a", "bigint"),
        ("b", "text"),
        ("c", "double precision"),
    ]
    assert after.catalog_version > before.catalog_version
    assert (await sales.resolve(REFERENCE)).catalog_version == after.catalog_version


A = mapped_field("a", "long", 1, "p1")
B = mapped_field("b", "string", 2, "p2")
CHANGES = {
    "added": ([A, B, mapped_field("c", "date", 3, "p3")], [("a", "bigint"), ("b", "text"), ("c", "date")]),
    "dropped": ([B], [("b", "text")]),
    "renamed": ([A, B | {"name": "z"}], [("a", "bigint"), ("z", "text")]),
    "swapped names": ([A | {"name": "b"}, B | {"name": "a"}], [("b", "bigint"), ("a", "text")]),
    "widened": ([A | {"type": "decimal(20,0)"}, B], [("a", "numeric(20,0)"), ("b", "text")]),
    "reordered": ([B, A], [("b", "text"), ("a", "bigint")]),
    "dropped and added again": ([A, mapped_field("b", "date", 3, "p9")], [("a", "bigint"), ("b", "date")]),
}


@pytest.mark.parametrize(("fields", "expected"), CHANGES.values(), ids=CHANGES)
async def test_schema_changes(sales: Metastore, fields: list[dict[str, Any]], expected: list[tuple[str, str]]) -> None:
    folder = sales.warehouse / "t"
    first = [mapped_field("a", "long", 1, "p1"), mapped_field("b", "string", 2, "p2")]
    await sales.apply(RegisterTable(TABLE, write_log(folder, first, mode="name", reader=2)))
    user = await sales.make_user("user")
    await sales.apply(Grant(frozenset({Privilege.SELECT}), (user.name,), tables=(TABLE,)))
    write_log(folder, fields, mode="name", reader=2, version=1)
    await sales.apply(SyncTable(TABLE))
    assert [column[:2] for column in await columns(sales)] == expected
    seen = await sales.query("SELECT has_table_privilege(%s, 'sales.orders', 'REFERENCES')", user.name)
    assert seen == [(True,)]


OBSTACLES = {
    "too many columns": ([field(f"c{i}", "long") for i in range(1601)], "has 1601 columns"),
    "a long name": ([field("é" * 32, "long")], "longer than the 63 bytes"),
    "a system column": ([field("a", "long"), field("xmin", "long")], 'column name "xmin" conflicts with a system'),
}


@pytest.mark.parametrize(("fields", "reason"), OBSTACLES.values(), ids=OBSTACLES)
async def test_what_postgres_cannot_hold(sales: Metastore, fields: list[dict[str, Any]], reason: str) -> None:
    await sales.apply(RegisterTable(TABLE, write_log(sales.warehouse / "t", fields)))
    found = (await sales.resolve(REFERENCE)).tables[REFERENCE]
    assert reason in (found.obstacle or "")
    assert found.snapshot is not None
    assert len(found.snapshot.columns) == len(fields)
    assert await columns(sales) == []


async def test_a_shadow_appears_when_the_obstacle_goes(sales: Metastore) -> None:
    folder = sales.warehouse / "t"
    await sales.apply(
        RegisterTable(TABLE, write_log(folder, [mapped_field("xmin", "long", 1, "p1")], mode="name", reader=2))
    )
    write_log(folder, [mapped_field("oldest", "long", 1, "p1")], mode="name", reader=2, version=1)
    assert (await sales.resolve(REFERENCE)).tables[REFERENCE].obstacle is None
    assert [column[0] for column in await columns(sales)] == ["oldest"]


async def test_wrong_definitions(sales: Metastore) -> None:
    location = write_table(sales.warehouse / "t", {"a": [1]})
    await sales.apply(RegisterTable(TABLE, location))
    with pytest.raises(DuplicateTable, match='relation "orders" already exists'):
        await sales.apply(RegisterTable(TABLE, location))
    with pytest.raises(InvalidSchemaName, match='schema "nowhere" does not exist'):
        await sales.apply(RegisterTable(TableName("nowhere", "t"), location))
    with pytest.raises(UnreadableTable, match="log of table"):
        await sales.apply(RegisterTable(TableName("sales", "t"), str(sales.warehouse / "missing")))
    with pytest.raises(InvalidParameterValue, match="not an absolute folder"):
        await sales.apply(RegisterTable(TableName("sales", "t"), "../t"))
    with pytest.raises(UndefinedTable, match='table "none" does not exist'):
        await sales.apply(DropTable(TableName("sales", "none")))
    with pytest.raises(DuplicateSchema, match='schema "sales" already exists'):
        await sales.apply(CreateSchema("sales"))
    for reserved in ("lakegate", "pg_mine", "information_schema"):
        with pytest.raises(ReservedName):
            await sales.apply(CreateSchema(reserved))
    await sales.apply(CreateSchema("sales", if_not_exists=True))
    await sales.apply(DropTable(TableName("sales", "none"), if_exists=True))
    await sales.apply(DropSchema("none", if_exists=True))


async def test_dropping(sales: Metastore) -> None:
    location = write_table(sales.warehouse / sales.workspace / "t", {"a": [1]})
    await sales.apply(RegisterTable(TABLE, location))
    with pytest.raises(DependentObjectsStillExist, match="cannot drop schema sales"):
        await sales.apply(DropSchema("sales"))
    await sales.apply(DropTable(TABLE))
    assert (await sales.resolve(REFERENCE)).tables == {}
    assert await columns(sales) == []
    await eventually(lambda: not any(sales.warehouse.glob("*/t")))
    write_table(Path(location), {"a": [1]})
    await sales.apply(RegisterTable(TABLE, location))
    await sales.apply(DropSchema("sales", cascade=True))
    assert "sales" not in (await sales.resolve()).schemas
    assert DeltaTable(location).version() == 0


async def test_a_table_without_files_can_be_dropped(sales: Metastore) -> None:
    folder = sales.warehouse / "t"
    await sales.apply(RegisterTable(TABLE, write_table(folder, {"a": [1]})))
    (folder / "_delta_log").rename(folder / "lost")
    with pytest.raises(UnreadableTable, match="log of table") as caught:
        await sales.resolve(REFERENCE)
    assert caught.value.hint == "Restore the files, or drop the table."
    dropped = TableReference("orders", "sales", role=Role.OBJECT)
    assert dropped in (await sales.resolve(dropped)).tables
    await sales.apply(DropTable(TABLE))


async def test_only_the_owner_changes_a_table(sales: Metastore) -> None:
    await sales.apply(RegisterTable(TABLE, write_table(sales.warehouse / "t", {"a": [1]})))
    user = await sales.make_user("user")
    await sales.apply(Grant(frozenset({Privilege.USAGE}), (user.name,), schemas=("sales",)))
    for change in (DropTable(TABLE), CommentOnTable(TABLE, None, "mine")):
        with pytest.raises(InsufficientPrivilege, match="must be owner of table orders"):
            await sales.apply(change, user)
    with pytest.raises(InsufficientPrivilege, match="must be owner of schema sales"):
        await sales.apply(DropSchema("sales", cascade=True), user)
    with pytest.raises(InsufficientPrivilege, match="permission denied for table orders"):
        await sales.apply(SyncTable(TABLE), user)
    with pytest.raises(InsufficientPrivilege, match="permission denied for database"):
        await sales.apply(CreateSchema("mine"), user)


async def test_files_of_others_cannot_be_taken(sales: Metastore) -> None:
    root = sales.warehouse / sales.workspace
    await sales.apply(RegisterTable(TABLE, write_table(root / "t", {"a": [1]})))
    user = await sales.make_user("user")
    await sales.apply(Grant(frozenset({Privilege.USAGE, Privilege.CREATE}), (user.name,), schemas=("sales",)))
    taken = TableName("sales", "taken")
    for location in (str(root / "t"), write_table(root / "t" / "below", {"a": [1]})):
        with pytest.raises(InsufficientPrivilege, match="belongs to another table"):
            await sales.apply(RegisterTable(taken, location), user)
    for location in (write_table(sales.warehouse / "elsewhere", {"a": [1]}), f"{root}/../elsewhere"):
        with pytest.raises((InsufficientPrivilege, InvalidParameterValue)):
            await sales.apply(RegisterTable(taken, location), user)
    await sales.apply(RegisterTable(taken, write_table(root / "own", {"a": [1]})), user)


async def test_comments(sales: Metastore) -> None:
    await sales.apply(RegisterTable(TABLE, write_table(sales.warehouse / "t", pa.table({"a": [1]}))))
    await sales.apply(CommentOnTable(TABLE, "a", "it's a number"))
    await sales.apply(CommentOnTable(TABLE, None, "the orders"))
    assert (await columns(sales))[0][3] == "it's a number"
    assert await sales.query("SELECT obj_description('sales.orders'::regclass, %s)", "pg_class") == [("the orders",)]
    with pytest.raises(UndefinedColumn, match='column "b" of relation "orders" does not exist'):
        await sales.apply(CommentOnTable(TABLE, "b", "x"))


@pytest.mark.slow
async def test_many_at_once(sales: Metastore) -> None:
    """All or none of them; one that PostgreSQL cannot hold is known without a shadow."""
    location = write_table(sales.warehouse / "t", {"a": [1], "b": ["x"]})
    snapshot = read_snapshot(DeltaTable(location), TableName("sales", "t0"), location)
    wide = tuple(replace(snapshot.columns[0], name=f"c{number}", physical_name=f"c{number}") for number in range(2000))
    many = [replace(snapshot, table=TableName("sales", f"t{number}")) for number in range(20)]
    many.append(replace(snapshot, table=TableName("sales", "wide"), columns=wide))
    endpoint = sales.server.owner_endpoint(sales.workspace)
    async with await AsyncConnection.connect(endpoint.conninfo()) as connection:
        with pytest.raises(DuplicateTable, match='"t3" already exists'):
            await register_tables(connection, [*many, many[3]], sales.admin)
        await connection.rollback()
        await register_tables(connection, many, sales.admin)
    tables = await sales.query(
        """SELECT count(t.shadow), count(obstacle), count(owner_role), count(acl),
                  (SELECT count(*) FROM lakegate.columns)
           FROM lakegate.tables t JOIN lakegate.rights r ON r.table_id = t.id
           WHERE r.shadow IS NOT DISTINCT FROM t.shadow"""
    )
    assert tables == [(20, 1, 21, 0, 2040)]
    assert [name for name, *_ in await columns(sales, "t19")] == ["a", "b"]
    seen = "SELECT bool_and(has_table_privilege('admin', shadow, 'REFERENCES')) FROM lakegate.tables"
    assert await sales.query(seen) == [(True,)]


async def test_many_tables(sales: Metastore) -> None:
    """Each change costs what it touches, not what there is: the last tables are made as the first."""
    location = write_table(sales.warehouse / "t", {"a": [1], "b": ["x"]})
    for number in range(500):
        await sales.apply(RegisterTable(TableName("sales", f"t{number}"), location))
    counted = await sales.query("SELECT count(*) FROM pg_class WHERE relnamespace = %s::regnamespace", "sales")
    assert counted == [(500,)]
    assert TableReference("t499", "sales") in (await sales.resolve(TableReference("t499", "sales"))).tables
    await sales.apply(DropSchema("sales", cascade=True))
