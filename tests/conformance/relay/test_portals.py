"""Row limits, suspended portals, back-pressure, and results that nobody reads to the end."""

import asyncio

import pytest

from catalog.errors import InvalidCursorName, ProgramLimitExceeded, QueryCanceled, SqlError
from gateway.relay import Relay, RelayLimits, RelayPortal, RelaySession
from tests.conformance.relay.conftest import Metastore, Relays
from tests.conformance.relay.reading import fetch, query, value

BACKEND = "SELECT pg_backend_pid()"


async def count_to(session: RelaySession, last: int, max_rows: int) -> RelayPortal:
    sql = f"SELECT generate_series(1, {last})"
    return await session.execute(sql, (), (), (), (), {}, max_rows=max_rows)


@pytest.mark.parametrize("in_block", [False, True])
async def test_row_limit(relay: Relay, in_block: bool) -> None:
    session = relay.open("alice", "lake")
    if in_block:
        await session.begin()
    portal = await count_to(session, 5, 2)
    assert await fetch(portal) == [(b"1",), (b"2",)]
    assert portal.suspended
    assert portal.tag is None
    assert await fetch(portal, 2) == [(b"3",), (b"4",)]
    assert portal.tag is None
    assert await fetch(portal, 2) == [(b"5",)]
    assert portal.tag == "SELECT 1"
    assert not portal.suspended
    await portal.close()
    if in_block:
        await session.end(commit=True)
    assert await value(session, "SELECT 1") == "1"


@pytest.mark.parametrize("in_block", [False, True])
async def test_portals_side_by_side(relay: Relay, in_block: bool) -> None:
    session = relay.open("alice", "lake")
    if in_block:
        await session.begin()
    first, second = await count_to(session, 4, 1), await count_to(session, 40, 1)
    assert await fetch(first) + await fetch(second) == [(b"1",), (b"1",)]
    assert await value(session, "SELECT 1") == "1"
    assert (await session.describe("SELECT 1 AS between", (), {})).columns is not None
    assert await session.show("timezone", {}) == "UTC"
    assert await fetch(second, 2) == [(b"2",), (b"3",)]
    assert await fetch(first, 0) == [(b"2",), (b"3",), (b"4",)]
    assert first.tag == "SELECT 3"
    await second.close()
    if in_block:
        await session.end(commit=True)
    assert await value(session, "SELECT 1") == "1"


async def test_suspended_portal_keeps_the_backend_until_closed(relay: Relay) -> None:
    session, other = relay.open("alice", "lake"), relay.open("alice", "lake")
    backend = await value(session, BACKEND)
    portal = await count_to(session, 5, 2)
    assert await value(other, BACKEND) != backend
    assert await fetch(portal) == [(b"1",), (b"2",)]
    await portal.close()
    await portal.close()
    third = relay.open("alice", "lake")
    assert await value(third, BACKEND) == backend


async def test_an_error_closes_suspended_portals(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    portal = await count_to(session, 5, 2)
    await fetch(portal)
    with pytest.raises(SqlError, match="division by zero"):
        await query(session, "SELECT 1/0")
    with pytest.raises(InvalidCursorName):
        await fetch(portal, 1)
    await portal.close()
    assert await value(session, "SELECT 1") == "1"


async def test_an_error_in_a_block_leaves_portals_to_its_savepoint(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    await session.begin()
    portal = await count_to(session, 5, 2)
    await fetch(portal)
    await session.save()
    with pytest.raises(SqlError, match="division by zero"):
        await query(session, "SELECT 1/0")
    await session.go_back(0)
    assert await fetch(portal, 1) == [(b"3",)]
    await portal.close()
    await session.end(commit=False)
    assert await value(session, "SELECT 1") == "1"


async def test_the_end_of_a_block_closes_portals(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    await session.begin()
    portal = await count_to(session, 5, 2)
    await fetch(portal)
    await session.end(commit=True)
    with pytest.raises(InvalidCursorName):
        await fetch(portal, 1)
    await portal.close()


async def test_error_while_rows_come(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    portal = await session.execute("SELECT 1 / (90000 - i) FROM generate_series(1, 100000) i", (), (), (), (), {})
    with pytest.raises(SqlError, match="division by zero"):
        await fetch(portal)
    assert await value(session, "SELECT 1") == "1"


async def test_reader_that_does_not_pull_pauses_the_backend(relays: Relays, metastore: Metastore) -> None:
    """PostgreSQL is seen to wait for its client, and what waits here stays within the bound."""
    limits = RelayLimits(buffered_bytes=100_000)
    session = relays(limits).open("alice", "lake")
    sql = "SELECT repeat('x', 1000) FROM generate_series(1, 100000)"
    portal = await session.execute(sql, (), (), (), (), {})
    runs = portal.fetch()
    size = len(await anext(runs))
    waiting = "SELECT wait_event FROM pg_stat_activity WHERE usename = 'alice' AND query = $$" + sql + "$$"
    while (event := await asyncio.to_thread(metastore.fetch, waiting)) != [("ClientWrite",)]:
        assert event
    largest = 0
    async for run in runs:
        largest = max(largest, len(run))
        size += len(run)
    assert size == 100_000 * (7 + 4 + 1000)
    assert largest < 1_000_000


async def test_portal_closed_half_way(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    portal = await session.execute("SELECT generate_series(1, 100000000)", (), (), (), (), {})
    assert await anext(portal.fetch())
    await portal.close()
    assert await value(session, "SELECT 1") == "1"


async def test_portal_closed_half_way_in_a_block(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    await query(session, "CREATE TEMP TABLE mine (a int)")
    portal = await session.execute("SELECT generate_series(1, 100000000)", (), (), (), (), {})
    assert await anext(portal.fetch())
    await portal.close()
    assert await query(session, "TABLE mine") == []
    await session.begin()
    portal = await session.execute("SELECT generate_series(1, 100000000)", (), (), (), (), {})
    assert await anext(portal.fetch())
    await portal.close()
    await session.end(commit=False)
    assert await query(session, "TABLE mine") == []


async def test_message_too_long(relays: Relays) -> None:
    session = relays(RelayLimits(message_bytes=1_000_000)).open("alice", "lake")
    with pytest.raises(ProgramLimitExceeded, match="too long to be relayed"):
        await query(session, "SELECT repeat('x', 2000000)")
    assert await value(session, "SELECT length(repeat('x', 2000000))") == "2000000"


async def test_copy_is_refused(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    for statement in ("COPY (SELECT 1) TO STDOUT", "COPY pg_temp.nothing FROM STDIN"):
        with pytest.raises(SqlError):
            await query(session, statement)
    await query(session, "CREATE TEMP TABLE mine (a int)")
    with pytest.raises(SqlError, match="COPY cannot be relayed"):
        await query(session, "COPY mine FROM STDIN")
    assert await value(session, "SELECT 1") == "1"


async def test_interrupted_task(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    await value(session, "SELECT 1")
    task = asyncio.create_task(query(session, "SELECT pg_sleep(100)"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await value(session, "SELECT 1") == "1"


async def test_interrupted_task_in_a_block(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    await session.begin()
    backend = await value(session, BACKEND)
    task = asyncio.create_task(query(session, "SELECT pg_sleep(100)"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await session.end(commit=False)
    assert await value(session, BACKEND) == backend


async def test_cancel(relay: Relay, metastore: Metastore) -> None:
    session = relay.open("alice", "lake")
    backend = await value(session, BACKEND)
    task = asyncio.create_task(query(session, "SELECT pg_sleep(100)"))
    await asyncio.sleep(0)
    await session.cancel()
    with pytest.raises(QueryCanceled, match="canceling statement due to user request"):
        await task
    assert await value(session, BACKEND) == backend
    await session.cancel()
    assert await value(session, "SELECT 1") == "1"
