"""What lives on a backend keeps it with its session, and only as long as it lives."""

import pytest

from catalog.errors import (
    FeatureNotSupported,
    InFailedSqlTransaction,
    SqlError,
    UndefinedTable,
)
from catalog.types import Oid
from gateway.relay import BackendLost, Relay
from planner.plan import Modes
from tests.conformance.relay.conftest import Metastore
from tests.conformance.relay.reading import query, value

BACKEND = "SELECT pg_backend_pid()"
PATH = "SELECT current_schemas(true)::text"


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TEMP TABLE mine (a int)",
        "CREATE TEMP TABLE mine AS SELECT 1 AS a",
        "SELECT 1 AS a INTO TEMP mine",
        "CREATE TEMP VIEW mine AS SELECT 1 AS a",
        "EXPLAIN ANALYZE CREATE TEMP TABLE mine AS SELECT 1 AS a",
        "EXPLAIN (analyse) CREATE TEMP TABLE mine AS SELECT 1 AS a",
        'EXPLAIN (U&"\\0061nalyze") CREATE TEMP TABLE mine AS SELECT 1 AS a',
    ],
)
async def test_state_keeps_the_backend(relay: Relay, statement: str) -> None:
    session, other = relay.open("alice", "lake"), relay.open("alice", "lake")
    await query(session, statement)
    assert session.holds_state
    backend = await value(session, BACKEND)
    assert await value(other, BACKEND) != backend
    assert await value(session, BACKEND) == backend
    assert not other.holds_state


async def test_state_gone_gives_the_backend_back(relay: Relay) -> None:
    session, other = relay.open("alice", "lake"), relay.open("alice", "lake")
    await query(session, "LISTEN news")
    assert session.holds_state
    backend = await value(session, BACKEND)
    await query(session, "UNLISTEN news")
    assert not session.holds_state
    assert await value(other, BACKEND) == backend


async def test_nobody_sees_the_schema_of_temp_tables_that_are_gone(relay: Relay) -> None:
    session, other = relay.open("alice", "lake"), relay.open("alice", "lake")
    before = await value(other, PATH)
    await query(session, "CREATE TEMP TABLE mine (a int)")
    await query(session, "INSERT INTO mine VALUES (1)")
    assert await query(session, "SELECT a FROM mine") == [(b"1",)]
    assert await value(session, PATH) != before
    await query(session, "DROP TABLE mine")
    assert not session.holds_state
    assert await value(other, PATH) == await value(session, PATH) == before


async def test_reading_keeps_nothing(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    for statement in ("EXPLAIN SELECT 1", "SHOW work_mem", "VALUES (1)", "TABLE pg_catalog.pg_am"):
        await query(session, statement)
        assert not session.holds_state


async def test_arguments_are_evaluated(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    values = await session.evaluate("(1.6, 'x' || 1, NULL)", (Oid.INT4, Oid.TEXT, Oid.DATE), {})
    assert values == (b"\0\0\0\2", b"x1", None)
    with pytest.raises(SqlError) as refusal:
        await session.evaluate("(1, 'x')", (Oid.INT4, Oid.INT4), {})
    assert (refusal.value.sqlstate, refusal.value.position) == ("22P02", 5)
    assert not session.holds_state


async def test_session_end_drops_temp_tables(relay: Relay, metastore: Metastore) -> None:
    session = relay.open("alice", "lake")
    await query(session, "CREATE TEMP TABLE left_behind (a int)")
    await session.close()
    again = relay.open("alice", "lake")
    with pytest.raises(UndefinedTable):
        await query(again, "TABLE left_behind")


async def test_close_drops_what_lives_there(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    await query(session, "CREATE TEMP TABLE mine (a int)")
    await session.close()
    assert not session.holds_state
    with pytest.raises(UndefinedTable):
        await query(session, "TABLE mine")


async def test_description_follows_temp_tables(relay: Relay) -> None:
    session, other = relay.open("alice", "lake"), relay.open("alice", "lake")
    await query(session, "CREATE TEMP TABLE mine (a int)")
    assert len((await session.describe("TABLE mine", (), {})).columns or ()) == 1
    assert await query(session, "TABLE mine") == []
    await query(session, "ALTER TABLE mine ADD b text")
    assert len((await session.describe("TABLE mine", (), {})).columns or ()) == 2
    await query(session, "INSERT INTO mine VALUES (1, 'x')")
    assert await query(session, "TABLE mine") == [(b"1", b"x")]
    with pytest.raises(UndefinedTable):
        await other.describe("TABLE mine", (), {})
    await query(session, "DROP TABLE mine")
    with pytest.raises(UndefinedTable):
        await session.describe("TABLE mine", (), {})


# Blocks


async def test_block_begins_with_its_first_statement(relay: Relay, metastore: Metastore) -> None:
    session = relay.open("alice", "lake")
    await session.begin(Modes("serializable", read_only=True))
    assert await session.describe("SELECT 1", (), {}) is not None
    assert await value(session, "SHOW transaction_isolation") == "serializable"
    assert await value(session, "SHOW transaction_read_only") == "on"
    backend = await value(session, BACKEND)
    assert await value(session, BACKEND) == backend
    await session.end(commit=True)
    assert await value(session, "SHOW transaction_read_only") == "off"


async def test_block_is_one_transaction(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    await session.begin()
    first = await value(session, "SELECT now()")
    assert await value(session, "SELECT now()") == first
    await session.end(commit=True)
    assert await value(session, "SELECT now()") != first


async def test_rollback_undoes(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    await session.begin()
    await query(session, "CREATE TEMP TABLE mine (a int)")
    assert session.holds_state
    await session.end(commit=False)
    assert not session.holds_state
    with pytest.raises(UndefinedTable):
        await query(session, "TABLE mine")


async def test_commit_keeps(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    await session.begin()
    await query(session, "CREATE TEMP TABLE mine (a int)")
    await query(session, "CREATE TEMP TABLE passing (a int) ON COMMIT DROP")
    await session.end(commit=True)
    assert session.holds_state
    assert await query(session, "TABLE mine") == []
    with pytest.raises(UndefinedTable):
        await query(session, "TABLE passing")


async def test_failed_block(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    await session.begin()
    with pytest.raises(SqlError, match="division by zero"):
        await query(session, "SELECT 1/0")
    with pytest.raises(InFailedSqlTransaction):
        await query(session, "SELECT 1")
    await session.end(commit=False)
    assert await value(session, "SELECT 1") == "1"


async def test_settings_in_a_block_go_back(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    await session.begin()
    await session.show("timezone", {})
    await value(session, "SELECT 1")
    assert await session.set_variable("timezone", "Asia/Tokyo", {}) == "Asia/Tokyo"
    tokyo = {"timezone": "Asia/Tokyo"}
    assert await value(session, "SHOW timezone", tokyo) == "Asia/Tokyo"
    await session.end(commit=False)
    assert await value(session, "SHOW timezone") == "UTC"
    await session.begin()
    await value(session, "SELECT 1", tokyo)
    await session.end(commit=False)
    assert await value(session, "SHOW timezone", tokyo) == "Asia/Tokyo"


async def test_transaction_control_cannot_be_smuggled_in(relay: Relay) -> None:
    session, other = relay.open("alice", "lake"), relay.open("alice", "lake")
    with pytest.raises(FeatureNotSupported):
        await query(session, "BEGIN")
    assert await value(other, "SELECT 1") == "1"
    await session.begin()
    await query(session, "SELECT 1")
    with pytest.raises(FeatureNotSupported):
        await query(session, "COMMIT")


# Savepoints


@pytest.mark.parametrize("begun", [False, True])
async def test_going_back_undoes_what_came_after(relay: Relay, begun: bool) -> None:
    session = relay.open("alice", "lake")
    await session.begin()
    if begun:
        await query(session, "SELECT 1")
    await session.save()
    await query(session, "CREATE TEMP TABLE mine (a int)")
    await session.save()
    await query(session, "ALTER TABLE mine ADD b int")
    assert len((await session.describe("TABLE mine", (), {})).columns or ()) == 2
    await session.go_back(1)
    assert len((await session.describe("TABLE mine", (), {})).columns or ()) == 1
    await session.release(1)
    await session.go_back(0)
    with pytest.raises(UndefinedTable):
        await query(session, "TABLE mine")
    await session.go_back(0)
    await session.end(commit=True)
    assert not session.holds_state


async def test_a_failed_block_is_revived(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    tokyo = {"timezone": "Asia/Tokyo"}
    await session.begin()
    await session.save()
    with pytest.raises(SqlError, match="division by zero"):
        await query(session, "SELECT 1/0", variables=tokyo)
    await session.go_back(0)
    assert await value(session, "SHOW timezone", tokyo) == "Asia/Tokyo"
    assert await value(session, "SHOW timezone") == "UTC"
    await session.end(commit=True)


async def test_a_lost_block_is_not_revived(relay: Relay, metastore: Metastore) -> None:
    session = relay.open("alice", "lake")
    await session.begin()
    await session.save()
    backend = await value(session, BACKEND)
    metastore.fetch(f"SELECT pg_terminate_backend({backend}, 10000)")
    with pytest.raises(BackendLost):
        await value(session, "SELECT 1")
    with pytest.raises(InFailedSqlTransaction):
        await session.go_back(0)
    await session.end(commit=False)
    assert await value(session, "SELECT 1") == "1"


# Lost backends


async def test_lost_backend(relay: Relay, metastore: Metastore) -> None:
    session = relay.open("alice", "lake")
    await query(session, "CREATE TEMP TABLE mine (a int)")
    backend = await value(session, BACKEND)
    metastore.fetch(f"SELECT pg_terminate_backend({backend}, 10000)")
    with pytest.raises(BackendLost, match="the metastore ended the connection"):
        await value(session, "SELECT 1")
    assert not session.holds_state
    assert await value(session, "SELECT 1") == "1"


async def test_lost_idle_backend_is_not_noticed(relay: Relay, metastore: Metastore) -> None:
    session = relay.open("alice", "lake")
    backend = await value(session, BACKEND)
    metastore.fetch(f"SELECT pg_terminate_backend({backend}, 10000)")
    await value(relay.open("bob", "lake"), "SELECT 1")
    assert await value(session, "SELECT 1") == "1"


async def test_block_dies_with_its_backend(relay: Relay, metastore: Metastore) -> None:
    session = relay.open("alice", "lake")
    await session.begin()
    backend = await value(session, BACKEND)
    metastore.fetch(f"SELECT pg_terminate_backend({backend}, 10000)")
    with pytest.raises(BackendLost):
        await value(session, "SELECT 1")
    with pytest.raises(InFailedSqlTransaction):
        await value(session, "SELECT 1")
    await session.end(commit=False)
    assert await value(session, "SELECT 1") == "1"
