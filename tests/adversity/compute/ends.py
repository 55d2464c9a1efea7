"""Both ends of a guest's channel. The guest's is a bare socket, so that it can send what no guest of ours would."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import pyarrow as pa

from compute.connection import Connection
from compute.lease import Lease
from compute.transport import PROTOCOL_VERSION, Frame, Kind, encode

SCHEMA = pa.schema([("id", pa.int64()), ("name", pa.string()), ("tags", pa.list_(pa.int32()))])
BATCH = pa.record_batch({"id": [1, None], "name": ["é", "b"], "tags": [[1, 2], None]}, SCHEMA)
HELLO = Frame(Kind.HELLO, 0, {"protocol": PROTOCOL_VERSION})
ANSWER = [Frame(Kind.SCHEMA, 1, body=SCHEMA.serialize()), Frame(Kind.BATCH, 1, body=BATCH.serialize())]
DONE = Frame(Kind.DONE, 1, {"affected": None})
GIVE_UP_SECONDS = 60


@dataclass(frozen=True)
class Ends:
    """Our end of a guest's channel, and the guest's."""

    connection: Connection
    lease: Lease
    guest: socket.socket

    def say(self, content: bytes) -> None:
        """As much as the socket takes. Whoever is left sees it closed."""
        with suppress(OSError):
            self.guest.send(content)


@contextmanager
def hung_up(guest: socket.socket) -> Iterator[None]:
    try:
        yield
    finally:
        guest.close()


async def meet(use: Callable[[Ends], Awaitable[None]]) -> None:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    with hung_up(theirs):
        _, connection = await asyncio.get_running_loop().create_unix_connection(Connection, sock=ours)
        async with asyncio.timeout(GIVE_UP_SECONDS):
            await use(Ends(connection, Lease(connection, lambda _lease: None), theirs))
        connection.abort()
        await asyncio.sleep(0)


def written(*frames: Frame) -> bytes:
    return b"".join(bytes(piece) for piece in encode(*frames))


async def ask_all(lease: Lease) -> list[pa.RecordBatch]:
    """One statement from its start to its end."""
    return [batch async for batch in await lease.execute("SELECT 1")]
