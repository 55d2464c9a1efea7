"""COPY of the relay's own: rows that the gateway has go into a temporary table, all or none."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import closing

import pytest

from catalog.errors import CheckViolation, DivisionByZero, InFailedSqlTransaction
from gateway.pgwire.codec import encode
from gateway.pgwire.messages import CopyData
from gateway.relay import Relay, RelaySession
from tests.conformance.relay.conftest import Metastore
from tests.conformance.relay.reading import query, value

COPY = "COPY mine FROM STDIN"
COUNT = "SELECT count(*) FROM mine"
BIG = 200_000


async def content(rows: Iterable[str]) -> AsyncIterator[bytes]:
    for row in rows:
        yield encode(CopyData(f"{row}\n".encode()))


async def load(session: RelaySession, rows: AsyncIterator[bytes], copy: str = COPY) -> str:
    with closing(await session.load(copy, {})) as begun:
        async for row in rows:
            await begun.give(row)
        return await begun.finish()


async def begin(relay: Relay) -> RelaySession:
    session = relay.open("alice", "lake")
    await query(session, "CREATE TEMP TABLE mine (a int CHECK (a >= 0))")
    await session.begin()
    return session


async def test_rows_come_with_the_block(relay: Relay) -> None:
    session = await begin(relay)
    await load(session, content(map(str, range(3))))
    assert await value(session, COUNT) == "3"
    await session.end(commit=False)
    assert await value(session, COUNT) == "0"
    await session.begin()
    await load(session, content("\n".join(map(str, range(BIG))) for _ in range(2)))
    await load(session, content(()))
    await session.end(commit=True)
    assert await value(session, COUNT) == str(2 * BIG)


async def test_what_postgresql_refuses_ends_the_load(relay: Relay) -> None:
    session = await begin(relay)
    with pytest.raises(CheckViolation):
        await load(session, content(["1", "-1", *map(str, range(BIG))]))
    with pytest.raises(InFailedSqlTransaction):
        await value(session, COUNT)
    await session.end(commit=False)
    assert await value(session, COUNT) == "0"


async def test_what_fails_before_the_first_row_takes_none(relay: Relay) -> None:
    session = await begin(relay)
    with pytest.raises(Exception, match="does not exist"):
        await load(session, content(["1"]), "COPY missing FROM STDIN")
    await session.end(commit=False)
    assert await value(session, COUNT) == "0"


async def test_rows_that_cannot_be_had_leave_none(relay: Relay) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield encode(CopyData(b"1\n"))
        raise DivisionByZero("division by zero")

    session = await begin(relay)
    await session.save()
    with pytest.raises(DivisionByZero):
        await load(session, broken())
    await session.go_back(0)
    await load(session, content(["5"]))
    await session.end(commit=True)
    assert await value(session, COUNT) == "1"


async def test_an_interrupted_load_leaves_none(relay: Relay) -> None:
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield encode(CopyData(b"1\n" * 10_000))
            begun.set()

    session = await begin(relay)
    task = asyncio.ensure_future(load(session, endless()))
    await begun.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    await session.end(commit=False)
    assert await value(session, COUNT) == "0"


async def test_a_lost_backend_ends_the_load(relay: Relay, metastore: Metastore) -> None:
    async def severed() -> AsyncIterator[bytes]:
        yield encode(CopyData(b"1\n"))
        metastore.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'alice'")
        while True:
            yield encode(CopyData(b"1\n" * 10_000))
            await asyncio.sleep(0)

    session = await begin(relay)
    with pytest.raises(Exception, match="ended the connection"):
        await load(session, severed())
    await session.end(commit=False)
    assert not session.holds_state
