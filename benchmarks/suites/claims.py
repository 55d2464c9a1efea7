"""Claims and recycles a second: the real pool over stub guests, beside bare connections to the same stubs."""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import uvloop

from benchmarks.compare import Measurement, interleave
from benchmarks.laboratory import Laboratory
from benchmarks.stubs import StubSpawner, running_stubs
from compute.config import EngineConfig, PoolConfig
from compute.connection import connect
from compute.lease import Lease
from compute.pool import Pool
from compute.transport import Frame, Kind
from gateway.starts import first_answer, percentile

CLAIMS = 3000
AT_ONCE = 16
STUBS = 2
IDENTITY = Frame(
    Kind.IDENTITY, control={"hostname": "stub", "time_ns": 0, "seed": "", "workspace": "", "warehouse": ""}
)


def claims(laboratory: Laboratory) -> Iterator[Measurement]:
    """Each claim gets a warm machine, asks it one statement and gives it back to be recycled: two events."""
    subjects = {"lakegate": partial(_round, _through_pool), "bare connections": partial(_round, _bare)}
    yield from interleave("claims and recycles", subjects, laboratory.rounds)


Claim = Callable[[], Awaitable[float]]


def _round(measure: Callable[[list[str]], Awaitable[list[float]]]) -> Mapping[str, float]:
    return uvloop.run(_measure(measure))


async def _measure(measure: Callable[[list[str]], Awaitable[list[float]]]) -> Mapping[str, float]:
    with tempfile.TemporaryDirectory(prefix="lakegate-stubs-") as folder:
        async with running_stubs(Path(folder), STUBS) as addresses:
            cpu, begun = time.process_time(), time.perf_counter()
            seconds = await measure(addresses)
            wall, cpu = time.perf_counter() - begun, time.process_time() - cpu
    return {
        "rate 1/s": 2 * CLAIMS / wall,
        "p50 ms": percentile(seconds, 0.5) * 1000,
        "p99 ms": percentile(seconds, 0.99) * 1000,
        "CPU ms": cpu / (2 * CLAIMS) * 1000,
    }


async def _through_pool(addresses: list[str]) -> list[float]:
    engine = EngineConfig("duckdb", "user", warm_machines=AT_ONCE, max_machines=4 * AT_ONCE)
    pool = Pool(StubSpawner(addresses), PoolConfig((engine,)), lambda _workspace: "")
    await pool.start()
    try:
        return await _at_once(lambda: first_answer(pool, "duckdb"))
    finally:
        await pool.close()


async def _bare(addresses: list[str]) -> list[float]:
    return await _at_once(lambda: _ask_bare(addresses[0]))


async def _ask_bare(address: str) -> float:
    """What the pool does for a claim, without one: connect, hello, identity, a statement."""
    begun = time.perf_counter()
    connection = await connect(address)
    await connection.expect(Kind.HELLO)
    connection.send(IDENTITY)
    await connection.expect(Kind.READY)
    lease = Lease(connection, lambda: None)
    rows = [row async for batch in await lease.execute("SELECT 1 AS one") for row in batch.to_pylist()]
    assert rows == [{"one": 1}], "a stub answers one row"
    await lease.release()
    return time.perf_counter() - begun


async def _at_once(claim: Claim) -> list[float]:
    async def repeat(times: int) -> list[float]:
        return [await claim() for _ in range(times)]

    each = await asyncio.gather(*(repeat(len(range(number, CLAIMS, AT_ONCE))) for number in range(AT_ONCE)))
    return [seconds for one in each for seconds in one]
