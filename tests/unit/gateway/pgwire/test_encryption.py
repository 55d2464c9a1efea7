"""TLS from the first byte, and log-ins that are bound to TLS, with libpq and with clients that misbehave."""

import asyncio
import ssl
from pathlib import Path

import psycopg
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from gateway.auth.certificate import hash_end_point
from gateway.pgwire import messages as m
from gateway.pgwire.codec import encode
from gateway.pgwire.encryption import ALPN
from gateway.pgwire.messages import ProtocolVersion
from gateway.tls import make_context
from tests.certificates import Authority, Hash, Key
from tests.unit.gateway.pgwire.doors import House, RawClient, house, raw_client

STARTUP = m.StartupMessage(ProtocolVersion(3, 0), {"user": "ann"}, {})


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    return Authority(tmp_path).issue("localhost")


@pytest.fixture
def tls(pair: Path) -> ssl.SSLContext:
    return make_context(pair, pair)


async def answer(at: House, options: str) -> tuple[object, ...] | None:
    async with await psycopg.AsyncConnection.connect(f"{at.conninfo} {options}", autocommit=True) as connection:
        return await (await connection.execute("select 1")).fetchone()


def client_context(*protocols: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


async def test_libpq_begins_with_tls(tls: ssl.SSLContext) -> None:
    async with house(tls=tls) as at:
        assert await answer(at, "sslmode=require sslnegotiation=direct") == (1,)
        assert at.sessions[0].door.encrypted


async def test_a_hello_in_small_pieces(tls: ssl.SSLContext) -> None:
    """The first byte alone, then the rest of the handshake byte by byte."""
    async with house(tls=tls) as at:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        layer = client_context(ALPN).wrap_bio(incoming, outgoing, server_hostname="demo.gateway.test")
        reader, writer = await asyncio.open_connection(at.host, at.port)
        while True:
            try:
                layer.do_handshake()
            except ssl.SSLWantReadError:
                for byte in outgoing.read():
                    writer.write(bytes([byte]))
                    await asyncio.sleep(0)
                incoming.write(await reader.read(65536))
            else:
                break
        layer.write(encode(STARTUP))
        writer.write(outgoing.read())
        session = await at.opened.get()
        assert session.door.server_name == "demo.gateway.test"
        writer.close()


@pytest.mark.parametrize("protocols", [(), ("h2", "http/1.1")])
async def test_tls_without_its_protocol_is_refused(tls: ssl.SSLContext, protocols: tuple[str, ...]) -> None:
    async with house(tls=tls) as at:
        reader, writer = await asyncio.open_connection(at.host, at.port, ssl=client_context(*protocols))
        writer.write(encode(STARTUP))
        client = RawClient(reader, writer)
        assert await client.ended()
        assert at.sessions == []


async def test_no_second_handshake_begins_inside(tls: ssl.SSLContext) -> None:
    async with house(tls=tls) as at:
        reader, writer = await asyncio.open_connection(at.host, at.port, ssl=client_context(ALPN))
        client = RawClient(reader, writer)
        client.write(m.SSLRequest())
        assert (await client.error())[:2] == ("FATAL", "0A000")
        assert await client.ended()


async def test_a_hello_after_a_refused_request_is_refused(tls: ssl.SSLContext) -> None:
    """Only the first byte may begin TLS: after it, somebody else may have spoken."""
    async with house(tls=tls) as at, raw_client(at) as client:
        client.write(m.GSSENCRequest())
        assert await client.reader.readexactly(1) == b"N"
        client.write(b"\x16\x03\x01\x02\x00\x01\x00")
        assert await client.error() == ("FATAL", "08P01", "invalid length of startup packet")


async def test_a_hello_where_there_is_no_tls() -> None:
    async with house() as at:
        with pytest.raises(OSError, match=r".*"):
            await asyncio.open_connection(at.host, at.port, ssl=client_context(ALPN))


async def test_what_is_no_handshake_ends_the_connection(tls: ssl.SSLContext) -> None:
    async with house(tls=tls) as at, raw_client(at) as client:
        client.write(b"\x16" + b"\xff" * 600)
        await client.ended()
        assert at.sessions == []


async def test_half_a_hello_is_put_out(tls: ssl.SSLContext) -> None:
    async with house(tls=tls, login_seconds=0.05) as at, raw_client(at) as client:
        client.write(b"\x16\x03\x01\x02\x00\x01")
        assert await client.ended()


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (rsa.generate_private_key(public_exponent=65537, key_size=2048), hashes.SHA256()),
        (rsa.generate_private_key(public_exponent=65537, key_size=2048), hashes.SHA512()),
        (ec.generate_private_key(ec.SECP384R1()), hashes.SHA384()),
    ],
    ids=["rsa", "rsa-sha512", "ecdsa-sha384"],
)
@pytest.mark.parametrize("negotiation", ["postgres", "direct"])
async def test_libpq_binds_its_login(tmp_path: Path, key: Key, algorithm: Hash, negotiation: str) -> None:
    """libpq computes the hash by itself, and insists on the binding."""
    pair = Authority(tmp_path, key, algorithm).issue("localhost", key=key)
    async with house(tls=make_context(pair, pair)) as at:
        at.end_point = hash_end_point(pair.read_bytes())
        assert await answer(at, f"sslmode=require channel_binding=require sslnegotiation={negotiation}") == (1,)


async def test_ed25519_cannot_be_bound_to(tmp_path: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    pair = Authority(tmp_path, key).issue("localhost", key=key)
    async with house(tls=make_context(pair, pair)) as at:
        assert await answer(at, "sslmode=require") == (1,)
        with pytest.raises(psycopg.OperationalError, match="channel binding"):
            await answer(at, "sslmode=require channel_binding=require")


async def test_somebody_between_is_noticed(tmp_path: Path, tls: ssl.SSLContext) -> None:
    """Who shows another certificate than the server's cannot pass the log-in on."""
    other = Authority(tmp_path, name="other").issue("localhost", file="other-host")
    async with house(tls=tls) as at:
        at.end_point = hash_end_point(other.read_bytes())
        for binding in ("require", "prefer"):
            with pytest.raises(psycopg.OperationalError, match="SCRAM channel binding check failed"):
                await answer(at, f"sslmode=require channel_binding={binding}")
        assert await answer(at, "sslmode=require channel_binding=disable") == (1,)


async def test_binding_is_not_offered_without_tls(pair: Path) -> None:
    async with house() as at:
        with pytest.raises(psycopg.OperationalError, match="channel binding"):
            await answer(at, "channel_binding=require")
