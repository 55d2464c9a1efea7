"""How long machines take: from nothing to a first answer, from a warm pool to one, and to be gone without a trace.

Measured through the pool itself, which a watching spawner stands below. `gateway.bench` prints it and the benchmarks
compare it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from math import ceil

from compute.config import EngineConfig, MachineSpec, PoolConfig
from compute.pool import Pool
from compute.spawners import Isolation, Machine, Spawner

QUESTION = "SELECT 1 AS one"
WARM_SECONDS = 300.0
POLL_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class Starts:
    """Seconds: `start` from asking for a machine that does not exist to its first answer, `claim` the same for one that
    waits in the pool, `recycle` from the order to stop until nothing of it is left. `elapsed` is for all of `start`,
    each with its recycling. `isolation` is what the machines had."""

    start: Sequence[float]
    claim: Sequence[float]
    recycle: Sequence[float]
    elapsed: float
    isolation: Isolation

    def summary(self) -> dict[str, float]:
        """Milliseconds, and starts a second."""
        milliseconds = {
            "p50_ms": percentile(self.start, 0.5),
            "p99_ms": percentile(self.start, 0.99),
            "claim_p50_ms": percentile(self.claim, 0.5),
            "recycle_p99_ms": percentile(self.recycle, 0.99),
        }
        rounded = {name: round(seconds * 1000, 2) for name, seconds in milliseconds.items()}
        return rounded | {"starts_per_s": round(len(self.start) / self.elapsed, 2)}


async def measure_starts(
    make: Callable[[], Spawner],
    engine: EngineConfig,
    warehouse: str,
    *,
    count: int,
    at_once: int = 1,
    rest: float = 0.0,
) -> Starts:
    """Starts, asks and stops `count` machines, `at_once` at a time, then claims as many from a warm pool, one by one.

    `make` makes a spawner for each of the two. `warehouse` is a folder that machines may read. A claimed machine has
    waited for `rest` seconds. Raises CannotStart, SqlError.
    """
    watched = _Watched(make())
    engine = replace(engine, mode="user", leases_per_machine=1)
    cold = replace(engine, warm_machines=0, max_machines=2 * at_once)
    async with _running(Pool(watched, PoolConfig((cold,)), lambda _workspace: warehouse)) as pool:
        begun = time.perf_counter()
        shares = [len(range(number, count, at_once)) for number in range(at_once)]
        timed = await asyncio.gather(*(_start_in_turn(pool, watched, engine.engine, share) for share in shares))
        elapsed = time.perf_counter() - begun
        recycle = tuple(watched.durations)
    watched, warm = _Watched(make()), replace(engine, warm_machines=1, max_machines=3)
    async with _running(Pool(watched, PoolConfig((warm,)), lambda _workspace: warehouse)) as pool:
        claim = [await _claim(pool, watched, engine.engine, rest) for _ in range(count)]
    return Starts([one for each in timed for one in each], claim, recycle, elapsed, pool.isolation)


async def first_answer(pool: Pool, engine: str) -> float:
    """Seconds from asking the pool for a machine to its answer. Raises SqlError."""
    begun = time.perf_counter()
    lease = await pool.lease(engine, workspace="bench", principal="bench")
    try:
        answer = await lease.execute(QUESTION)
        rows = [row async for batch in answer for row in batch.to_pylist()]
        elapsed = time.perf_counter() - begun
    finally:
        await lease.release()
    assert rows == [{"one": 1}], "a machine answers what it is asked"
    return elapsed


async def until_spare(pool: Pool, engine: str) -> None:
    """Waits for a warm machine that is nobody's. Raises TimeoutError."""
    async with asyncio.timeout(WARM_SECONDS):
        while not pool.count(engine)["spare"]:  # noqa: ASYNC110 (the pool tells nobody, as nobody else waits for that)
            await asyncio.sleep(POLL_SECONDS)


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest rank: the value that this share of all do not exceed."""
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]


@asynccontextmanager
async def _running(pool: Pool) -> AsyncIterator[Pool]:
    try:
        await pool.start()
        yield pool
    finally:
        await pool.close()


async def _start_in_turn(pool: Pool, watched: "_Watched", engine: str, count: int) -> list[float]:
    seconds = []
    for _ in range(count):
        seconds.append(await first_answer(pool, engine))
        await watched.gone.get()
    return seconds


async def _claim(pool: Pool, watched: "_Watched", engine: str, rest: float) -> float:
    """Not before the last machine is gone and its successor is warm, which would take time from this one."""
    await until_spare(pool, engine)
    await asyncio.sleep(rest)
    seconds = await first_answer(pool, engine)
    await watched.gone.get()
    return seconds


class _Watched:
    """A spawner that notes how long each machine took to be recycled, and tells of each that is gone."""

    def __init__(self, spawner: Spawner) -> None:
        self._spawner = spawner
        self._stopping: set[str] = set()
        self.durations: list[float] = []
        self.gone: asyncio.Queue[str] = asyncio.Queue()

    async def open(self) -> Isolation:
        return await self._spawner.open()

    async def start(self, spec: MachineSpec) -> Machine:
        machine = await self._spawner.start(spec)
        machine.ended.add_done_callback(lambda _ended: self._on_end(machine.name))
        return machine

    async def poll(self, machine: Machine) -> int | None:
        return await self._spawner.poll(machine)

    async def stop(self, machine: Machine, *, now: bool = False) -> None:
        begun = time.perf_counter()
        self._stopping.add(machine.name)
        await self._spawner.stop(machine, now=now)
        self.durations.append(time.perf_counter() - begun)
        self.gone.put_nowait(machine.name)

    async def close(self) -> None:
        await self._spawner.close()

    def _on_end(self, name: str) -> None:
        """A guest may see its lease go before it is told to stop."""
        if name not in self._stopping:
            self.gone.put_nowait(name)
