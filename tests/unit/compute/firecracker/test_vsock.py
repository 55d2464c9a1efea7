"""The line before a guest's own bytes: kept to, and hostile."""

import asyncio
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from catalog.errors import MachineLost
from compute.spawners.firecracker.vsock import connect_guest
from compute.transport import Frame, Kind, encode


@pytest.fixture
def path() -> Iterator[Path]:
    folder = tempfile.mkdtemp(prefix="lgfc-")
    yield Path(folder, "v.sock")
    shutil.rmtree(folder)


@asynccontextmanager
async def answering(path: Path, answer: bytes, *, close: bool = False) -> AsyncIterator[list[bytes]]:
    """A VMM's socket that says `answer` to the first line, and then ends the connection or stays silent."""
    lines: list[bytes] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            stream, _ = listener.accept()
            with stream:
                lines.append(stream.recv(64))
                with suppress(ConnectionError):
                    stream.sendall(answer)
                    if not close:
                        stream.recv(1)

        serving = asyncio.create_task(asyncio.to_thread(serve))
        yield lines
        await serving


async def test_what_follows_the_line_is_the_guests(path: Path) -> None:
    hello = b"".join(encode(Frame(Kind.HELLO, control={"engine": "duckdb"})))
    async with answering(path, b"OK 1073741824\n" + hello) as lines:
        connection = await connect_guest(path, 5201)
        assert (await connection.expect(Kind.HELLO)).control == {"engine": "duckdb"}
        assert lines == [b"CONNECT 5201\n"]
        connection.abort()


@pytest.mark.parametrize(
    "answer",
    [
        b"OK\n",
        b"ok 1\n",
        b"OK 1\r\n",
        b"OK -1\n",
        b"OK 12345678901\n",
        b"\n",
        b"OK " + b"9" * 100_000,
        bytes(range(32, 64)),
    ],
)
async def test_another_answer_ends_it(path: Path, answer: bytes) -> None:
    async with answering(path, answer):
        with pytest.raises(ConnectionAbortedError, match="is none"):
            await connect_guest(path)


@pytest.mark.parametrize("answer", [b"", b"OK 12"])
async def test_nobody_listens(path: Path, answer: bytes) -> None:
    async with answering(path, answer, close=True):
        with pytest.raises(ConnectionRefusedError, match="does not listen"):
            await connect_guest(path)


async def test_silence_is_not_waited_for(path: Path) -> None:
    async with answering(path, b"OK 1"):
        with pytest.raises(TimeoutError):
            await connect_guest(path, seconds=0.05)


async def test_garbage_after_the_line_loses_the_machine(path: Path) -> None:
    async with answering(path, b"OK 1\n" + b"\xff" * 100):
        connection = await connect_guest(path)
        with pytest.raises(MachineLost):
            await connection.receive()
