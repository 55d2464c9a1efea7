"""``python -m benchmarks.stubs SOCKET``: a process that speaks the guests' protocol and runs nothing.

It stands for any number of machines, one a connection, so that what is timed is the gateway's own share of a machine's
life: fleet, pool, spawner seam and framing.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count, cycle
from pathlib import Path
from typing import cast

import pyarrow as pa

from compute.config import MachineSpec
from compute.connection import Connection, connect
from compute.spawners import Isolation, Machine
from compute.transport import PROTOCOL_VERSION, Decoder, Frame, Kind, encode

ANSWER = pa.record_batch({"one": pa.array([1], pa.int32())})


class Guest(asyncio.BufferedProtocol):
    """One machine: HELLO, READY for an identity, one row for any statement."""

    def __init__(self) -> None:
        self._decoder = Decoder()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send(
            Frame(Kind.HELLO, control={"protocol": PROTOCOL_VERSION, "engine": "duckdb", "version": "", "pid": 0})
        )

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._decoder.writable()

    def buffer_updated(self, nbytes: int) -> None:
        for frame in self._decoder.wrote(nbytes):
            if frame.kind is Kind.IDENTITY:
                self._send(Frame(Kind.READY))
            elif frame.kind is Kind.EXECUTE:
                schema = Frame(Kind.SCHEMA, frame.statement, body=ANSWER.schema.serialize())
                batch = Frame(Kind.BATCH, frame.statement, body=ANSWER.serialize())
                self._send(schema, batch, Frame(Kind.DONE, frame.statement, {"affected": None}))

    def _send(self, *frames: Frame) -> None:
        self._transport.writelines(encode(*frames))


@dataclass(eq=False, slots=True)
class StubMachine:
    """`address` is the socket of the process that stands for it."""

    name: str
    address: str
    ended: "asyncio.Future[int]"

    async def connect(self) -> Connection:
        return await connect(self.address)


class StubSpawner:
    """Its machines are there at once and gone at once."""

    def __init__(self, addresses: list[str]) -> None:
        self._addresses = cycle(addresses)
        self._numbers = count(1)

    async def open(self) -> Isolation:
        return Isolation("none")

    async def start(self, spec: MachineSpec) -> Machine:
        ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        return StubMachine(f"stub-{next(self._numbers)}", next(self._addresses), ended)

    async def poll(self, machine: Machine) -> int | None:
        return machine.ended.result() if machine.ended.done() else None

    async def stop(self, machine: Machine, *, now: bool = False) -> None:
        if not machine.ended.done():
            machine.ended.set_result(0)

    async def close(self) -> None:
        return None


@asynccontextmanager
async def running_stubs(folder: Path, processes: int) -> AsyncIterator[list[str]]:
    """The addresses of so many stub processes, which end with the context."""
    async with AsyncExitStack() as stack:
        addresses = []
        for number in range(processes):
            address = str(folder / f"{number}.sock")
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "benchmarks.stubs", address), stdout=asyncio.subprocess.PIPE
            )
            stack.push_async_callback(process.wait)
            stack.callback(process.kill)
            assert process.stdout is not None
            await process.stdout.readline()
            addresses.append(address)
        yield addresses


async def main(address: str) -> None:
    server = await asyncio.get_running_loop().create_unix_server(Guest, address)
    print("listening", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
