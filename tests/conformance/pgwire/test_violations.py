"""Bad input, told to a real PostgreSQL: what `tests/unit/gateway/pgwire` expects of us is what it answers.

On the way our own client side logs in to it, with SCRAM.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.auth.exchange import Continue, Success
from gateway.auth.scram import MECHANISM, ScramClient
from gateway.pgwire import messages as m
from gateway.pgwire.codec import encode
from gateway.pgwire.connection import NEED_DATA, Connection, Message
from gateway.pgwire.messages import ProtocolVersion
from gateway.pgwire.startup import has_long_secrets
from gateway.pgwire.state import Side
from tests.target import Target
from tests.unit.gateway.pgwire.test_violations import LENGTH, MALFORMED, PACKETS, framed

PREPARED = m.Parse("", "select $1::text", ())
DIFFERENT = {
    # PostgreSQL compares the counts with the statement before it reads on; we check the message by itself first.
    (b"B", b"\0\0\0\0\xff\xff\0\0"),
    (b"B", b"\0\0\0\0\0\0\0\x01\xff\xff"),
}
SAME = [case for case in MALFORMED if case[:2] not in DIFFERENT]


class Client:
    """Our client side, on a socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connection = Connection(Side.CLIENT)
        self.reader = reader
        self.writer = writer

    def send(self, message: Message) -> None:
        self.writer.write(self.connection.send(message))

    async def receive(self) -> Message | None:
        """The next message; None at the end."""
        while (message := self.connection.next_event()) is NEED_DATA:
            content = await self.reader.read(65536)
            if not content:
                return None
            self.connection.receive_data(content)
        assert isinstance(message, m.BackendMessage)
        return message

    async def receive_a(self, kind: type[m.BackendMessage]) -> Message:
        """The next message of that kind; others are passed over."""
        while (message := await self.receive()) is not None:
            if isinstance(message, kind):
                return message
        raise EOFError(kind.__name__)


@asynccontextmanager
async def client_of(target: Target) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection(target.host, target.port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()


async def log_in(client: Client, target: Target, minor: int = 2) -> m.BackendKeyData:
    parameters = {"user": target.user, "database": target.database}
    client.send(m.StartupMessage(ProtocolVersion(3, minor), parameters, {}))
    offer = await client.receive()
    assert offer == m.AuthenticationSASL((MECHANISM,))
    scram = ScramClient(target.password)
    first = scram.exchange(b"")
    assert isinstance(first, Continue)
    client.send(m.SASLInitialResponse(MECHANISM, first.content))
    challenge = await client.receive()
    assert isinstance(challenge, m.AuthenticationSASLContinue)
    proof = scram.exchange(challenge.content)
    assert isinstance(proof, Continue)
    client.send(m.SASLResponse(proof.content))
    signature = await client.receive()
    assert isinstance(signature, m.AuthenticationSASLFinal)
    assert scram.exchange(signature.content) == Success()
    assert await client.receive() == m.AuthenticationOk()
    key = await client.receive_a(m.BackendKeyData)
    assert isinstance(key, m.BackendKeyData)
    await client.receive_a(m.ReadyForQuery)
    return key


@pytest.mark.parametrize(("minor", "length"), [(0, 4), (2, 32)])
async def test_log_in(postgres: Target, minor: int, length: int) -> None:
    """A secret is long where ours is."""
    async with client_of(postgres) as client:
        key = await log_in(client, postgres, minor)
        assert len(key.secret) == length
        assert has_long_secrets(ProtocolVersion(3, minor)) is (length > 4)
        client.send(m.Query("select 1"))
        assert await client.receive_a(m.DataRow) == m.DataRow((b"1",))


@pytest.mark.parametrize(("code", "body", "sqlstate", "text"), SAME)
async def test_malformed_body(postgres: Target, code: bytes, body: bytes, sqlstate: str, text: str) -> None:
    async with client_of(postgres) as client:
        await log_in(client, postgres)
        if code == b"B":
            client.send(PREPARED)
        client.writer.write(framed(code, body))
        if code not in b"QFS":
            client.send(m.Sync())
        report = await client.receive_a(m.ErrorResponse)
        assert isinstance(report, m.ErrorResponse)
        assert (report.fields["V"], report.fields["C"], report.fields["M"]) == ("ERROR", sqlstate, text)
        assert await client.receive() == m.ReadyForQuery(b"I")


@pytest.mark.parametrize("code", [b"a", b"\0", b"\xff", b"p", b"Z"])
async def test_unknown_type(postgres: Target, code: bytes) -> None:
    async with client_of(postgres) as client:
        await log_in(client, postgres)
        client.writer.write(framed(code, b"x"))
        report = await client.receive_a(m.ErrorResponse)
        assert isinstance(report, m.ErrorResponse)
        assert (report.fields["V"], report.fields["C"]) == ("FATAL", "08P01")
        assert report.fields["M"] == f"invalid frontend message type {code[0]}"
        assert await client.reader.read() == b""


@pytest.mark.parametrize(("packet", "sqlstate", "text"), PACKETS)
async def test_bad_startup_packet(postgres: Target, packet: bytes, sqlstate: str, text: str) -> None:
    """PostgreSQL ends without a word where the length or a cancel request is wrong, and takes any bytes for a name."""
    async with client_of(postgres) as client:
        client.writer.write(packet)
        if text == LENGTH or "cancel" in text or sqlstate == "22021":
            client.writer.write_eof()
            assert b"Minvalid" not in await client.reader.read()
        else:
            said = await client.reader.read()
            assert said[:1] == b"E"
            assert text.encode() in said


async def test_all_up_to_sync_is_dropped(postgres: Target) -> None:
    async with client_of(postgres) as client:
        await log_in(client, postgres)
        client.writer.write(b"".join(map(encode, (m.Describe("S", "none"), m.Query("select 1"), m.Flush(), m.Sync()))))
        assert isinstance(await client.receive(), m.ErrorResponse)
        assert await client.receive() == m.ReadyForQuery(b"I")
