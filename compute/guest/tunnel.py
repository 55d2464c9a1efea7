"""``python -m compute.guest.tunnel HOST:PORT SOCKET FOLDER``:

the TLS end of a guest in a pod, in a process and container of its own. Only it holds the private key; the guest speaks
plain frames on a Unix socket that no other pod can reach.

Peers show a certificate for clients of the authority in FOLDER (ca.crt, tls.crt, tls.key), or are turned away before
the guest hears of them.
"""

import asyncio
import signal
import ssl
import sys
from contextlib import suppress
from pathlib import Path

CHUNK_BYTES = 256 << 10
MOST_CONNECTIONS = 256
HANDSHAKE_SECONDS = 10.0
LISTEN_SECONDS = 30.0
LISTEN_PAUSE_SECONDS = 0.01


def main() -> None:
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(0))
    address, socket, folder = sys.argv[1:]
    host, _, port = address.rpartition(":")
    asyncio.run(_serve(host.strip("[]"), int(port), socket, server_context(Path(folder))))


async def _serve(host: str, port: int, socket: str, context: ssl.SSLContext) -> None:
    async with await listen(host, port, socket, context) as server:
        await server.serve_forever()


def server_context(folder: Path) -> ssl.SSLContext:
    """TLS 1.3, and no peer without a client's certificate. Raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(folder / "ca.crt")
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    context.num_tickets = 0
    return context


async def listen(host: str, port: int, socket: str, context: ssl.SSLContext) -> asyncio.Server:
    """A server that takes peers to the guest's Unix socket. Raises OSError where it can't listen."""
    room = asyncio.Semaphore(MOST_CONNECTIONS)

    async def on_peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if room.locked():
            writer.transport.abort()
            return
        async with room:
            await relay(reader, writer, socket)

    return await asyncio.start_server(
        on_peer, host, port, ssl=context, ssl_handshake_timeout=HANDSHAKE_SECONDS, limit=CHUNK_BYTES
    )


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, socket: str) -> None:
    """Both directions until one end leaves; then the other is left too."""
    try:
        inner_reader, inner_writer = await _reach(socket)
    except OSError:
        writer.transport.abort()
        return
    directions = [
        asyncio.create_task(_copy(reader, inner_writer)),
        asyncio.create_task(_copy(inner_reader, writer)),
    ]
    try:
        await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for direction in directions:
            direction.cancel()
        inner_writer.transport.abort()
        await _close(writer)


async def _reach(socket: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """The guest, which starts at the same time and may listen a little later. Raises OSError."""
    async with asyncio.timeout(LISTEN_SECONDS):
        while True:
            with suppress(FileNotFoundError, ConnectionRefusedError):
                return await asyncio.open_unix_connection(socket, limit=CHUNK_BYTES)
            await asyncio.sleep(LISTEN_PAUSE_SECONDS)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()


async def _close(writer: asyncio.StreamWriter) -> None:
    """What was written still goes out, for as long as the peer takes it."""
    writer.close()
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(HANDSHAKE_SECONDS):
            await writer.wait_closed()


if __name__ == "__main__":
    main()
