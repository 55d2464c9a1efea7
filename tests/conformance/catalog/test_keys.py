"""Informational keys: constraints of the shadows, which tools read as PostgreSQL's own, and which follow the table."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from sqlalchemy import create_engine, inspect

from catalog.changes import AddKey, CreateSchema, DropKey, Key, RegisterTable, SyncTable
from catalog.errors import InsufficientPrivilege, InvalidTableDefinition, SqlError, UndefinedObject
from catalog.names import TableName
from tests.fix_metastore import Metastore
from tests.lakes import field, write_log, write_table
from tests.target import Target, of_waiting

ORDERS, CUSTOMERS = TableName("sales", "orders"), TableName("sales", "customers")
PRIMARY, FOREIGN = Key("customers_pkey", ("id",)), Key("orders_customer", ("customer",), CUSTOMERS)
CONSTRAINTS = """
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE contype IN ('p', 'f') AND connamespace = 'sales'::regnamespace ORDER BY 1
"""
SCHEMA = pa.schema([pa.field("id", pa.int64(), nullable=False), ("customer", pa.int64()), ("note", pa.string())])


@pytest.fixture
async def keyed(metastore: Metastore) -> Metastore:
    """Customers with a primary key, and orders that refer to it."""
    await metastore.apply(CreateSchema("sales"))
    for name in (ORDERS, CUSTOMERS):
        location = write_table(metastore.warehouse / name.name, SCHEMA.empty_table())
        await metastore.apply(RegisterTable(name, location))
    await metastore.apply(AddKey(CUSTOMERS, PRIMARY))
    await metastore.apply(AddKey(ORDERS, FOREIGN))
    return metastore


BOTH = [
    ("customers_pkey", "PRIMARY KEY (id)"),
    ("orders_customer", "FOREIGN KEY (customer) REFERENCES sales.customers(id)"),
]


async def test_keys_are_constraints_of_the_shadow(keyed: Metastore) -> None:
    assert await keyed.query(CONSTRAINTS) == BOTH


async def test_keys_go(keyed: Metastore) -> None:
    with pytest.raises(SqlError) as raised:
        await keyed.apply(DropKey(CUSTOMERS, "customers_pkey"))
    assert raised.value.sqlstate == "2BP01"
    await keyed.apply(DropKey(CUSTOMERS, "customers_pkey", cascade=True))
    assert await keyed.query(CONSTRAINTS) == []
    await keyed.apply(DropKey(CUSTOMERS, "customers_pkey", if_exists=True))
    for name in ("customers_pkey", "customers_id_not_null"):
        with pytest.raises(UndefinedObject):
            await keyed.apply(DropKey(CUSTOMERS, name))


@pytest.mark.parametrize(
    ("change", "sqlstate"),
    [
        (AddKey(ORDERS, Key(None, ("note",))), "42P16"),
        (AddKey(ORDERS, Key(None, ("nothing",))), "42703"),
        (AddKey(CUSTOMERS, Key("second", ("id",))), "42P16"),
        (AddKey(ORDERS, Key(None, ("note",), CUSTOMERS)), "42804"),
        (AddKey(CUSTOMERS, Key(None, ("id",), ORDERS, ("customer",))), "42830"),
        (AddKey(ORDERS, Key(None, ("id",), TableName("sales", "nothing"))), "42P01"),
        (AddKey(TableName("sales", "nothing"), PRIMARY), "42P01"),
    ],
)
async def test_keys_that_make_no_sense(keyed: Metastore, change: AddKey, sqlstate: str) -> None:
    with pytest.raises(SqlError) as raised:
        await keyed.apply(change)
    assert raised.value.sqlstate == sqlstate
    assert await keyed.query(CONSTRAINTS) == BOTH


async def test_only_owners_make_keys(keyed: Metastore) -> None:
    stranger = await keyed.make_user("stranger")
    for change in (AddKey(ORDERS, Key(None, ("id",))), DropKey(ORDERS, "orders_customer")):
        with pytest.raises(InsufficientPrivilege):
            await keyed.apply(change, stranger)


def outside_writer(metastore: Metastore, *columns: tuple[str, str, bool]) -> None:
    """Somebody else changes the columns of customers."""
    fields = [field(name, type_, nullable=nullable) for name, type_, nullable in columns]
    write_log(metastore.warehouse / CUSTOMERS.name, fields, version=1)


@pytest.mark.parametrize(
    ("columns", "left"),
    [
        ([("id", "long", False), ("customer", "long", True), ("note", "string", True), ("more", "long", True)], BOTH),
        ([("note", "string", True), ("id", "long", False)], BOTH),
        ([("id", "long", True), ("note", "string", True)], []),
        ([("other", "long", False)], []),
        ([("id", "string", False), ("note", "string", True)], BOTH[:1]),
    ],
    ids=["added", "moved", "nullable", "gone", "of another type"],
)
async def test_keys_follow_the_table(
    keyed: Metastore, columns: list[tuple[str, str, bool]], left: list[tuple[str, str]]
) -> None:
    outside_writer(keyed, *columns)
    await keyed.apply(SyncTable(CUSTOMERS))
    assert await keyed.query(CONSTRAINTS) == left
    shown = await keyed.query("SELECT column_name FROM information_schema.columns WHERE table_name = 'customers'")
    assert {name for (name,) in shown} == {name for name, *_ in columns}


async def test_nullable_columns_are_refused_by_name(keyed: Metastore) -> None:
    with pytest.raises(InvalidTableDefinition, match='column "customer" of table "orders" can be NULL'):
        await keyed.apply(AddKey(ORDERS, Key(None, ("id", "customer"))))


def define(target: Target) -> list[str]:
    """The notices that come with it."""
    heard: list[str] = []
    with target.connect() as connection:
        connection.add_notice_handler(lambda one: heard.append(str(one.message_primary)))
        for statement in DEFINITIONS:
            connection.execute(statement.encode())
    return [notice for notice in heard if not of_waiting(notice)]


@contextmanager
def defined(*targets: Target) -> Iterator[list[list[str]]]:
    """Both have these tables meanwhile; what each told when they were made."""
    try:
        yield [define(target) for target in targets]
    finally:
        for target in targets:
            with target.connect() as connection:
                for name in ("bought", "item"):
                    connection.execute(f"DROP TABLE tpch.{name}".encode())


DEFINITIONS = (
    "CREATE TABLE tpch.item (id bigint PRIMARY KEY, kind text)",
    "CREATE TABLE tpch.bought (item bigint NOT NULL, day date NOT NULL, CONSTRAINT bought_key PRIMARY KEY (item, day))",
    "ALTER TABLE tpch.bought ADD CONSTRAINT bought_item FOREIGN KEY (item) REFERENCES tpch.item (id)",
)


def reflect(target: Target) -> Any:
    engine = create_engine(target.url("postgresql+psycopg2", sslmode=target.sslmode))
    inspector = inspect(engine)
    found = [
        (
            inspector.get_pk_constraint(name, "tpch"),
            inspector.get_foreign_keys(name, "tpch"),
            inspector.get_columns(name, "tpch"),
        )
        for name in ("item", "bought")
    ]
    engine.dispose()
    return repr(found)


@pytest.mark.driver
@pytest.mark.spark
def test_keys_in_sql(bare_oracle: Target, gateway: Target) -> None:
    with defined(bare_oracle, gateway) as told:
        assert reflect(gateway) == reflect(bare_oracle)
        assert told == [[], ["keys of lakehouse tables are informational: they are not enforced"] * 3]
        with gateway.connect() as connection:
            connection.execute("ALTER TABLE tpch.bought DROP CONSTRAINT bought_item")
            assert inspect_foreign(gateway) == []
            for statement, sqlstate in REFUSED.items():
                with pytest.raises(psycopg.Error) as raised:
                    connection.execute(statement.encode())
                assert raised.value.sqlstate == sqlstate


def inspect_foreign(target: Target) -> list[Any]:
    with target.connect() as connection:
        return connection.execute(
            "SELECT conname FROM pg_constraint WHERE conrelid = 'tpch.bought'::regclass AND contype = 'f'"
        ).fetchall()


REFUSED = {
    "ALTER TABLE tpch.bought ADD CHECK (item > 0)": "0A000",
    "ALTER TABLE tpch.bought ADD UNIQUE (item)": "0A000",
    "ALTER TABLE tpch.bought ADD FOREIGN KEY (item) REFERENCES tpch.item ON DELETE CASCADE": "0A000",
    "ALTER TABLE tpch.bought ADD FOREIGN KEY (item) REFERENCES tpch.nothing": "42P01",
    "ALTER TABLE tpch.bought DROP CONSTRAINT nothing": "42704",
    "ALTER TABLE tpch.bought ADD COLUMN more bigint PRIMARY KEY": "0A000",
}
