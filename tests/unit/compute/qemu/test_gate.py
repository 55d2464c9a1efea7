"""The gate of a machine's network: everything passes, to one place, and nothing outlives it. On both event loops."""

import asyncio
import os
import resource
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import pytest
import uvloop

from compute.spawners.qemu.gate import MOST_CONNECTIONS, Gate

HOST = "127.0.0.1"
CONTENT = secrets.token_bytes(1 << 20) * 8


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[None, None, None]], None]:
    def on_loop(test: Coroutine[None, None, None]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(test)

    return on_loop


class Far:
    """What is beyond the gate: sends back what it gets, or much of its own for "more" and "last", after which it ends.

    `ended` tells of each connection that it has ended, and whether by a reset.
    """

    def __init__(self) -> None:
        self.inside = 0
        self.ended: asyncio.Queue[bool] = asyncio.Queue()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.inside += 1
        reset = True
        with suppress(ConnectionError):
            await self._answer(reader, writer)
            reset = False
        self.inside -= 1
        writer.close()
        self.ended.put_nowait(reset)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while word := await reader.read(1 << 16):
            writer.write(CONTENT if word in (b"more", b"last") else word)
            await writer.drain()
            if word == b"last":
                return


@asynccontextmanager
async def open_gate() -> AsyncIterator[tuple[Far, Gate, int]]:
    """Something far, a gate to it, and the gate's port."""
    far = Far()
    server = await asyncio.start_server(far.serve, HOST, 0)
    listener = socket.create_server((HOST, 0))
    gate = Gate(listener, HOST, server.sockets[0].getsockname()[1])
    try:
        yield far, gate, listener.getsockname()[1]
    finally:
        await gate.close()
        server.close()


async def say(port: int, word: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(word)
    return reader, writer


def test_everything_passes_both_ways(run: Callable[[Coroutine[None, None, None]], None]) -> None:
    async def test() -> None:
        async with open_gate() as (_, _, port):
            reader, writer = await say(port, b"hello")
            assert await reader.readexactly(5) == b"hello"
            for _ in range(2):
                writer.write(b"more")
                assert await reader.readexactly(len(CONTENT)) == CONTENT
            writer.close()

    run(test())


def test_the_far_end_may_end_first(run: Callable[[Coroutine[None, None, None]], None]) -> None:
    """What it said arrives, and who has not left by then keeps nobody out."""

    async def test() -> None:
        async with open_gate() as (_, _, port):
            heard = [await say(port, b"last") for _ in range(MOST_CONNECTIONS)]
            for reader, _ in heard:
                assert await reader.read() == CONTENT
            late, writer = await say(port, b"a")
            assert await late.readexactly(1) == b"a"
            for _, each in (*heard, (late, writer)):
                each.close()

    run(test())


def test_who_leaves_holds_no_port_of_the_host(run: Callable[[Coroutine[None, None, None]], None]) -> None:
    """A connection to the store that ended by a reset leaves no TIME_WAIT behind."""

    async def test() -> None:
        async with open_gate() as (far, _, port):
            reader, writer = await say(port, b"a")
            assert await reader.readexactly(1) == b"a"
            writer.close()
            assert await far.ended.get(), "reset"

    run(test())


def test_who_says_nothing_is_not_announced(run: Callable[[Coroutine[None, None, None]], None]) -> None:
    async def test() -> None:
        async with open_gate() as (far, _, port):
            _, silent = await asyncio.open_connection(HOST, port)
            reader, writer = await say(port, b"a")
            assert await reader.readexactly(1) == b"a"
            assert far.inside == 1
            silent.close()
            writer.close()

    run(test())


@contextmanager
def no_more_files() -> Iterator[None]:
    """Whoever opens one fails. Those that are open do not count: with a bound below their number poll(2) fails, too, in
    every thread of the process."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.close(next_one := os.dup(0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (next_one, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_gate_that_fails_refuses_at_once(run: Callable[[Coroutine[None, None, None]], None]) -> None:
    async def test() -> None:
        async with open_gate() as (_, _, port):
            with socket.create_connection((HOST, port)) as caller:
                caller.setblocking(False)
                with no_more_files(), pytest.raises(ConnectionResetError):
                    await asyncio.get_running_loop().sock_recv(caller, 1)
            with pytest.raises(ConnectionRefusedError):
                await say(port, b"a")

    run(test())


def test_more_than_its_machine_needs_wait_outside(run: Callable[[Coroutine[None, None, None]], None]) -> None:
    async def test() -> None:
        async with open_gate() as (far, _, port):
            first = [await say(port, b"a") for _ in range(MOST_CONNECTIONS)]
            for reader, _ in first:
                assert await reader.readexactly(1) == b"a"
            late, writer = await say(port, b"b")
            assert far.inside == MOST_CONNECTIONS
            first[0][1].close()
            assert await late.readexactly(1) == b"b"
            for _, each in (*first, (late, writer)):
                each.close()

    run(test())


def test_a_far_end_that_is_not_there(run: Callable[[Coroutine[None, None, None]], None]) -> None:
    async def test() -> None:
        with socket.socket() as taken:
            taken.bind((HOST, 0))
            listener = socket.create_server((HOST, 0))
            gate = Gate(listener, HOST, taken.getsockname()[1])
            for _ in range(2 * MOST_CONNECTIONS):
                reader, writer = await say(listener.getsockname()[1], b"a")
                with suppress(ConnectionError):
                    assert await reader.read() == b""
                writer.close()
            await gate.close()

    run(test())


def test_what_passed_ends_with_the_gate(run: Callable[[Coroutine[None, None, None]], None]) -> None:
    """Also what its machine has never taken."""

    async def test() -> None:
        async with open_gate() as (_, gate, port):
            reader, writer = await say(port, b"more")
            await reader.readexactly(1)
            await gate.close()
            with pytest.raises(ConnectionError):
                await reader.readexactly(len(CONTENT))
            with pytest.raises(ConnectionRefusedError):
                await say(port, b"a")
            writer.close()

    run(test())
