"""The backends of a gateway: made, lent to one session at a time, taken back, closed.

An idle backend of the same role and workspace is handed out at once, without waiting. Otherwise a new one is made
within the bounds, or the session waits in one line, first come first served among those whose role may have one. One
that is kept beyond a statement is counted apart, so that what needs one for a moment always finds some. A sweep looks
after time: it cancels statements that run too long and closes what has been idle too long.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NamedTuple

from catalog.endpoint import Endpoint
from catalog.errors import SqlError
from gateway.relay.allotment import Allotment
from gateway.relay.backend import FOREVER, Backend, Identity
from gateway.relay.exchange import Exchange
from gateway.relay.limits import RelayLimits
from gateway.relay.login import log_in, request_cancel
from gateway.relay.reports import RelayExhausted, RelayUnavailable

log = logging.getLogger(__name__)

_SWEEP_SECONDS = 1.0
_REPEAT_SECONDS = 0.25
_CANCEL_SECONDS = 10.0
"""How long PostgreSQL may take to end what it was asked to."""

Waiter = asyncio.Future[Backend | None]
"""Gets a backend that somebody gave back, or None: the right to make one."""


class _Entry(NamedTuple):
    """Who waits in line, and whether for one to be kept."""

    identity: Identity
    keeps: bool
    waiter: Waiter


class Pool:
    """`endpoint_of` tells how a role reaches a workspace's database."""

    def __init__(self, endpoint_of: Callable[[str, str], Awaitable[Endpoint]], limits: RelayLimits) -> None:
        self._endpoint_of = endpoint_of
        self._limits = limits
        self._idle: dict[Identity, list[Backend]] = {}
        self._lent: set[Backend] = set()
        self._allotment = Allotment(limits)
        self._waiters: deque[_Entry] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweeping: asyncio.TimerHandle | None = None
        self._closed = False

    def take(self, identity: Identity, *, keeps: bool = False) -> Backend | None:
        """An idle backend, if there is one. `keeps`: it is its session's beyond a statement, as if by `keep`."""
        idle = self._idle.get(identity)
        if keeps and not self._allotment.may_keep(identity):
            return None
        while idle:
            backend = idle.pop()
            if not backend.lost:
                self._lend(backend, keeps=keeps)
                return backend
            self._forget(identity)
        return None

    async def acquire(self, identity: Identity, *, keeps: bool = False) -> Backend:
        """A backend, made or waited for. Raises RelayExhausted, RelayUnavailable or PostgreSQL's own refusal."""
        if self._closed:
            raise RelayUnavailable("the gateway is shutting down")
        if (idle := self.take(identity, keeps=keeps)) is not None:
            return idle
        if not self._admits(identity, keeps=keeps):
            granted = await self._wait_in_line(identity, keeps=keeps)
            if granted is not None:
                return granted
        else:
            self._allotment.add(identity, kept=keeps)
        return await self._make(identity, keeps=keeps)

    def keep(self, backend: Backend) -> RelayExhausted | None:
        """A backend that is lent stays with its session beyond the statement, or why it must not."""
        if backend.kept:
            return None
        if not self._allotment.may_keep(backend.identity):
            message = "this session cannot keep a connection to the metastore: too many do"
            return self._allotment.refuse(backend.identity, message, keeps=True)
        backend.kept = True
        self._allotment.keep(backend.identity)
        return None

    def give_back(self, backend: Backend) -> None:
        """For a backend that is clean and idle; anything else is closed with `retire`. A marked one ends here."""
        self._lent.discard(backend)
        backend.deadline = FOREVER
        if backend.kept:
            backend.kept = False
            self._allotment.let_go(backend.identity)
        if backend.lost or backend.marked or self._closed:
            backend.close()
            self._forget(backend.identity)
        elif not self._hand_over(backend):
            backend.idle_since = asyncio.get_running_loop().time()
            self._idle.setdefault(backend.identity, []).append(backend)
            if self._waiters:
                self._grant()

    def retire(self, backend: Backend) -> None:
        """Closes a backend that is lent, and cancels what it runs."""
        if backend not in self._lent:
            return
        self._lent.discard(backend)
        self._forget(backend.identity, kept=backend.kept)
        if backend.is_busy:
            self.cancel(backend)
        backend.close()

    def cancel(self, backend: Backend) -> None:
        """Asks PostgreSQL to cancel what the backend runs, again and again until that ends.

        A backend that has not read its statement yet ignores the request. Wait for `cancelling` before the next use.
        """
        if backend.cancelling is None or backend.cancelling.done():
            backend.cancelling = self._spawn(self._cancel(backend))
            loop = asyncio.get_running_loop()
            loop.call_later(_REPEAT_SECONDS, self._cancel_again, backend, backend.exchange)

    async def close(self) -> None:
        """Closes every backend, lent or not; who waits is refused."""
        self._closed = True
        if self._sweeping is not None:
            self._sweeping.cancel()
        for entry in self._waiters:
            if not entry.waiter.done():
                entry.waiter.set_exception(RelayUnavailable("the gateway is shutting down"))
        self._waiters.clear()
        for backend in (*self._lent, *(one for idle in self._idle.values() for one in idle)):
            backend.close()
        self._idle.clear()
        if self._tasks:
            await asyncio.wait(self._tasks)

    # Counting

    def _admits(self, identity: Identity, *, keeps: bool) -> bool:
        """Whether one may be made."""
        if not self._allotment.may_add(identity) or (keeps and not self._allotment.may_keep(identity)):
            return False
        return not self._allotment.is_full or self._evict()

    def _lend(self, backend: Backend, *, keeps: bool) -> None:
        """One that was idle."""
        self._lent.add(backend)
        backend.kept = keeps
        if keeps:
            self._allotment.keep(backend.identity)

    def _forget(self, identity: Identity, *, kept: bool = False) -> None:
        """One backend less; somebody in line may make another."""
        self._allotment.remove(identity, kept=kept)
        if self._waiters:
            self._grant()

    def _evict(self) -> bool:
        """Closes the backend that has been idle for longest, to make room for another role's."""
        oldest = min((idle[0] for idle in self._idle.values() if idle), key=lambda one: one.idle_since, default=None)
        if oldest is None:
            return False
        self._idle[oldest.identity].remove(oldest)
        oldest.close()
        self._allotment.remove(oldest.identity, kept=False)
        return True

    # The line

    async def _wait_in_line(self, identity: Identity, *, keeps: bool) -> Backend | None:
        if len(self._waiters) >= self._limits.waiting:
            raise RelayExhausted("too many statements wait for the metastore", hint="Try again in a moment.")
        entry = _Entry(identity, keeps, asyncio.get_running_loop().create_future())
        self._waiters.append(entry)
        try:
            async with asyncio.timeout(self._limits.wait_seconds):
                return await entry.waiter
        except BaseException as error:
            self._leave_line(entry)
            if isinstance(error, TimeoutError):
                message = f"no connection to the metastore came free in {self._limits.wait_seconds:g} seconds"
                raise self._allotment.refuse(identity, message, keeps=keeps) from None
            raise

    def _leave_line(self, entry: _Entry) -> None:
        """Who was granted something in the same moment gives it back."""
        waiter = entry.waiter
        if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
            if (backend := waiter.result()) is not None:
                self.give_back(backend)
            else:
                self._forget(entry.identity, kept=entry.keeps)
        elif entry in self._waiters:
            self._waiters.remove(entry)

    def _hand_over(self, backend: Backend) -> bool:
        for entry in self._waiters:
            identity, keeps, waiter = entry
            if identity != backend.identity or waiter.done() or (keeps and not self._allotment.may_keep(identity)):
                continue
            self._waiters.remove(entry)
            self._lend(backend, keeps=keeps)
            waiter.set_result(backend)
            return True
        return False

    def _grant(self) -> None:
        """The first in line whose role may have one more gets one that idles, or may make it."""
        for entry in self._waiters:
            identity, keeps, waiter = entry
            if waiter.done():
                continue
            idle = self.take(identity, keeps=keeps)
            if idle is not None or self._admits(identity, keeps=keeps):
                self._waiters.remove(entry)
                if idle is None:
                    self._allotment.add(identity, kept=keeps)
                waiter.set_result(idle)
                return

    # Making and ending

    async def _make(self, identity: Identity, *, keeps: bool) -> Backend:
        """The count has been taken already."""
        try:
            endpoint = await self._endpoint_of(identity.role, identity.workspace)
            backend = await log_in(identity, endpoint, self._limits)
            if self._closed:
                backend.close()
                raise RelayUnavailable("the gateway is shutting down")
        except BaseException as error:
            self._forget(identity, kept=keeps)
            if isinstance(error, RelayUnavailable):
                log.warning("no backend for %s in %s: %s", identity.role, identity.workspace, error.__cause__ or error)
            raise
        backend.kept = keeps
        self._lent.add(backend)
        self._schedule_sweep()
        return backend

    async def _cancel(self, backend: Backend) -> None:
        try:
            endpoint = await self._endpoint_of(backend.identity.role, backend.identity.workspace)
            await request_cancel(endpoint, backend.key, self._limits)
        except SqlError as error:
            log.warning("a statement in %s was not cancelled: %s", backend.identity.workspace, error)

    def _cancel_again(self, backend: Backend, exchange: Exchange) -> None:
        if backend.is_busy and backend.exchange is exchange and backend in self._lent:
            self.cancel(backend)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # Time

    def _schedule_sweep(self) -> None:
        if self._sweeping is None and not self._closed:
            bounds = filter(None, (self._limits.statement_seconds, self._limits.idle_seconds))
            seconds = min(_SWEEP_SECONDS, *(bound / 2 for bound in bounds))
            self._sweeping = asyncio.get_running_loop().call_later(seconds, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = None
        now = asyncio.get_running_loop().time()
        for backend in [one for one in self._lent if one.is_late(now)]:
            self._end_overdue(backend, now)
        for identity, idle in list(self._idle.items()):
            while idle and now >= idle[0].idle_since + self._limits.idle_seconds:
                idle.pop(0).close()
                self._forget(identity)
            if not idle:
                self._idle.pop(identity, None)
        if self._allotment.total:
            self._schedule_sweep()

    def _end_overdue(self, backend: Backend, now: float) -> None:
        """First a cancel; if that does not end the statement, the connection."""
        if backend.overdue:
            backend.close()
        else:
            backend.overdue = True
            backend.deadline = now + _CANCEL_SECONDS
            self.cancel(backend)
