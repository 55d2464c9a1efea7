"""The gate of one machine's network: whoever connects to it is at the object store, and nowhere else.

Bytes pass without being looked at, so TLS is between the guest and the store. The store's name is looked up for each
connection: its addresses change. What comes from the store is spliced from socket to socket by the kernel.

Reference: splice(2).
"""

import asyncio
import fcntl
import logging
import os
import socket
import struct
import termios
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from functools import partial

MOST_CONNECTIONS = 8
"""Of one machine at once. The guest keeps fewer (`MOST_KEPT`), so there is room for a new one."""
CONNECT_SECONDS = 5.0
DELIVERY_SECONDS = 10.0
"""For the rest of an answer, once the store has said all of it."""
LOOK_SECONDS = 0.01
REQUEST_BYTES = 16 << 10
PIPE_BYTES = 256 << 10
_SPLICE = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK
_AT_ONCE = struct.pack("ii", 1, 0)
"""Linger: what has not been sent is dropped at the close, so that nothing of a machine's network outlives it, and
no port of the host is held (TIME_WAIT) for a connection to the store that a machine has left."""
log = logging.getLogger(__name__)


class Gate:
    """Open until it is closed; everything that passed through is closed with it."""

    def __init__(self, listener: socket.socket, host: str, port: int) -> None:
        """To that host, as seen from here. The listener is the gate's from now on."""
        listener.setblocking(False)
        self._listener = listener
        self._store = host, port
        self._free = asyncio.Semaphore(MOST_CONNECTIONS)
        self._tasks = {asyncio.ensure_future(self._accept())}

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._listener.close()

    async def _accept(self) -> None:
        """Who comes while too many are inside waits. Where the gate fails, its machine is refused and asks the host."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                await self._free.acquire()
                caller, _ = await loop.sock_accept(self._listener)
                task = asyncio.ensure_future(self._carry(caller))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        except OSError as error:
            self._listener.close()
            log.warning("a gate to the object store closes: %s", error)

    async def _carry(self, caller: socket.socket) -> None:
        """One connection, until either side ends it. The store is asked for one once its caller has said something."""
        try:
            with caller:
                caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
                if request := await asyncio.get_running_loop().sock_recv(caller, REQUEST_BYTES):
                    with await self._connect() as store:
                        await _pass(caller, store, request)
        except* (OSError, TimeoutError) as failed:
            log.info("a connection to the object store ends: %s", failed.exceptions)
        finally:
            self._free.release()

    async def _connect(self) -> socket.socket:
        """Raises OSError, TimeoutError."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_SECONDS):
            for family, kind, protocol, _, address in await loop.getaddrinfo(*self._store, type=socket.SOCK_STREAM):
                with ExitStack() as stack, suppress(OSError):
                    store = stack.enter_context(socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol))
                    store.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
                    await loop.sock_connect(store, address)
                    stack.pop_all()
                    return store
        raise OSError(f"{self._store[0]} cannot be reached")


async def _pass(caller: socket.socket, store: socket.socket, request: bytes) -> None:
    """Until one way ends, and the other with it: whoever reads objects hears the answer out before it leaves."""
    async with asyncio.TaskGroup() as ways:
        asking = ways.create_task(_ask(caller, store, request))
        pouring = ways.create_task(_pour(store, caller))
        asking.add_done_callback(lambda _: pouring.cancel())
        pouring.add_done_callback(lambda _: asking.cancel())


async def _ask(caller: socket.socket, store: socket.socket, request: bytes) -> None:
    """Requests are short."""
    loop = asyncio.get_running_loop()
    while request:
        await loop.sock_sendall(store, request)
        request = await loop.sock_recv(caller, REQUEST_BYTES)


async def _pour(store: socket.socket, caller: socket.socket) -> None:
    """Answers are long: the kernel hands on the pages that they came in. After each piece others have their turn."""
    loop = asyncio.get_running_loop()
    readable = partial(_wait, loop.add_reader, loop.remove_reader, store.fileno())
    writable = partial(_wait, loop.add_writer, loop.remove_writer, caller.fileno())
    end, begin = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.fcntl(begin, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        while left := await _move(readable, store.fileno(), begin, PIPE_BYTES):
            while left:
                left -= await _move(writable, end, caller.fileno(), left)
            await readable()
    finally:
        os.close(begin)
        os.close(end)
    await _deliver(caller)


async def _move(ready: Callable[[], Awaitable[None]], source: int, target: int, count: int) -> int:
    """How many bytes passed, up to `count`; 0 at the end. Raises OSError."""
    while True:
        with suppress(BlockingIOError):
            return os.splice(source, target, count, flags=_SPLICE)
        await ready()


async def _wait(add: Callable[..., None], remove: Callable[[int], object], descriptor: int) -> None:
    """Until it can be read, or written."""
    ready = asyncio.Event()
    add(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        remove(descriptor)


def _undelivered(caller: socket.socket) -> int:
    """Bytes that the other side has not acknowledged, the end counted (tcp(7), SIOCOUTQ)."""
    (count,) = struct.unpack("i", fcntl.ioctl(caller, termios.TIOCOUTQ, bytes(4)))
    return int(count)


async def _deliver(caller: socket.socket) -> None:
    """Until the other side has everything, and knows that nothing more comes. Raises OSError, TimeoutError."""
    caller.shutdown(socket.SHUT_WR)
    async with asyncio.timeout(DELIVERY_SECONDS):
        while _undelivered(caller):  # noqa: ASYNC110 (the kernel tells nobody)
            await asyncio.sleep(LOOK_SECONDS)
