"""The door over a real socket: order, errors, back-pressure, and clients that leave."""

import asyncio
import logging
import socket

import pytest

from catalog.errors import IdleSessionTimeout, SqlError, SqlSyntaxError
from gateway.pgwire import door as door_module
from gateway.pgwire import messages as m
from gateway.pgwire import reading
from gateway.pgwire.codec import encode
from gateway.pgwire.messages import ProtocolVersion
from tests.unit.gateway.pgwire.doors import (
    ONE_ROW,
    RawClient,
    ScriptedSession,
    house,
    raw_client,
    session_client,
    wait_for_cancel,
)

READY = m.ReadyForQuery(b"I")
BIND = m.Bind("", "", (), (), ())
ROW = encode(m.DataRow((b"x" * 1000,)))


async def test_simple_and_extended() -> None:
    async with house() as at, session_client(at) as (client, _):
        client.write(m.Query("select 1"))
        assert await client.read_until(m.ReadyForQuery) == [*ONE_ROW, READY]
        client.write(
            m.Parse("", "select 1", ()), BIND, m.Describe("P", ""), m.Execute("", 0), m.Close("S", ""), m.Sync()
        )
        expected = [m.ParseComplete(), m.BindComplete(), *ONE_ROW, m.CloseComplete(), READY]
        assert await client.read_until(m.ReadyForQuery) == expected


async def test_a_pipeline_is_answered_in_order() -> None:
    async def later(session: ScriptedSession) -> None:
        await asyncio.sleep(0)
        session.door.send(m.CommandComplete("LATER"))

    async with house() as at, session_client(at) as (client, session):
        at.scripts["later"] = later
        client.write(*[m.Query("later" if number % 3 == 0 else "now") for number in range(500)])
        for number in range(500):
            answer = await client.read_until(m.ReadyForQuery)
            assert answer == ([m.CommandComplete("LATER"), READY] if number % 3 == 0 else [*ONE_ROW, READY])
        assert session.calls == ["Query"] * 500


async def test_last_words_come_before_a_cycle_ends() -> None:
    async with house() as at, session_client(at) as (client, session):
        session.last_words = (m.ParameterStatus("TimeZone", "UTC"),)
        client.write(m.Query("now"), BIND, m.Sync())
        assert await client.read_until(m.ReadyForQuery) == [*ONE_ROW, *session.last_words, READY]
        assert await client.read_until(m.ReadyForQuery) == [m.BindComplete(), *session.last_words, READY]


async def test_flush_sends_what_waits() -> None:
    async with house() as at, session_client(at) as (client, _):
        client.write(m.Parse("", "select 1", ()), m.Flush())
        assert await client.read() == m.ParseComplete()
        client.write(m.Sync())
        assert await client.read() == READY


async def test_an_error_skips_to_sync() -> None:
    def fail(_: ScriptedSession) -> None:
        raise SqlSyntaxError("no", hint="h", position=3)

    async with house() as at, session_client(at) as (client, session):
        at.scripts["fail"] = fail
        session.status = b"T"
        client.write(m.Parse("", "fail", ()), BIND, m.Execute("", 0), m.Execute("", 0), m.Query("lost"), m.Sync())
        answers = await client.read_until(m.ReadyForQuery)
        assert answers[:2] == [m.ParseComplete(), m.BindComplete()]
        assert answers[3:] == [m.ReadyForQuery(b"E")]
        assert session.calls == ["Parse", "Bind", "Execute", "failed 42601", "Sync"]


@pytest.mark.parametrize("awaited", [False, True])
async def test_an_error_in_a_simple_query(awaited: bool) -> None:
    def fail(_: ScriptedSession) -> None:
        raise SqlSyntaxError("no")

    async def fail_later(session: ScriptedSession) -> None:
        await asyncio.sleep(0)
        fail(session)

    async with house() as at, session_client(at) as (client, _):
        at.scripts["fail"] = fail_later if awaited else fail
        client.write(m.Query("fail"), m.Query("select 1"))
        assert await client.error() == ("ERROR", "42601", "no")
        assert await client.read() == READY
        assert await client.read_until(m.ReadyForQuery) == [*ONE_ROW, READY]


async def test_an_unexpected_error_is_logged_under_the_id_that_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: ScriptedSession) -> None:
        raise RuntimeError("secret")

    async with house() as at, session_client(at) as (client, _):
        at.scripts["fail"] = fail
        with caplog.at_level(logging.ERROR):
            client.write(m.Query("fail"))
            severity, sqlstate, text = await client.error()
        assert (severity, sqlstate) == ("ERROR", "XX000")
        assert text.removeprefix("internal error ") in caplog.text
        assert await client.read() == READY


async def test_a_malformed_message_is_answered_and_the_session_goes_on() -> None:
    async with house() as at, session_client(at) as (client, session):
        client.write(b"Q\x00\x00\x00\x06ab", m.Query("select 1"))
        assert await client.error() == ("ERROR", "08P01", "invalid string in message")
        assert await client.read() == READY
        assert await client.read_until(m.ReadyForQuery) == [*ONE_ROW, READY]
        assert session.calls == ["failed 08P01", "Query"]


@pytest.mark.parametrize("content", [b"a\x00\x00\x00\x04", b"Q\x00\x00\x00\x03", b"S\x7f\xff\xff\xff", b"\0" * 100])
async def test_a_broken_frame_ends_the_connection(content: bytes) -> None:
    async with house() as at, session_client(at) as (client, session):
        client.write(content)
        severity, sqlstate, _ = await client.error()
        assert (severity, sqlstate) == ("FATAL", "08P01")
        assert await client.ended()
        await session.closed.wait()
        async with session_client(at) as (other, _):
            other.write(m.Query("select 1"))
            assert await other.read_until(m.ReadyForQuery) == [*ONE_ROW, READY]


async def test_terminate() -> None:
    async with house() as at, session_client(at) as (client, session):
        client.write(m.Query("select 1"), m.Terminate())
        await client.read_until(m.ReadyForQuery)
        assert await client.ended()
        await session.closed.wait()


@pytest.mark.parametrize("abort", [False, True])
async def test_a_client_that_leaves_cancels_its_statement(abort: bool) -> None:
    async with house() as at, session_client(at) as (client, session):
        at.scripts["wait"] = wait_for_cancel
        client.write(m.Query("wait"))
        await session.began.wait()
        if abort:
            client.writer.transport.abort()
        else:
            client.writer.close()
        await session.closed.wait()
        assert session.calls == ["Query", "disconnected", "failed 57014", "close"]


async def test_a_client_that_leaves_unread_bytes_behind_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "CHECK_SECONDS", 0.01)
    monkeypatch.setattr(door_module, "READ_AHEAD", 1000)
    async with house() as at, session_client(at) as (client, session):
        at.scripts["wait"] = wait_for_cancel
        client.write(m.Query("wait"), m.Query("x" * 2000))
        await session.reading_paused.wait()
        client.writer.close()
        await session.closed.wait()
        assert session.calls[:2] == ["Query", "disconnected"]


async def test_reading_pauses_behind_a_running_statement() -> None:
    """The rest waits in the client and in the kernel, not in our memory."""
    async with house() as at, session_client(at) as (client, session):
        at.scripts["wait"] = wait_for_cancel
        client.write(m.Query("wait"), *[m.Query("x" * 50_000)] * 400)
        await session.reading_paused.wait()
        assert session.door._connection.buffered < 2 * door_module.READ_AHEAD
        session.gone.set()
        for _ in range(401):
            await client.read_until(m.ReadyForQuery)
        session.gone.clear()


async def test_a_client_that_stops_reading_stops_its_statement() -> None:
    sent = 0

    async def pour(session: ScriptedSession) -> None:
        nonlocal sent
        for _ in range(20_000):
            session.door.write(ROW)
            sent += 1
            await session.door.drain()
        session.door.send(m.CommandComplete("SELECT 20000"))

    async with house() as at, session_client(at) as (client, session), session_client(at) as (other, _):
        at.scripts["pour"] = pour
        client.write(m.Query("pour"))
        await session.writing_paused.wait()
        before = sent
        other.write(m.Query("select 1"))
        assert await other.read_until(m.ReadyForQuery) == [*ONE_ROW, READY]
        assert sent == before < 20_000
        assert len(await client.read_until(m.ReadyForQuery)) == 20_002


async def test_a_client_that_leaves_while_it_should_read_ends_the_statement() -> None:
    ended = asyncio.Event()

    async def pour(session: ScriptedSession) -> None:
        try:
            while True:
                session.door.write(ROW)
                await session.door.drain()
        except ConnectionResetError:
            ended.set()
            raise

    async with house() as at, session_client(at) as (client, session):
        at.scripts["pour"] = pour
        client.write(m.Query("pour"))
        await client.read()
        client.writer.transport.abort()
        await ended.wait()
        await session.closed.wait()


async def test_answers_given_at_once_wait_for_a_client_that_does_not_read() -> None:
    async with house() as at, session_client(at) as (client, session):

        def answer(_: ScriptedSession) -> None:
            session.door.write(ROW * 10)
            session.door.send(m.CommandComplete("SELECT 10"))

        at.scripts["much"] = answer
        client.write(*[m.Query("much")] * 2_000)
        await session.writing_paused.wait()
        assert len(session.calls) < 2_000
        for _ in range(2_000):
            assert len(await client.read_until(m.ReadyForQuery)) == 12


async def test_a_slow_sender_is_served() -> None:
    async with house() as at, session_client(at) as (client, _):
        for byte in encode(m.Query("select 1")):
            client.write(bytes([byte]))
            await asyncio.sleep(0)
        assert await client.read_until(m.ReadyForQuery) == [*ONE_ROW, READY]


async def test_copy_reads_inside_a_statement() -> None:
    async def copy(session: ScriptedSession) -> None:
        session.door.send(m.CopyInResponse(0, (0,)))
        lines = 0
        while isinstance(await session.door.receive(), m.CopyData):
            lines += 1
        session.door.send(m.CommandComplete(f"COPY {lines}"))

    async with house() as at, session_client(at) as (client, _):
        at.scripts["copy"] = copy
        client.write(m.Query("copy"))
        assert isinstance(await client.read(), m.CopyInResponse)
        for _ in range(3):
            client.write(m.CopyData(b"1\n"))
            await asyncio.sleep(0)
        client.write(m.CopyDone(), m.Query("select 1"))
        assert await client.read_until(m.ReadyForQuery) == [m.CommandComplete("COPY 3"), READY]
        assert await client.read_until(m.ReadyForQuery) == [*ONE_ROW, READY]


async def test_keep_alives_are_the_sockets_own_again_at_zero() -> None:
    options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
    async with house() as at, session_client(at) as (_, session):
        connection = session.door._transport.get_extra_info("socket")

        def read() -> list[int]:
            return [connection.getsockopt(socket.IPPROTO_TCP, option) for option in options]

        before = read()
        session.door.keep_alive(42, 7, 3)
        assert read() == [42, 7, 3]
        session.door.keep_alive(0, 0, 0)
        assert read() == before


async def test_whoever_is_evicted_hears_why() -> None:
    async with house() as at, session_client(at) as (client, session):
        session.door.evict(IdleSessionTimeout("terminating connection due to idle-session timeout"))
        heard = await client.read_until(m.ErrorResponse)
        assert isinstance(heard[-1], m.ErrorResponse)
        assert (heard[-1].fields["S"], heard[-1].fields["C"]) == ("FATAL", "57P05")
        assert await client.ended()


async def test_cancel_request_is_passed_on_and_never_answered() -> None:
    async with house() as at, raw_client(at) as client:
        client.write(m.CancelRequest(7, b"s" * 256))
        assert await at.cancels.get() == (7, b"s" * 256)
        assert await client.ended()


async def test_a_handler_that_lets_everybody_in_is_stopped(caplog: pytest.LogCaptureFixture) -> None:
    async def nothing(_: object, __: object) -> None:
        return None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScriptedSession, "startup", nothing)
        async with house() as at, raw_client(at) as client:
            client.write(m.StartupMessage(ProtocolVersion(3, 0), {"user": "ann"}, {}))
            assert (await client.error())[:2] == ("FATAL", "XX000")
            assert await client.ended()
    assert "has not authenticated" in caplog.text


async def test_an_error_at_startup_is_fatal() -> None:
    async def refuse(_: object, __: object) -> None:
        raise SqlError("no")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScriptedSession, "startup", refuse)
        async with house() as at, raw_client(at) as client:
            client.write(m.StartupMessage(ProtocolVersion(3, 0), {"user": "ann"}, {}))
            assert await client.error() == ("FATAL", "XX000", "no")
            assert await client.ended()


async def test_a_statement_cancelled_from_within_ends_the_connection() -> None:
    """A handler should say QueryCanceled; what it lets slip must not leave the client waiting."""

    async def slip(_: ScriptedSession) -> None:
        raise asyncio.CancelledError

    async with house() as at, session_client(at) as (client, session):
        at.scripts["slip"] = slip
        client.write(m.Query("slip"))
        assert (await client.error())[:2] == ("FATAL", "57P01")
        assert await client.ended()
        await session.closed.wait()


async def test_a_long_pipeline_lets_others_in() -> None:
    """Neither answers given at once nor awaited ones that never wait keep the event loop from the other clients."""

    async def at_once(session: ScriptedSession) -> None:
        session.door.send(m.CommandComplete("DONE"))

    async with house() as at, session_client(at) as (client, session), session_client(at) as (other, _):
        at.scripts["at once"] = at_once
        for sql in ("select 1", "at once"):
            session.calls.clear()
            client.write(*[m.Query(sql)] * 1_000)
            other.write(m.Query("select 1"))
            assert await other.read_until(m.ReadyForQuery) == [*ONE_ROW, READY]
            assert len(session.calls) < 1_000
            for _ in range(1_000):
                await client.read_until(m.ReadyForQuery)


async def test_garbage_from_many_clients_harms_no_session() -> None:
    async with house() as at, session_client(at) as (client, _):
        for number in range(30):
            async with raw_client(at) as other:
                other.write(bytes((number * 37 + at_) % 256 for at_ in range(200)))
                await assert_refused(other)
        client.write(m.Query("select 1"))
        assert await client.read_until(m.ReadyForQuery) == [*ONE_ROW, READY]


async def assert_refused(client: RawClient) -> None:
    """Whatever is said, nothing but an error comes back, and then the end."""
    client.writer.write_eof()
    content = await client.reader.read()
    assert content[:1] in (b"", b"E")
