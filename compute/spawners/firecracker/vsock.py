"""A connection to a guest: through the VMM's Unix socket, to a port of the guest.

The host writes ``CONNECT <port>`` and gets ``OK <its own port>``; from then on the socket is the guest's. The VMM may
be in a hostile guest's hands, so its answer is bounded in length and time.
"""

import asyncio
import re
import socket
from pathlib import Path

from compute.connection import Connection
from compute.guest.vsock import GUEST_PORT

ANSWER = re.compile(rb"OK [0-9]{1,10}\n")
MAX_ANSWER = len(b"OK 4294967295\n")
SECONDS = 5.0


async def connect_guest(path: Path, port: int = GUEST_PORT, seconds: float = SECONDS) -> Connection:
    """Raises OSError where nobody listens, or the answer is none."""
    loop = asyncio.get_running_loop()
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        async with asyncio.timeout(seconds):
            await loop.sock_connect(stream, str(path))
            await loop.sock_sendall(stream, b"CONNECT %d\n" % port)
            await _expect_ok(stream)
            _, connection = await loop.create_unix_connection(Connection, sock=stream)
    except BaseException:
        stream.close()
        raise
    return connection


async def _expect_ok(stream: socket.socket) -> None:
    """Reads byte by byte: what follows the line is the guest's already."""
    loop = asyncio.get_running_loop()
    answer = b""
    while not answer.endswith(b"\n"):
        byte = await loop.sock_recv(stream, 1)
        if not byte:
            raise ConnectionRefusedError("the guest does not listen")
        answer += byte
        if len(answer) > MAX_ANSWER:
            break
    if not ANSWER.fullmatch(answer):
        raise ConnectionAbortedError("the VMM's answer on the vsock socket is none")
