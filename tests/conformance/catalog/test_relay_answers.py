"""What relayed statements are rewritten to: same names and shapes as PostgreSQL's, answers from the control tables."""

import asyncio
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.errors import (
    Diagnostic,
    InsufficientPrivilege,
    InvalidParameterValue,
    ReservedName,
    UndefinedColumn,
    UndefinedObject,
    UndefinedTable,
)

from catalog.catalog import Catalog
from catalog.changes import CreateSchema, Grant, Privilege, RegisterTable
from catalog.names import TableName
from catalog.postgres import EmbeddedPostgres
from catalog.principals import Principal
from catalog.relay import ANSWERS_SCHEMA, REWRITTEN_FUNCTIONS, REWRITTEN_RELATIONS
from catalog.sessions import SIGNAL_SQLSTATE, Signal, SignalKind
from tests.fix_metastore import Metastore
from tests.lakes import write_table

TABLE = TableName("sales", "orders")


@pytest.fixture
async def sales(metastore: Metastore) -> Metastore:
    await metastore.apply(CreateSchema("sales"))
    await metastore.apply(RegisterTable(TABLE, write_table(metastore.warehouse / "t", {"id": [1], "b": ["x"]})))
    return metastore


async def ask(
    metastore: Metastore, role: str, query: str, hear: Callable[[Diagnostic], None] | None = None
) -> list[tuple[object, ...]]:
    endpoint = await metastore.catalog.relay_endpoint(role, metastore.workspace)
    async with await AsyncConnection.connect(endpoint.conninfo(), autocommit=True) as connection:
        if hear is not None:
            connection.add_notice_handler(hear)
        return await (await connection.execute(query.encode())).fetchall()


async def test_every_overload_is_there(metastore: Metastore) -> None:
    query = """SELECT p.proname::text, pg_get_function_arguments(p.oid), p.prorettype::regtype::text
               FROM pg_proc p WHERE p.pronamespace = %s::regnamespace AND p.proname = ANY (%s) ORDER BY 1, 2"""
    names = sorted(REWRITTEN_FUNCTIONS)
    originals, ours = [await metastore.query(query, schema, names) for schema in ("pg_catalog", ANSWERS_SCHEMA)]
    bare = [(name, arguments.replace("pid ", "").replace("timeout ", "")) for name, arguments, _ in originals]
    assert [row[:2] for row in ours] == bare
    assert [row[2] for row in ours] == [row[2] for row in originals]


async def test_every_relation_has_its_columns(metastore: Metastore) -> None:
    query = """SELECT attname::text, atttypid::regtype::text FROM pg_attribute
               WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"""
    for schema, names in REWRITTEN_RELATIONS.items():
        for name in names:
            ours = await metastore.query(query, f"{ANSWERS_SCHEMA}.{name}")
            assert ours == await metastore.query(query, f"{schema}.{name}")


async def test_access_lists_and_owners(sales: Metastore) -> None:
    user = await sales.make_user("user")
    rights = frozenset({Privilege.SELECT, Privilege.UPDATE})
    await sales.apply(Grant(rights, (user.name,), tables=(TABLE,)))
    await sales.apply(Grant(frozenset({Privilege.USAGE}), ("public",), schemas=("sales",)))
    query = "SELECT relacl::text[], relowner::regrole::text FROM lakegate.pg_class WHERE relname = 'orders'"
    assert await ask(sales, user.name, query) == [(["admin=arwdD/admin", f"{user.name}=rw/admin"], "admin")]
    query = "SELECT nspacl::text[], nspowner::regrole::text FROM lakegate.pg_namespace WHERE nspname = 'sales'"
    assert await ask(sales, user.name, query) == [(["admin=UC/admin", "=U/admin"], "admin")]
    query = """SELECT (SELECT count(*) FROM lakegate.pg_class), (SELECT count(*) FROM pg_catalog.pg_class)"""
    assert len(set((await ask(sales, user.name, query))[0])) == 1


async def test_information_schema(sales: Metastore) -> None:
    user, stranger = await sales.make_user("user"), await sales.make_user("stranger")
    await sales.apply(Grant(frozenset({Privilege.SELECT}), (user.name,), tables=(TABLE,)))
    tables = """SELECT grantor, grantee, table_name, privilege_type, is_grantable FROM lakegate.table_privileges
                WHERE table_schema = 'sales' ORDER BY grantee, privilege_type"""
    columns = """SELECT column_name, privilege_type FROM lakegate.role_column_grants
                 WHERE table_schema = 'sales' ORDER BY 1"""
    assert await ask(sales, user.name, tables) == [("admin", user.name, "orders", "SELECT", "NO")]
    assert await ask(sales, user.name, columns) == [("b", "SELECT"), ("id", "SELECT")]
    assert await ask(sales, stranger.name, tables) == await ask(sales, stranger.name, columns) == []
    assert ("admin", "admin", "orders", "DELETE", "YES") in await ask(sales, "admin", tables)


QUESTIONS = {
    "has_table_privilege('sales.orders', 'select, insert')": True,
    "has_table_privilege('sales.orders', 'INSERT')": False,
    "has_table_privilege('sales.orders', 'SELECT WITH GRANT OPTION')": False,
    "has_table_privilege('admin', 'sales.orders', 'SELECT WITH GRANT OPTION')": True,
    "has_table_privilege('admin', 'sales.orders'::regclass::oid, 'DELETE')": True,
    "has_table_privilege('public', 'sales.orders', 'SELECT')": False,
    "has_table_privilege(NULL, 'SELECT')": None,
    "has_table_privilege(1::oid, 'SELECT')": None,
    "has_table_privilege('pg_class', 'SELECT')": True,
    "has_table_privilege('pg_authid', 'SELECT')": False,
    "has_any_column_privilege('sales.orders', 'SELECT')": True,
    "has_column_privilege('sales.orders', 'id', 'SELECT')": True,
    "has_column_privilege('sales.orders', 1::smallint, 'UPDATE')": False,
    "has_column_privilege('sales.orders', 99::smallint, 'SELECT')": None,
    "has_schema_privilege('sales', 'USAGE')": True,
    "has_schema_privilege('sales', 'CREATE')": False,
    "has_schema_privilege('pg_catalog', 'USAGE')": True,
}
MISTAKES: dict[str, tuple[type[psycopg.Error], str]] = {
    "has_table_privilege('sales.nothing', 'SELECT')": (UndefinedTable, 'relation "sales.nothing" does not exist'),
    "has_table_privilege('nobody_here', 'sales.orders', 'SELECT')": (
        UndefinedObject,
        'role "nobody_here" does not',
    ),
    "has_table_privilege('sales.orders', 'READ')": (InvalidParameterValue, 'unrecognized privilege type: "READ"'),
    "has_column_privilege('sales.orders', 'zz', 'SELECT')": (
        UndefinedColumn,
        'column "zz" of relation "orders"',
    ),
    "has_schema_privilege('nothing', 'USAGE')": (psycopg.errors.InvalidSchemaName, 'schema "nothing" does not exist'),
}


async def test_questions_about_privileges(sales: Metastore) -> None:
    user = await sales.make_user("user")
    await sales.apply(Grant(frozenset({Privilege.USAGE}), (user.name,), schemas=("sales",)))
    await sales.apply(Grant(frozenset({Privilege.SELECT}), (user.name,), tables=(TABLE,)))
    for question, answer in QUESTIONS.items():
        assert (question, await ask(sales, user.name, f"SELECT lakegate.{question}")) == (question, [(answer,)])
    for question, (error, message) in MISTAKES.items():
        with pytest.raises(error, match=message):
            await ask(sales, user.name, f"SELECT lakegate.{question}")


class Told:
    """A gateway's sessions, and what they are told."""

    replica = "replica"

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows
        self.received: asyncio.Queue[tuple[Signal, Principal | None]] = asyncio.Queue()

    def describe(self, workspace: str) -> list[dict[str, Any]]:
        return self.rows

    def signal(self, signal: Signal, asker: Principal | None) -> None:
        self.received.put_nowait((signal, asker))


async def test_sessions_and_signals(metastore: Metastore, metastore_server: EmbeddedPostgres) -> None:
    user, other = await metastore.make_user("user"), await metastore.make_user("other")
    told = Told([{"pid": 4711, "usename": user.name, "state": "active", "query": "SELECT secret"}])
    watching = Catalog(metastore_server, warehouse_root=str(metastore.warehouse), sessions=told)
    await watching.open()
    assert await watching.login(user.name, metastore.workspace) is not None
    await watching.take_census(metastore.workspace)
    query = "SELECT pid, usename, state, query FROM lakegate.pg_stat_activity"
    assert await ask(metastore, user.name, query) == [(4711, user.name, "active", "SELECT secret")]
    assert await ask(metastore, other.name, query) == [(4711, user.name, None, "<insufficient privilege>")]
    query = "SELECT datid = (SELECT oid FROM pg_database WHERE datname = current_database()), usesysid::regrole::text"
    assert await ask(metastore, user.name, f"{query} FROM lakegate.pg_stat_activity") == [(True, user.name)]

    def pass_on(notice: Diagnostic) -> None:
        if notice.sqlstate == SIGNAL_SQLSTATE:
            watching.send_signal(metastore.workspace, notice.message_primary or "")

    assert await ask(metastore, user.name, "SELECT lakegate.pg_cancel_backend(4711)", pass_on) == [(True,)]
    assert await told.received.get() == (Signal(SignalKind.CANCEL, 4711, user.name), user)
    for signal, reason in (("cancel", "cancel query"), ("terminate", "terminate process")):
        with pytest.raises(InsufficientPrivilege, match=f"permission denied to {reason}"):
            await ask(metastore, other.name, f"SELECT lakegate.pg_{signal}_backend(4711)")
    assert await ask(metastore, "admin", "SELECT lakegate.pg_terminate_backend(4711)", pass_on) == [(True,)]
    assert await told.received.get() == (Signal(SignalKind.TERMINATE, 4711, "admin"), metastore.admin)
    assert await ask(metastore, other.name, "SELECT lakegate.pg_cancel_backend(1)") == [(False,)]
    query = "SELECT set_config('lakegate.session', '12', false), lakegate.pg_backend_pid()"
    assert await ask(metastore, user.name, query) == [("12", 12)]
    await watching.close()


async def test_channels_of_the_gateway_are_reserved(metastore: Metastore) -> None:
    user = await metastore.make_user("user")
    assert await ask(metastore, user.name, "SELECT lakegate.pg_notify('jobs', 'done')::text") == [("",)]
    with pytest.raises(ReservedName, match='channel name "lakegate_signal" is reserved'):
        await ask(metastore, user.name, "SELECT lakegate.pg_notify('lakegate_signal', '[\"terminate\", 1, \"admin\"]')")
