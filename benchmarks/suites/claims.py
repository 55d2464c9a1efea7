"""Claims and recycles a second: the real pool over stub guests, beside bare connections to the same stubs; and over
the machines of this host.
"""

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle
from pathlib import Path

import uvloop

from benchmarks.compare import Measurement, interleave
from benchmarks.laboratory import Laboratory
from benchmarks.stubs import StubSpawner, running_stubs
from compute.config import EngineConfig, PoolConfig
from compute.connection import connect
from compute.lease import Lease
from compute.pool import Pool
from compute.spawners import Spawner
from compute.spawners.process import ProcessSpawner
from compute.transport import Frame, Kind
from deploy.guest.image import build
from gateway.starts import first_answer, percentile
from tests.fix_compute import WAIT_SECONDS, duckdb_config
from tests.fix_machines import CACHE, MICROVM, make_spawner

STUBS = 2
PAUSE_SECONDS = 0.001
IDENTITY = Frame(
    Kind.IDENTITY, control={"hostname": "stub", "time_ns": 0, "seed": "", "workspace": "", "warehouse": ""}
)


@dataclass(frozen=True, slots=True)
class Demand:
    """`claims` a round, `at_once` at any time; as many machines are warm at its start, and again at its end."""

    claims: int
    at_once: int


STUB_DEMAND = Demand(3000, 16)
PROCESS_DEMAND = Demand(200, 8)
MICROVM_DEMAND = Demand(20, 2)

Claim = Callable[[], Awaitable[float]]
Subject = Callable[[Demand], Coroutine[None, None, Mapping[str, float]]]


def claims(laboratory: Laboratory) -> Iterator[Measurement]:
    """Each claim gets a warm machine, asks it one statement and gives it back to be recycled: two events."""
    subjects: Mapping[str, Subject] = {"lakegate": _stubs, "bare connections": _bare}
    rounds = {name: partial(_round, subject, STUB_DEMAND) for name, subject in subjects.items()}
    yield from interleave("claims and recycles, stub guests", rounds, laboratory.rounds)
    for name, subject, demand in (("processes", _processes, PROCESS_DEMAND), ("microVMs", _microvms, MICROVM_DEMAND)):
        rounds = {"lakegate": partial(_round, subject, demand)}
        yield from interleave(f"claims and recycles, {name}", rounds, laboratory.rounds)


def _round(subject: Subject, demand: Demand) -> Mapping[str, float]:
    return uvloop.run(subject(demand))


async def _stubs(demand: Demand) -> Mapping[str, float]:
    async with _stub_addresses() as addresses:
        return await _through_pool(StubSpawner(addresses), EngineConfig("duckdb", "user"), demand)


async def _bare(demand: Demand) -> Mapping[str, float]:
    async with _stub_addresses() as addresses:
        turn = cycle(addresses)
        return await _measure(lambda: _ask_bare(next(turn)), demand)


async def _processes(demand: Demand) -> Mapping[str, float]:
    engine = duckdb_config()
    return await _through_pool(ProcessSpawner(templates=[engine.spec]), engine, demand)


async def _microvms(demand: Demand) -> Mapping[str, float]:
    image = await asyncio.to_thread(build, CACHE)
    return await _through_pool(make_spawner(image), MICROVM, demand)


@asynccontextmanager
async def _stub_addresses() -> AsyncIterator[list[str]]:
    with tempfile.TemporaryDirectory(prefix="lakegate-stubs-") as folder:
        async with running_stubs(Path(folder), STUBS) as addresses:
            yield addresses


async def _through_pool(spawner: Spawner, engine: EngineConfig, demand: Demand) -> Mapping[str, float]:
    stocked = replace(engine, warm_machines=demand.at_once, max_machines=4 * demand.at_once)
    pool = Pool(spawner, PoolConfig((stocked,), WAIT_SECONDS), lambda _workspace: "/")
    await pool.start()
    try:
        await _until_stocked(pool, demand.at_once)
        return await _measure(lambda: first_answer(pool, "duckdb"), demand, _until_stocked(pool, demand.at_once))
    finally:
        await pool.close()


async def _until_stocked(pool: Pool, machines: int) -> None:
    """All that were used are gone and have successors."""
    async with asyncio.timeout(WAIT_SECONDS):
        while pool.count("duckdb") != Counter(spare=machines):  # noqa: ASYNC110 (the pool tells nobody)
            await asyncio.sleep(PAUSE_SECONDS)


async def _ask_bare(address: str) -> float:
    """What the pool does for a claim, without one: connect, hello, identity, a statement."""
    begun = time.perf_counter()
    connection = await connect(address)
    await connection.expect(Kind.HELLO)
    connection.send(IDENTITY)
    await connection.expect(Kind.READY)
    lease = Lease(connection, lambda _lease: None)
    rows = [row async for batch in await lease.execute("SELECT 1 AS one") for row in batch.to_pylist()]
    assert rows == [{"one": 1}], "a stub answers one row"
    await lease.release()
    return time.perf_counter() - begun


async def _measure(claim: Claim, demand: Demand, recycled: Awaitable[None] | None = None) -> Mapping[str, float]:
    """CPU is this process's: the gateway's share, and none of the machines'."""

    async def repeat(times: int) -> list[float]:
        return [await claim() for _ in range(times)]

    shares = [len(range(number, demand.claims, demand.at_once)) for number in range(demand.at_once)]
    cpu, begun = time.process_time(), time.perf_counter()
    each = await asyncio.gather(*map(repeat, shares))
    if recycled is not None:
        await recycled
    wall, cpu = time.perf_counter() - begun, time.process_time() - cpu
    seconds = [one for times in each for one in times]
    events = 2 * demand.claims
    return {
        "rate 1/s": events / wall,
        "p50 ms": percentile(seconds, 0.5) * 1000,
        "p99 ms": percentile(seconds, 0.99) * 1000,
        "CPU ms": cpu / events * 1000,
    }
