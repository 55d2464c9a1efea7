"""Replays: what a handler answers without messages being read, and what comes between."""

import asyncio
from collections.abc import Awaitable

import pytest

from catalog.errors import DivisionByZero
from gateway.pgwire import messages as m
from gateway.pgwire.codec import encode
from gateway.pgwire.messages import ProtocolVersion
from tests.unit.gateway.pgwire.doors import (
    ONE_ROW,
    RawClient,
    ScriptedSession,
    announce,
    house,
    raw_client,
    session_client,
)

READY = m.ReadyForQuery(b"I")


async def test_a_replay_is_the_whole_answer() -> None:
    async with house() as at, session_client(at) as (client, session):
        session.replays[encode(m.Query("known"))] = encode(m.CommandComplete("KNOWN")) + encode(READY)
        client.write(m.Query("known"), m.Query("known"))
        assert await client.read_until(m.ReadyForQuery) == await client.read_until(m.ReadyForQuery) == [*ONE_ROW, READY]
        client.write(m.Query("known"))
        assert await client.read_until(m.ReadyForQuery) == [m.CommandComplete("KNOWN"), READY]


async def replaying(client: RawClient, session: ScriptedSession) -> asyncio.Future[Awaitable[None] | None]:
    """A replay that is awaited."""
    landing: asyncio.Future[Awaitable[None] | None] = asyncio.get_running_loop().create_future()
    cycle = encode(m.Query("known"))
    session.replays[cycle] = landing
    announced = asyncio.Event()
    announce(session, "replay", announced)
    client.write(cycle)
    await announced.wait()
    return landing


async def test_what_follows_a_replay_waits() -> None:
    async with house() as at, session_client(at) as (client, session):
        landing = await replaying(client, session)
        client.write(m.Query("select 1"))
        session.door.write(encode(m.CommandComplete("KNOWN")) + encode(READY))
        landing.set_result(None)
        assert await client.read_until(m.ReadyForQuery) == [m.CommandComplete("KNOWN"), READY]
        assert (await client.read_until(m.ReadyForQuery))[-2] == m.CommandComplete("SELECT 1")


async def test_a_replay_may_have_to_be_awaited() -> None:
    async def go_on(session: ScriptedSession) -> None:
        session.door.send(m.CommandComplete("LATE"))
        raise DivisionByZero("division by zero")

    async with house() as at, session_client(at) as (client, session):
        landing = await replaying(client, session)
        landing.set_result(go_on(session))
        late, error, ready = await client.read_until(m.ReadyForQuery)
        assert late == m.CommandComplete("LATE")
        assert isinstance(error, m.ErrorResponse)
        assert (error.fields["C"], ready) == ("22012", READY)


@pytest.mark.parametrize("landed", [False, True])
async def test_a_session_that_ends_in_a_replay_is_closed_once(landed: bool) -> None:
    """`house` counts the calls of `close`; the listener's count must not go below nothing."""
    async with house(max_connections=1) as at:
        for _ in range(3):
            async with session_client(at) as (client, session):
                landing = await replaying(client, session)
                if landed:
                    landing.set_result(None)
                session.door.evict()
                await session.closed.wait()
        async with session_client(at), raw_client(at) as other:
            other.write(m.StartupMessage(ProtocolVersion(3, 0), {"user": "ann"}, {}))
            assert (await other.error())[1] == "53300"
