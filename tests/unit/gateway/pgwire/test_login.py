"""How clients get in: TLS, SCRAM with libpq, versions, limits, time; and how they are asked to go."""

import asyncio
import datetime
import os
import ssl
from pathlib import Path

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.pgwire import messages as m
from gateway.pgwire.codec import encode
from gateway.pgwire.messages import ProtocolVersion
from tests.fix_oracle import BINARIES
from tests.unit.gateway.pgwire.doors import COLUMN, PASSWORD, House, ScriptedSession, house, raw_client, session_client
from tests.unit.gateway.pgwire.doors import wait_for_cancel as wait

STARTUP = m.StartupMessage(ProtocolVersion(3, 0), {"user": "ann"}, {})


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for localhost, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


async def answer(at: House, options: str = "") -> list[tuple[object, ...]]:
    async with await psycopg.AsyncConnection.connect(f"{at.conninfo} {options}", autocommit=True) as connection:
        return await (await connection.execute("select 1")).fetchall()


@pytest.mark.parametrize("mode", ["disable", "prefer"])
async def test_libpq_without_tls(mode: str) -> None:
    async with house() as at:
        assert await answer(at, f"sslmode={mode}") == [(1,)]
        assert not at.sessions[0].door.encrypted


@pytest.mark.parametrize("mode", ["prefer", "require"])
async def test_libpq_with_tls(tls: ssl.SSLContext, mode: str) -> None:
    async with house(tls=tls) as at:
        assert await answer(at, f"sslmode={mode}") == [(1,)]
        assert at.sessions[0].door.encrypted


async def test_libpq_is_told_that_there_is_no_tls() -> None:
    async with house() as at:
        with pytest.raises(psycopg.OperationalError, match="does not support SSL"):
            await answer(at, "sslmode=require")


async def test_libpq_that_insists_on_channel_binding_is_not_let_in(tls: ssl.SSLContext) -> None:
    async with house(tls=tls) as at:
        with pytest.raises(psycopg.OperationalError, match="channel binding"):
            await answer(at, "sslmode=require channel_binding=require")


@pytest.mark.parametrize(("user", "password"), [("ann", "wrong"), ("eve", PASSWORD), ("ann", "")])
async def test_wrong_password_and_unknown_user(user: str, password: str) -> None:
    async with house() as at:
        with pytest.raises(psycopg.OperationalError, match=f'password authentication failed for user "{user}"|no pass'):
            await answer(at, f"user={user} password='{password}'")


@pytest.mark.parametrize(("version", "length"), [("3.0", 4), ("3.2", 32), ("latest", 32)])
async def test_libpq_speaks_each_version(version: str, length: int) -> None:
    async with house() as at:
        options = f"{at.conninfo} max_protocol_version={version}"
        async with await psycopg.AsyncConnection.connect(options, autocommit=True) as connection:
            await connection.cancel_safe()
            assert await at.cancels.get() == (7, b"k" * length)
            assert (await (await connection.execute("select 1")).fetchone()) == (1,)


async def test_libpq_prepares_and_pipelines() -> None:
    async with house() as at, await psycopg.AsyncConnection.connect(at.conninfo, autocommit=True) as connection:
        async with connection.pipeline():
            cursors = [await connection.execute("select %s", (1,), prepare=True) for _ in range(50)]
        assert [await cursor.fetchall() for cursor in cursors] == [[(1,)]] * 50


async def test_psql() -> None:
    async with house() as at:
        environment = {"PGPASSWORD": PASSWORD, "PATH": os.environ["PATH"]}
        command = (BINARIES / "psql", "-XAt", "-h", at.host, "-p", str(at.port), "-U", "ann", "demo")
        psql = await asyncio.create_subprocess_exec(
            *command, "-c", "select 1", env=environment, stdout=asyncio.subprocess.PIPE
        )
        assert (await psql.communicate())[0] == b"1\n"


async def test_a_greased_version_is_negotiated() -> None:
    async with house() as at, raw_client(at) as client:
        client.write(m.StartupMessage(ProtocolVersion(3, 9999), {"user": "ann"}, {"_pq_.grease": "1"}))
        expected = encode(m.NegotiateProtocolVersion(ProtocolVersion(3, 2), ("_pq_.grease",)))
        assert await client.reader.readexactly(len(expected)) == expected
        assert at.sessions[0].door.version == (3, 2)


async def test_plain_text_stuffed_before_tls_is_refused(tls: ssl.SSLContext) -> None:
    async with house(tls=tls) as at, raw_client(at) as client:
        client.write(m.SSLRequest(), STARTUP)
        assert await client.error() == ("FATAL", "08P01", "received unencrypted data after SSL request")
        assert await client.ended()
        assert at.sessions == []


async def test_plain_text_where_tls_should_begin_ends_the_connection(tls: ssl.SSLContext) -> None:
    async with house(tls=tls) as at, raw_client(at) as client:
        client.write(m.SSLRequest())
        assert await client.reader.readexactly(1) == b"S"
        client.write(STARTUP)
        await client.ended()
        assert at.sessions == []


async def test_leaving_in_the_middle_of_a_handshake_leaves_nothing(tls: ssl.SSLContext) -> None:
    async with house(tls=tls) as at:
        async with raw_client(at) as client:
            client.write(m.SSLRequest())
            await client.reader.readexactly(1)
            client.write(b"\x16\x03\x01\x02\x00\x01")
        await asyncio.wait_for(at.listener.drain(60), 30)


async def test_tls_in_small_pieces(tls: ssl.SSLContext) -> None:
    """A large answer and a large statement cross TLS as they are."""

    def pour(session: ScriptedSession) -> None:
        session.door.write(encode(COLUMN) + encode(m.DataRow((b"x" * 1_000_000,))))
        session.door.send(m.CommandComplete("SELECT 1"))

    async with house(tls=tls) as at:
        at.scripts["pour" + " " * 300_000] = pour
        options = f"{at.conninfo} sslmode=require"
        async with await psycopg.AsyncConnection.connect(options, autocommit=True) as connection:
            result = await connection.execute(b"pour" + b" " * 300_000)
            assert result.statusmessage == "SELECT 1"


@pytest.mark.parametrize("said", [b"", b"\x00\x00", encode(m.SSLRequest()), encode(STARTUP)[:-1]])
async def test_a_client_that_says_too_little_is_put_out(said: bytes) -> None:
    async with house(login_seconds=0.05) as at, raw_client(at) as client:
        client.write(said)
        assert (await client.reader.read())[:1] in (b"", b"N")


async def test_a_client_that_does_not_finish_its_login_is_put_out() -> None:
    async with house(login_seconds=0.05) as at, raw_client(at) as client:
        client.write(STARTUP)
        assert await client.reader.readexactly(24) == encode(m.AuthenticationSASL(("SCRAM-SHA-256",)))
        assert await client.error() == ("FATAL", "57014", "canceling authentication due to timeout")
        assert await client.ended()


async def test_a_handshake_that_does_not_end_is_evicted(tls: ssl.SSLContext) -> None:
    async with house(tls=tls) as at, raw_client(at) as client:
        client.write(m.SSLRequest())
        assert await client.reader.readexactly(1) == b"S"
        await at.listener.drain(0)
        assert await client.ended()


async def test_a_handshake_that_does_not_end_is_put_out(tls: ssl.SSLContext) -> None:
    async with house(tls=tls, login_seconds=0.05) as at, raw_client(at) as client:
        client.write(m.SSLRequest())
        assert await client.reader.readexactly(1) == b"S"
        assert await client.ended()


@pytest.mark.parametrize(
    ("content", "sqlstate"),
    [
        (b"\x00\x00\x27\x11", "08P01"),
        (b"GET / HTTP/1.1\r\n\r\n", "08P01"),
        (b"\x00\x00\x00\x09\x00\x02\x00\x00\0", "0A000"),
        (encode(STARTUP) + b"Q\x00\x00\x00\x0dselect 1\0", "08P01"),
        (encode(STARTUP) + b"p\x00\x00\x40\x01", "08P01"),
        (encode(STARTUP) + encode(m.SASLInitialResponse("PLAIN", b"")), "08P01"),
        (encode(STARTUP) + encode(m.SASLInitialResponse("SCRAM-SHA-256", b"n,,x")), "08P01"),
    ],
)
async def test_a_bad_start_is_answered(content: bytes, sqlstate: str) -> None:
    async with house() as at, raw_client(at) as client:
        client.write(content)
        said = await client.reader.read()
        assert b"SFATAL\0VFATAL\0C" + sqlstate.encode() in said


async def test_too_many_sessions() -> None:
    async with house(max_connections=1) as at, session_client(at) as (client, session):
        async with raw_client(at) as other:
            other.write(STARTUP)
            assert await other.error() == ("FATAL", "53300", "sorry, too many clients already")
            assert await other.ended()
        client.write(m.Terminate())
        await session.closed.wait()
        async with session_client(at) as (third, _):
            third.write(m.Query("select 1"))
            assert (await third.read_until(m.ReadyForQuery))[-1] == m.ReadyForQuery(b"I")


async def test_too_many_connections_are_closed_without_a_word() -> None:
    async with house(max_connections=1) as at, raw_client(at) as first, raw_client(at) as second:
        for client in (first, second):
            client.write(m.SSLRequest())
            assert await client.reader.readexactly(1) == b"N"
        async with raw_client(at) as third:
            assert await third.ended()


async def test_drain_sends_idle_clients_away_and_waits_for_busy_ones() -> None:
    release = asyncio.Event()

    async def finish(session: ScriptedSession) -> None:
        await release.wait()
        session.door.send(m.CommandComplete("DONE"))

    async with (
        house() as at,
        session_client(at) as (idle, _),
        session_client(at) as (busy, session),
        raw_client(at) as silent,
    ):
        at.scripts["finish"] = finish
        busy.write(m.Query("finish"))
        await session.began.wait()
        draining = asyncio.create_task(at.listener.drain(60))
        goodbye = ("FATAL", "57P01", "terminating connection due to administrator command")
        assert await idle.error() == goodbye
        assert await silent.error() == goodbye
        with pytest.raises(OSError, match="refused"):
            await asyncio.open_connection(at.host, at.port)
        release.set()
        assert await busy.read() == m.CommandComplete("DONE")
        assert await busy.read() == m.ReadyForQuery(b"I")
        assert await busy.error() == goodbye
        await draining


async def test_drain_cancels_what_does_not_end() -> None:
    async with house() as at, session_client(at) as (client, session):
        at.scripts["wait"] = wait
        client.write(m.Query("wait"))
        await session.began.wait()
        await at.listener.drain(0)
        assert (await client.error())[1] == "57P01"
        assert session.calls[-1] == "close"
