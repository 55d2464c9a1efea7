"""What relayed statements are rewritten to: same names and shapes as PostgreSQL's, answers from the control tables."""

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

from catalog.changes import CreateRole, CreateSchema, Grant, Privilege, RegisterTable
from catalog.databases import ACCOUNT_DATABASE
from catalog.names import TableName
from catalog.principals import Principal
from catalog.relay import ANSWERS_SCHEMA, OWN_FUNCTIONS, REWRITTEN_FUNCTIONS, REWRITTEN_RELATIONS
from catalog.sessions import SIGNAL_SQLSTATE
from gateway.roster import tell_sessions
from planner.parse import parse
from planner.plan import Dialect
from planner.relay import relay
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


async def test_functions_of_ours_are_known(metastore: Metastore) -> None:
    query = """SELECT DISTINCT proname::text FROM pg_proc WHERE pronamespace = 'lakegate'::regnamespace
               AND proname NOT IN (SELECT proname FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace)"""
    assert {name for (name,) in await metastore.query(query)} == OWN_FUNCTIONS


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


EACH = (
    "has_table_privilege({}relation, 'SELECT')",
    "has_table_privilege({}relation, 'DELETE')",
    "has_any_column_privilege({}relation, 'UPDATE')",
    "has_column_privilege({}relation, 'id', 'INSERT')",
    "has_column_privilege({}relation, 99::smallint, 'SELECT')",
)
LAKEHOUSE = "(SELECT unnest('{sales.orders,sales.lines}'::text[]) AS relation) r"
RELATIONS = (
    LAKEHOUSE,
    "(SELECT unnest('{sales.orders,pg_catalog.pg_class,pg_catalog.pg_authid}'::text[]) AS relation) r",
    "(SELECT oid AS relation FROM pg_class WHERE relname IN ('orders', 'lines') UNION VALUES (0::oid), (NULL)) r",
)


async def test_questions_about_each_table_are_answered_as_those_about_one(sales: Metastore) -> None:
    """By the owner's rights, a user's own, a group's, everybody's, and none."""
    lines, group = TableName("sales", "lines"), sales.unique("group")
    await sales.apply(RegisterTable(lines, write_table(sales.warehouse / "l", {"id": [1]})))
    await sales.apply(CreateRole(group, None, login=False))
    user, member, stranger = [await sales.make_user(*names) for names in (("user",), ("member", group), ("stranger",))]
    await sales.apply(Grant(frozenset({Privilege.USAGE}), ("public",), schemas=("sales",)))
    await sales.apply(Grant(frozenset({Privilege.SELECT, Privilege.DELETE}), (user.name,), tables=(TABLE,)))
    await sales.apply(Grant(frozenset({Privilege.UPDATE}), (group,), tables=(TABLE, lines)))
    await sales.apply(Grant(frozenset({Privilege.SELECT}), ("public",), tables=(lines,)))
    told, nothing = set(), await sales.resolve()
    for who in (user.name, member.name, stranger.name, "admin"):
        for rows in RELATIONS:
            for question in (one.format(asked) for one in EACH for asked in ("", "current_user, ")):
                if "'id'" in question and rows != LAKEHOUSE:
                    continue
                (replaced,) = parse(f"SELECT relation, {question} FROM {rows} ORDER BY 1", Dialect.POSTGRES)
                sent = relay(replaced, nothing).text
                assert "lakegate.each_" in sent
                answers = await ask(sales, who, sent)
                assert answers == await ask(sales, who, f"SELECT relation, lakegate.{question} FROM {rows} ORDER BY 1")
                told |= {answer for _, answer in answers}
    assert told == {True, False, None}


SESSIONS = [
    {"pid": 4711, "usename": "{}", "datname": "demo", "state": "active", "query": "SELECT 'é'"},
    {"pid": 12, "usename": "admin", "query": "<insufficient privilege>"},
]


async def ask_told(metastore: Metastore, role: str, query: str, hear: Callable[[Diagnostic], None]) -> Any:
    """The answer to a query that comes with the sessions that its user is told of."""
    endpoint = await metastore.catalog.relay_endpoint(role, metastore.workspace)
    async with await AsyncConnection.connect(endpoint.conninfo(), autocommit=True) as connection:
        connection.add_notice_handler(hear)
        for name, value in tell_sessions(SESSIONS, Principal("admin", admin=True, groups=frozenset())).items():
            await connection.execute("SELECT set_config(%s, %s, false)", (name, value.replace("{}", role)))
        return await (await connection.execute(query.encode())).fetchone()


async def test_sessions_and_signals(metastore: Metastore) -> None:
    user, heard = await metastore.make_user("user"), list[tuple[str | None, str | None]]()

    def hear(notice: Diagnostic) -> None:
        heard.append((notice.sqlstate, notice.message_primary))

    query = """SELECT usename::text, state, query, usesysid::regrole::text,
               datid = (SELECT oid FROM pg_database WHERE datname = current_database())
               FROM lakegate.pg_stat_activity WHERE pid = 4711"""
    assert await ask(metastore, user.name, query) == []
    shown = (user.name, "active", "SELECT 'é'", user.name, True)
    assert await ask_told(metastore, user.name, query, hear) == shown
    assert await ask_told(metastore, user.name, "SELECT lakegate.pg_cancel_backend(4711)", hear) == (True,)
    assert heard.pop() == (SIGNAL_SQLSTATE, f'["cancel", 4711, "{user.name}"]')
    for signal, reason in (("cancel", "cancel query"), ("terminate", "terminate process")):
        with pytest.raises(InsufficientPrivilege, match=f"permission denied to {reason}"):
            await ask_told(metastore, user.name, f"SELECT lakegate.pg_{signal}_backend(12)", hear)
    assert await ask_told(metastore, "admin", "SELECT lakegate.pg_terminate_backend(12)", hear) == (True,)
    assert heard.pop() == (SIGNAL_SQLSTATE, '["terminate", 12, "admin"]')
    assert heard == []
    assert await ask_told(metastore, user.name, "SELECT lakegate.pg_cancel_backend(1)", hear) == (False,)
    assert heard == [("01000", "PID 1 is not a PostgreSQL backend process")]
    query = "SELECT set_config('lakegate.session', '12', false), lakegate.pg_backend_pid()"
    assert await ask(metastore, user.name, query) == [("12", 12)]


async def test_channels_of_the_gateway_are_reserved(metastore: Metastore) -> None:
    user = await metastore.make_user("user")
    assert await ask(metastore, user.name, "SELECT lakegate.pg_notify('jobs', 'done')::text") == [("",)]
    with pytest.raises(ReservedName, match='channel name "lakegate_signal" is reserved'):
        await ask(metastore, user.name, "SELECT lakegate.pg_notify('lakegate_signal', '[\"terminate\", 1, \"admin\"]')")


async def test_databases_are_workspaces_that_the_user_may_connect_to(metastore: Metastore) -> None:
    user = await metastore.make_user("user")
    hidden = {"postgres", "template0", "template1", ACCOUNT_DATABASE}
    assert hidden <= {name for (name,) in await metastore.query("SELECT datname::text FROM pg_catalog.pg_database")}
    for role in (user.name, "admin"):
        query = "SELECT datname::text, has_database_privilege(oid, 'CONNECT') FROM lakegate.pg_database"
        shown = await ask(metastore, role, query)
        assert (metastore.workspace, True) in shown
        assert {may for _, may in shown} == {True}
        assert hidden.isdisjoint(name for name, _ in shown)
