"""A job and its run: a machine is taken for it, what it prints is told as it comes, and the end has a reason.

States: pending (it waits for its machine), running, then one of succeeded, failed and canceled. A job belongs to who
submits it, and ends with that process, whatever becomes of it, by the pool and its journal.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from catalog.errors import QueryCanceled, SqlError
from catalog.scans import Scan
from compute.job import Job
from compute.lease import Lease
from compute.pool import Pool

ENGINE = "job"
TAIL_LINES = 20
T = TypeVar("T")


class State(StrEnum):
    """Of a run. The last three are final."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


@dataclass(slots=True)
class Run:
    """One execution of a job. `jars` are for a machine that has to read them, None for one that has them. `status` is
    its JVM's, where it ended by itself; `reason` says why it did not succeed; `tail` is what it printed last."""

    job: Job
    jars: Scan | None
    state: State = State.PENDING
    status: int | None = None
    reason: str = ""
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))

    def summary(self) -> dict[str, Any]:
        """What became of the run, as values that JSON has."""
        return {
            "state": self.state,
            "status": self.status,
            "reason": self.reason,
            "class": self.job.main,
            "sha256": self.job.digest,
            "tail": list(self.tail),
        }


class Stop:
    """Wakes a run that is to end, whatever it is waiting for; the first reason counts."""

    def __init__(self) -> None:
        self.reason = ""
        self._asked = asyncio.Event()

    def ask(self, reason: str) -> None:
        self.reason = self.reason or reason
        self._asked.set()

    async def wait(self) -> None:
        await self._asked.wait()


async def run_job(pool: Pool, run: Run, stop: Stop, tell: Callable[[Run, str | None], None]) -> None:
    """Brings the run to a final state. `tell` is called with each line, and with None at each change of the state."""
    _enter(run, State.PENDING, tell)
    try:
        await _run(pool, run, stop, tell)
    except QueryCanceled:
        run.reason = stop.reason
        _enter(run, State.CANCELED, tell)
    except SqlError as error:
        run.reason = error.message
        _enter(run, State.FAILED, tell)


async def _run(pool: Pool, run: Run, stop: Stop, tell: Callable[[Run, str | None], None]) -> None:
    """Raises SqlError."""
    lease = await _unless(stop, pool.lease(ENGINE, workspace=ENGINE, principal=ENGINE))
    try:
        async with _canceling(lease, stop):
            answer = await lease.execute(run.job.dump(), scans=() if run.jars is None else (run.jars,))
            _enter(run, State.RUNNING, tell)
            async for batch in answer:
                for row in batch.to_pylist():
                    _note(run, row, tell)
    finally:
        await lease.release()
    run.reason = "" if run.status == 0 else f"its JVM ended with status {run.status}"
    _enter(run, State.SUCCEEDED if run.status == 0 else State.FAILED, tell)


def _note(run: Run, row: dict[str, Any], tell: Callable[[Run, str | None], None]) -> None:
    if row["status"] is not None:
        run.status = int(row["status"])
    else:
        run.tail.append(row["line"])
        tell(run, row["line"])


def _enter(run: Run, state: State, tell: Callable[[Run, str | None], None]) -> None:
    run.state = state
    tell(run, None)


async def _unless(stop: Stop, work: Coroutine[Any, Any, T]) -> T:
    """Its result. Raises QueryCanceled where the stop is asked for first."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not working.done():
        working.cancel()
        await asyncio.wait((working,))
        raise QueryCanceled("the job was canceled before it ran")
    return working.result()


@asynccontextmanager
async def _canceling(lease: Lease, stop: Stop) -> AsyncIterator[None]:
    async def cancel() -> None:
        await stop.wait()
        await lease.cancel()

    canceler = asyncio.create_task(cancel())
    try:
        yield
    finally:
        canceler.cancel()
