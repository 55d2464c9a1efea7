"""A guest that cannot open the host's files, in a thread of the test: the whole way of range reads without a VM."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from threading import Thread

from compute.connection import Connection
from compute.engines import Engine, EngineOptions, open_engine
from compute.guest.channel import Channel
from compute.guest.endpoint import Endpoint
from compute.guest.filesystem import ChannelFiles
from compute.guest.machine import Guest
from compute.identity import Network
from compute.lease import Lease
from compute.objects import ObjectReader
from compute.ranges import RangeServer
from compute.transport import Frame, Kind

IDENTITY = {"hostname": "remote", "time_ns": 0, "seed": "00" * 64, "workspace": "demo", "warehouse": "/nowhere"}


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Connection, Channel]]:
    """The pool's end of a connection, and the guest's."""
    ours, theirs = socket.socketpair()
    _, connection = await asyncio.get_running_loop().create_unix_connection(Connection, sock=ours)
    try:
        yield connection, Channel(theirs)
    finally:
        connection.abort()
        theirs.close()


@asynccontextmanager
async def remote_lease(
    root: Path, scratch: Path, objects: ObjectReader | None = None, network: Network | None = None
) -> AsyncIterator[Lease]:
    """A lease of a DuckDB guest whose files are read by us below `root`, or in a store, to which it may have a network
    itself. Leaving waits for its end."""
    files = ChannelFiles()
    options = EngineOptions(2, 256 << 20, str(scratch), files=files)
    engine = await asyncio.to_thread(open_engine, "duckdb", options)
    try:
        async with lent(engine, files, root, scratch, objects, network) as lease:
            yield lease
    finally:
        engine.close()


@asynccontextmanager
async def lent(
    engine: Engine,
    files: ChannelFiles | Endpoint,
    root: Path,
    scratch: Path,
    objects: ObjectReader | None = None,
    network: Network | None = None,
) -> AsyncIterator[Lease]:
    """A lease of an engine whose files are read by us. Leaving waits for the guest's end."""
    ours, theirs = socket.socketpair()
    guest = Guest(engine, lambda _identity, _folders: None, str(scratch), files, remote=True)
    thread = Thread(target=guest.converse, args=(theirs,))
    thread.start()
    _, connection = await asyncio.get_running_loop().create_unix_connection(Connection, sock=ours)
    hello = await connection.expect(Kind.HELLO)
    assert hello.control["reads"] == "channel"
    told = IDENTITY if network is None else IDENTITY | {"network": asdict(network)}
    connection.send(Frame(Kind.IDENTITY, control=told))
    await connection.expect(Kind.READY)
    try:
        ranges = RangeServer(connection, "demo", str(root), objects, linked=network is not None)
        yield Lease(connection, lambda _lease: None, ranges)
    finally:
        connection.abort()
        await asyncio.to_thread(thread.join)
