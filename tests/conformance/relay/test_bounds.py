"""Bounds: time, backends, lines, and a server that is not there."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.endpoint import Endpoint
from catalog.errors import InvalidAuthorizationSpecification, LockNotAvailable, SqlError
from gateway.relay import Relay, RelayExhausted, RelayLimits, RelayUnavailable, StatementTimeout
from gateway.relay.answers import read_rows
from tests.conformance.relay.conftest import Metastore, Relays
from tests.conformance.relay.reading import fetch, query, value

BACKEND = "SELECT pg_backend_pid()"


async def wait_until_gone(metastore: Metastore, backend: str | None) -> None:
    query = f"SELECT count(*) FROM pg_stat_activity WHERE pid = {backend}"
    while await asyncio.to_thread(metastore.fetch, query) != [(0,)]:
        pass


async def test_statement_timer(relays: Relays) -> None:
    session = relays(RelayLimits(statement_seconds=1.0)).open("alice", "lake")
    backend = await value(session, BACKEND)
    with pytest.raises(StatementTimeout, match="the gateway's bound") as ended:
        await query(session, "SELECT pg_sleep(100)", variables={"statement_timeout": "0"})
    assert "metastore.statement_seconds" in (ended.value.hint or "")
    assert await value(session, BACKEND) == backend


async def test_no_bound_on_statements(relays: Relays) -> None:
    session = relays(RelayLimits(statement_seconds=0)).open("alice", "lake")
    assert await value(session, "SELECT 1 FROM pg_sleep(0.01)") == "1"


@pytest.mark.parametrize("length", [10_000, 200])
async def test_time_of_a_client_that_reads_does_not_count(relays: Relays, metastore: Metastore, length: int) -> None:
    """Whether PostgreSQL waits for it or is through with the statement: others have run into the bound meanwhile."""
    relay = relays(RelayLimits(statement_seconds=0.5))
    session, other = relay.open("alice", "lake"), relay.open("alice", "lake")
    sql = f"SELECT repeat('x', {length}) FROM generate_series(1, 1000)"
    portal = await session.execute(sql, (), (), (), (), {})
    state = "SELECT wait_event FROM pg_stat_activity WHERE usename = 'alice' AND query = $$" + sql + "$$"
    while await asyncio.to_thread(metastore.fetch, state) not in ([("ClientWrite",)], [("ClientRead",)]):
        pass
    for _ in range(3):
        with pytest.raises(StatementTimeout):
            await query(other, "SELECT pg_sleep(100)")
    assert len(await fetch(portal)) == 1000


async def test_users_own_timeout_works(relay: Relay) -> None:
    session = relay.open("alice", "lake")
    with pytest.raises(SqlError, match=r"^canceling statement due to statement timeout"):
        await query(session, "SELECT pg_sleep(100)", variables={"statement_timeout": "50ms"})


async def test_lock_timeout(relays: Relays, metastore: Metastore) -> None:
    metastore.execute("CREATE TABLE IF NOT EXISTS sales.locked (a int)", "GRANT ALL ON sales.locked TO alice")
    holder = relays(RelayLimits()).open("alice", "lake")
    await holder.begin()
    await query(holder, "LOCK sales.locked")
    session = relays(RelayLimits(lock_milliseconds=50)).open("alice", "lake")
    with pytest.raises(LockNotAvailable):
        await session.describe("TABLE sales.locked", (), {})
    await holder.end(commit=False)


async def test_concurrency_of_a_role_is_bounded_and_fair(relays: Relays) -> None:
    relay = relays(RelayLimits(backends_per_role=2))
    sessions = [relay.open("alice", "lake") for _ in range(12)]
    backends = await asyncio.gather(
        *(value(session, "SELECT pg_backend_pid() FROM pg_sleep(0.01)") for session in sessions)
    )
    assert len(set(backends)) == 2
    assert await value(relay.open("bob", "lake"), "SELECT current_user") == "bob"


async def test_what_sessions_keep_leaves_some_for_statements(relays: Relays) -> None:
    relay = relays(RelayLimits(backends_per_role=3, backends_reserved=1))
    with_table, in_block, other = (relay.open("alice", "lake") for _ in range(3))
    await query(with_table, "CREATE TEMP TABLE mine (a int)")
    await in_block.begin()
    await value(in_block, "SELECT 1")
    waiting = relay.open("alice", "lake")
    await waiting.begin()
    begun = asyncio.create_task(value(waiting, "SELECT 1"))
    await asyncio.sleep(0)
    assert await value(other, "SELECT current_user") == "alice"
    for statement in ("CREATE TEMP TABLE mine (a int)", "LISTEN news"):
        with pytest.raises(RelayExhausted, match="this session cannot keep a connection") as refused:
            await query(other, statement)
        assert "metastore.backends_per_role" in (refused.value.hint or "")
        assert not other.holds_state
    assert not begun.done()
    await in_block.end(commit=True)
    assert await begun == "1"
    await waiting.end(commit=True)
    await query(other, "CREATE TEMP TABLE mine (a int)")
    assert await value(other, "SELECT count(*) FROM mine") == "0"


async def test_a_portal_that_may_not_stay_ends_after_its_rows(relays: Relays) -> None:
    relay = relays(RelayLimits(backends_per_role=2, backends_reserved=1))
    holder, other = (relay.open("alice", "lake") for _ in range(2))
    await query(holder, "CREATE TEMP TABLE mine (a int)")
    portal = await other.execute("SELECT generate_series(1, 3)", (), (), (), (), {}, max_rows=2)
    runs = portal.fetch(2)
    assert list(read_rows(await anext(runs))) == [(b"1",), (b"2",)]
    with pytest.raises(RelayExhausted, match="this session cannot keep"):
        await anext(runs)
    await portal.close()
    assert await value(other, "SELECT 1") == "1"


async def test_who_waits_to_keep_one_takes_what_idles(relays: Relays) -> None:
    """Its role has all that it may have, and what others keep is in the way."""
    relay = relays(RelayLimits(backends=4, backends_per_role=3, backends_reserved=3))
    holder, waiting = relay.open("bob", "lake"), relay.open("alice", "lake")
    pause = "SELECT pg_backend_pid() FROM pg_sleep(0.01)"
    await asyncio.gather(*(value(relay.open("alice", "lake"), pause) for _ in range(3)))
    await holder.begin()
    await value(holder, "SELECT 1")
    await waiting.begin()
    begun = asyncio.create_task(value(waiting, "SELECT current_user"))
    await asyncio.sleep(0)
    assert not begun.done()
    await holder.end(commit=True)
    assert await begun == "alice"


async def test_line_is_bounded(relays: Relays) -> None:
    relay = relays(RelayLimits(backends_per_role=1, waiting=1, wait_seconds=1.0))
    holder, second, third = (relay.open("alice", "lake") for _ in range(3))
    await query(holder, "CREATE TEMP TABLE mine (a int)")
    waiting = asyncio.create_task(value(second, "SELECT 1"))
    await asyncio.sleep(0)
    with pytest.raises(RelayExhausted, match="too many statements wait"):
        await value(third, "SELECT 1")
    with pytest.raises(RelayExhausted, match="no connection to the metastore came free"):
        await waiting
    await holder.close()
    assert await value(third, "SELECT 1") == "1"


async def test_who_leaves_the_line_takes_nothing(relays: Relays) -> None:
    relay = relays(RelayLimits(backends_per_role=1))
    holder, second, third = (relay.open("alice", "lake") for _ in range(3))
    await holder.begin()
    await value(holder, "SELECT 1")
    waiting = asyncio.create_task(value(second, "SELECT 1"))
    await asyncio.sleep(0)
    ending = asyncio.create_task(holder.end(commit=True))
    await asyncio.wait([ending])
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await value(third, "SELECT 1") == "1"


async def test_idle_backends_of_others_make_room(relays: Relays) -> None:
    relay = relays(RelayLimits(backends=1))
    assert await value(relay.open("alice", "lake"), "SELECT current_user") == "alice"
    assert await value(relay.open("bob", "lake"), "SELECT current_user") == "bob"
    assert await value(relay.open("alice", "lake"), "SELECT current_user") == "alice"


async def test_lost_backend_gives_its_place_to_who_waits(relays: Relays, metastore: Metastore) -> None:
    relay = relays(RelayLimits(backends=1))
    holder, other = relay.open("alice", "lake"), relay.open("bob", "lake")
    await query(holder, "CREATE TEMP TABLE mine (a int)")
    waiting = asyncio.create_task(value(other, "SELECT current_user"))
    await asyncio.sleep(0)
    await holder.close()
    assert await waiting == "bob"


async def test_idle_backends_are_closed(relays: Relays, metastore: Metastore) -> None:
    relay = relays(RelayLimits(idle_seconds=0.1))
    backend = await value(relay.open("alice", "lake"), BACKEND)
    await wait_until_gone(metastore, backend)
    assert await value(relay.open("alice", "lake"), BACKEND) != backend


async def test_named_statements_are_bounded(relays: Relays) -> None:
    session = relays(RelayLimits(statements=3)).open("alice", "lake")
    for number in range(10):
        assert await value(session, f"SELECT {number}") == str(number)
    assert int(await value(session, "SELECT count(*) FROM pg_prepared_statements") or 0) <= 3


async def test_unknown_role(relay: Relay) -> None:
    with pytest.raises(InvalidAuthorizationSpecification):
        await value(relay.open("nobody", "lake"), "SELECT 1")
    with pytest.raises(SqlError, match='database "nowhere" does not exist'):
        await value(relay.open("alice", "nowhere"), "SELECT 1")


async def test_closed_relay(relays: Relays) -> None:
    relay = relays(RelayLimits())
    session = relay.open("alice", "lake")
    await value(session, "SELECT 1")
    await relay.close()
    with pytest.raises(RelayUnavailable):
        await value(session, "SELECT 1")


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="lakegate-"))
    yield made
    shutil.rmtree(made)


async def test_server_that_is_not_there(folder: Path) -> None:
    async def nowhere(role: str, workspace: str) -> Endpoint:
        return Endpoint(str(folder), 5432, role, workspace)

    relay = Relay(nowhere, RelayLimits(), lambda workspace: 1)
    with pytest.raises(RelayUnavailable, match="the metastore cannot be reached"):
        await value(relay.open("alice", "lake"), "SELECT 1")
    await relay.close()


async def test_server_that_does_not_answer(folder: Path) -> None:
    left = asyncio.Event()

    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        left.set()

    async def deaf(role: str, workspace: str) -> Endpoint:
        return Endpoint(str(folder), 5432, role, workspace)

    server = await asyncio.start_unix_server(silence, folder / ".s.PGSQL.5432")
    async with server:
        relay = Relay(deaf, RelayLimits(connect_seconds=0.05), lambda workspace: 1)
        with pytest.raises(RelayUnavailable):
            await value(relay.open("alice", "lake"), "SELECT 1")
        await left.wait()
        await relay.close()
