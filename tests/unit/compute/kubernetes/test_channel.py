"""The tunnel in front of a guest: who may come in, over real sockets."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from compute.guest import tunnel
from compute.spawners.kubernetes.channel import GUEST, Pair, client_context, make_pairs

PAIRS = make_pairs()
TURNED_AWAY = (ssl.SSLError, ConnectionError)


def write_pair(folder: Path, pair: Pair) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in (("tls.crt", pair.certificate), ("tls.key", pair.key), ("ca.crt", pair.authority)):
        (folder / name).write_bytes(content)
    return folder


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with closing(writer), suppress(ConnectionError):
        while chunk := await reader.read(1 << 16):
            writer.write(chunk)
            await writer.drain()


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    """Of a tunnel before a guest that says everything back."""
    socket = str(tmp_path / "guest.sock")
    context = tunnel.server_context(write_pair(tmp_path / "pair", PAIRS[0]))
    async with (
        await asyncio.start_unix_server(echo, socket),
        await tunnel.listen("127.0.0.1", 0, socket, context) as server,
    ):
        yield int(server.sockets[0].getsockname()[1])


async def say(port: int, context: ssl.SSLContext, message: bytes, name: str = GUEST) -> bytes:
    """What comes back. Raises OSError where the tunnel turns us away."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    try:
        writer.write(message)
        return await reader.readexactly(len(message))
    except asyncio.IncompleteReadError as error:
        raise ConnectionAbortedError("nothing came back") from error
    finally:
        writer.transport.abort()


async def test_the_gateway_comes_in(port: int) -> None:
    message = bytes(range(256)) * 8192
    assert await say(port, client_context(PAIRS[1]), message) == message


async def test_a_peer_without_a_certificate_does_not(port: int) -> None:
    context = ssl.create_default_context(cadata=PAIRS[1].authority.decode())
    with pytest.raises(TURNED_AWAY):
        await say(port, context, b"hello")


async def test_nor_does_another_gateway(port: int) -> None:
    stranger = make_pairs()[1]
    foreign = client_context(Pair(stranger.certificate, stranger.key, stranger.authority))
    foreign.load_verify_locations(cadata=PAIRS[1].authority.decode())
    with pytest.raises(TURNED_AWAY):
        await say(port, foreign, b"hello")


async def test_nor_does_a_guest_with_its_own_certificate(port: int) -> None:
    """It is a server's, and good for nothing else."""
    with pytest.raises(TURNED_AWAY):
        await say(port, client_context(PAIRS[0]), b"hello")


async def test_a_gateway_speaks_to_no_other_server(port: int) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        await say(port, client_context(PAIRS[1]), b"hello", name="elsewhere.lakegate.internal")
    with pytest.raises(ssl.SSLCertVerificationError):
        await say(port, client_context(make_pairs()[1]), b"hello")


def test_pairs_survive_a_secret() -> None:
    assert Pair.parse(PAIRS[1].files) == PAIRS[1]
    assert PAIRS[1].lasts()
