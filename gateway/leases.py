"""The machines that one session holds, from its first statement until it has been idle for a while.

A lease runs one statement at a time. While a portal still streams, the next statement takes another lease; what is
free is reused, so that a warm machine serves the session's statements one after another, but only those of one role.
A task of the session sweeps idle ones.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from compute.events import Place
from compute.lease import Lease

Acquire = Callable[[str], Awaitable[Lease]]


def describe_wait(engine: str, place: Place) -> str:
    """What a client hears while its statement waits for a machine."""
    if place.starting:
        return f"compute is starting: the statement waits for a {engine} machine"
    return f"compute is in use: the statement waits for a {engine} machine, with {place.before} before it"


@dataclass(slots=True)
class _Free:
    engine: str
    role: str
    lease: Lease
    since: float


class Leases:
    """`acquire` asks the pool for a machine of an engine; a free lease is kept for `idle_seconds`, for the role that
    has used it."""

    def __init__(self, acquire: Acquire, idle_seconds: float) -> None:
        self._acquire = acquire
        self._idle_seconds = idle_seconds
        self._free: list[_Free] = []
        self._sweep: asyncio.Task[None] | None = None
        self._closed = False

    async def take(self, engine: str, role: str) -> Lease:
        """A lease for one statement of that role's; give it back with `give_back`, or `drop` it when it may still be
        at work. Those of other roles go: the session may act as this one from now on."""
        for free in [free for free in self._free if free.engine == engine or free.role != role]:
            self._free.remove(free)
            if free.role == role and not free.lease.lost and not free.lease.leaving:
                return free.lease
            await self.drop(free.lease)
        return await self._acquire(engine)

    async def hold(self, engine: str, role: str) -> None:
        """The session has one, for a statement that is to come soon."""
        await self.give_back(engine, role, await self.take(engine, role))

    async def give_back(self, engine: str, role: str, lease: Lease) -> None:
        """The statement has ended; the machine waits for the session's next one, unless it ends or none comes."""
        if lease.lost or lease.leaving or self._closed:
            await self.drop(lease)
            return
        self._free.append(_Free(engine, role, lease, time.monotonic()))
        if self._sweep is None:
            self._sweep = asyncio.create_task(self._release_idle())

    async def drop(self, lease: Lease) -> None:
        """Lets the machine go, whatever it does."""
        await lease.release()

    async def close(self) -> None:
        """Releases every free lease, and from now on each that comes back."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        free, self._free = self._free, []
        for each in free:
            await each.lease.release()

    async def _release_idle(self) -> None:
        while self._free:
            oldest = min(free.since for free in self._free)
            await asyncio.sleep(max(0.0, oldest + self._idle_seconds - time.monotonic()))
            limit = time.monotonic() - self._idle_seconds
            idle = [free for free in self._free if free.since <= limit]
            self._free = [free for free in self._free if free.since > limit]
            for free in idle:
                await free.lease.release()
        self._sweep = None
