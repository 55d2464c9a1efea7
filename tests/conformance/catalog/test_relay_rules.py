"""The relay rules' privileges, on a real server: a bare role may parse a shadow and look at it, never read it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.errors import InsufficientPrivilege

from catalog.changes import CreateRole, CreateSchema, Grant, Privilege, RegisterTable
from catalog.names import TableName
from tests.fix_metastore import Metastore
from tests.lakes import write_table

TABLE = TableName("sales", "orders")


@asynccontextmanager
async def relayed(metastore: Metastore, role: str) -> AsyncIterator[AsyncConnection[Any]]:
    """A backend connection as the role itself, as the relay makes it."""
    endpoint = await metastore.catalog.relay_endpoint(role, metastore.workspace)
    async with await AsyncConnection.connect(endpoint.conninfo(), autocommit=True) as connection:
        yield connection


@pytest.fixture
async def orders(metastore: Metastore) -> Metastore:
    location = write_table(metastore.warehouse / "orders", {"id": [1, 2], "customer": ["a", "b"]})
    await metastore.apply(CreateSchema("sales"))
    await metastore.apply(RegisterTable(TABLE, location))
    return metastore


async def make_reader(metastore: Metastore) -> str:
    """A user who may read the table through a group."""
    group = metastore.unique("readers")
    await metastore.apply(CreateRole(group, None, login=False))
    await metastore.apply(Grant(frozenset({Privilege.USAGE}), (group,), schemas=("sales",)))
    await metastore.apply(Grant(frozenset({Privilege.SELECT}), (group,), tables=(TABLE,)))
    return (await metastore.make_user("reader", group)).name


async def test_describe_works_and_reading_does_not(orders: Metastore) -> None:
    for role in (await make_reader(orders), orders.admin.name):
        async with relayed(orders, role) as connection:
            await connection.execute("PREPARE p AS SELECT id, customer FROM sales.orders WHERE id = $1")
            described = await (
                await connection.execute("SELECT parameter_types::text, result_types::text FROM pg_prepared_statements")
            ).fetchall()
            assert described == [("{bigint}", "{bigint,text}")]
            for statement in READS:
                with pytest.raises(InsufficientPrivilege, match="permission denied for table orders"):
                    await connection.execute(statement.encode())


READS = (
    "SELECT * FROM sales.orders",
    "TABLE sales.orders",
    "SELECT (SELECT count(*) FROM sales.orders)",
    "EXPLAIN ANALYZE SELECT * FROM sales.orders",
    "EXECUTE p(1)",
    "CREATE TEMP TABLE copied AS SELECT * FROM sales.orders",
    "SELECT * INTO TEMP copied FROM sales.orders",
    "SELECT query_to_xml('SELECT * FROM sales.orders', true, true, '')",
    "COPY sales.orders TO STDOUT",
    "INSERT INTO sales.orders VALUES (1, 'c')",
    "DELETE FROM sales.orders",
    "SELECT * FROM sales.orders FOR UPDATE",
)


async def test_temporary_views_cannot_read_either(orders: Metastore) -> None:
    async with relayed(orders, await make_reader(orders)) as connection:
        await connection.execute("CREATE TEMP VIEW seen AS SELECT * FROM sales.orders")
        with pytest.raises(InsufficientPrivilege):
            await connection.execute("SELECT * FROM seen")


FORBIDDEN = (
    "CREATE TABLE public.mine (a integer)",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION pg_temp.f() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "DO $$ BEGIN END $$",
    "SELECT lo_creat(1)",
    "SELECT lo_from_bytea(0, 'x')",
    "SELECT pg_advisory_lock(1)",
    "SELECT pg_notify('lakegate_version', '[1, null]')",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_terminate_backend(1)",
    "COPY (SELECT 1) TO PROGRAM 'cat'",
    "SELECT * FROM lakegate.tables",
    "SELECT * FROM pg_authid",
    "ALTER TABLE sales.orders ADD COLUMN extra integer",
    "DROP TABLE sales.orders",
    "COMMENT ON TABLE sales.orders IS 'mine'",
    "CREATE ROLE mine",
    "SET ROLE lakegate",
    "SET ROLE lakegate_admin",
    "SET SESSION AUTHORIZATION lakegate",
)


async def test_what_even_an_admin_role_cannot_do(orders: Metastore) -> None:
    async with relayed(orders, orders.admin.name) as connection:
        for statement in FORBIDDEN:
            with pytest.raises(InsufficientPrivilege):
                await connection.execute(statement.encode())


async def test_no_principal_is_privileged(orders: Metastore) -> None:
    await make_reader(orders)
    async with relayed(orders, orders.admin.name) as connection:
        cursor = await connection.execute(
            """SELECT rolname FROM pg_roles r
               WHERE rolname NOT LIKE 'pg\\_%' AND rolname <> 'lakegate' AND (
                   rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls
                   OR pg_has_role(r.oid, 'lakegate', 'MEMBER') OR pg_has_role(r.oid, 'pg_read_all_data', 'MEMBER'))"""
        )
        assert await cursor.fetchall() == []


async def test_a_stranger_may_connect_and_see_nothing(orders: Metastore) -> None:
    stranger = orders.unique("stranger")
    await orders.apply(CreateRole(stranger, None, login=True))
    async with relayed(orders, stranger) as connection:
        with pytest.raises(InsufficientPrivilege, match="permission denied for schema sales"):
            await connection.execute("PREPARE p AS SELECT * FROM sales.orders")
        listed = await connection.execute("SELECT * FROM information_schema.tables WHERE table_schema = 'sales'")
        assert await listed.fetchall() == []


async def test_other_databases_are_closed(orders: Metastore) -> None:
    for database in ("lakegate", "postgres", "template1"):
        endpoint = await orders.catalog.relay_endpoint(orders.admin.name, database)
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            await AsyncConnection.connect(endpoint.conninfo())


async def test_groups_cannot_log_in(orders: Metastore) -> None:
    group = orders.unique("group")
    await orders.apply(CreateRole(group, None, login=False))
    assert await orders.catalog.login(group, orders.workspace) is None
    endpoint = await orders.catalog.relay_endpoint(group, orders.workspace)
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        await AsyncConnection.connect(endpoint.conninfo())


async def test_temporary_tables_work(orders: Metastore) -> None:
    async with relayed(orders, await make_reader(orders)) as connection:
        await connection.execute("CREATE TEMP TABLE own (a integer)")
        await connection.execute("INSERT INTO own VALUES (1)")
        assert await (await connection.execute("SELECT a FROM own")).fetchall() == [(1,)]
