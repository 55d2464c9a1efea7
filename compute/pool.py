"""The pool: carries out what the fleet decides, and lends machines to sessions.

All of it runs on one event loop. A machine's end is seen at once, by its exit and by its socket; one that is stopped
or stuck is found by its silence. Whoever waits on it gets MachineLost, and the fleet hears of it and refills.
"""

import asyncio
import logging
import secrets
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from catalog.errors import AdminShutdown, InsufficientResources, MachineLost, MachinesExhausted, SqlError
from compute.config import Placement, PoolConfig
from compute.connection import Connection
from compute.events import (
    Ended,
    Event,
    Failed,
    Grant,
    Instruction,
    Leaving,
    Move,
    Place,
    Priority,
    Ready,
    Refusal,
    Refuse,
    Released,
    Start,
    Stop,
    Tick,
    Wanted,
    Withdrawn,
)
from compute.fleet import Fleet
from compute.identity import Network
from compute.lease import Lease
from compute.objects import ObjectReader
from compute.ranges import RangeServer
from compute.spawners import Adoptable, CannotStart, Isolation, Machine, Networked, Placing, Spawner, Transient
from compute.transport import PROTOCOL_VERSION, Frame, Kind

LEASE_TRIES = 3
ANSWER_SECONDS = 20.0
"""How long a machine that has started may take for each of its steps towards a lease: milliseconds, if it lives."""
MOMENT_SECONDS = 1.0
"""Who waits longer hears for what."""
log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Member:
    """A machine of this pool. `greeted` is the first connection, past HELLO, until a lease takes it. `remote` says that
    its guest cannot open this host's files, `leaving` that leases on it should be taken anew, also one that is on its
    way.
    """

    machine: Machine
    greeted: Connection | None
    remote: bool
    leaving: bool = False
    leases: set[Lease] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Request:
    future: "asyncio.Future[int]"
    principal: str


class Pool:
    """Leases machines. `warehouse_of` tells a workspace's warehouse root, an absolute path on this host;
    `objects` reads what lies in an object store."""

    def __init__(
        self,
        spawner: Spawner,
        config: PoolConfig,
        warehouse_of: Callable[[str], str],
        objects: ObjectReader | None = None,
    ) -> None:
        self._spawner = spawner
        self._config = config
        self._engines = {(engine.engine, engine.size): engine for engine in config.engines}
        self._warehouse_of = warehouse_of
        self._objects = objects
        self._fleet = Fleet(_fitted(config, spawner))
        self._members: dict[int, _Member] = {}
        self._starting: set[int] = set()
        self._requests: dict[int, _Request] = {}
        self._request_number = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self.isolation = Isolation("none", ("the pool has not been started",))

    async def start(self) -> None:
        """Opens the spawner and begins to warm machines. Raises CannotStart. `isolation` is known afterwards."""
        self.isolation = await self._spawner.open()
        if isinstance(self._spawner, Placing):
            self._spawner.watch_nodes(self._handle)
        self._handle(Tick())

    async def close(self) -> None:
        """Refuses who waits, stops every machine and leaves nothing running."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for request in self._requests.values():
            if not request.future.done():
                request.future.set_exception(AdminShutdown("the server is shutting down"))
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for member in self._members.values():
            if member.greeted is not None:
                member.greeted.abort()
        await asyncio.gather(*(self._spawner.stop(m.machine, now=True) for m in self._members.values()))
        await self._spawner.close()

    def count(self, engine: str) -> Counter[str]:
        """Machines by state (``starting``, ``spare``, ``serving``, ``stopping``), for metrics."""
        return self._fleet.count(engine)

    async def lease(
        self,
        engine: str,
        *,
        workspace: str,
        principal: str,
        size: str = "",
        priority: Priority = Priority.INTERACTIVE,
        tell: Callable[[Place], None] | None = None,
    ) -> Lease:
        """Waits for a machine of that engine and size, bound to the workspace. If that takes more than a moment, `tell`
        is called with the place in the queue then.

        A machine that turns out to be dead is passed over. Raises MachinesExhausted when too many wait, the wait was
        too long or the workspace has spent its budget, InsufficientResources when machines do not start, MachineLost
        when they keep dying.
        """
        asked, asleep = time.monotonic(), not self.count(engine)
        lease = await self._lease_any(Wanted(0, engine, workspace, principal, 0.0, size, priority), tell)
        if asleep:
            lease.woken_seconds = time.monotonic() - asked
        return lease

    async def _lease_any(self, wanted: Wanted, tell: Callable[[Place], None] | None) -> Lease:
        for _ in range(LEASE_TRIES - 1):
            with suppress(MachineLost):
                return await self._lease(wanted, tell)
        return await self._lease(wanted, tell)

    async def _lease(self, wanted: Wanted, tell: Callable[[Place], None] | None) -> Lease:
        workspace, principal = wanted.workspace, wanted.principal
        number = await self._granted(wanted, tell)
        try:
            connection, ranges = await self._connection(number, workspace)
        except MachineLost:
            self._give_up(number)
            raise
        except BaseException:
            self._handle(Released(number, principal))
            raise
        lease = Lease(connection, lambda given: self._take_back(number, given, principal), ranges)
        if member := self._members.get(number):
            member.leases.add(lease)
            lease.leaving = member.leaving
        return lease

    def _take_back(self, number: int, lease: Lease, principal: str) -> None:
        if member := self._members.get(number):
            member.leases.discard(lease)
        self._handle(Released(number, principal))

    async def _granted(self, wanted: Wanted, tell: Callable[[Place], None] | None) -> int:
        """The number of the machine that the fleet grants. A caller that goes away while granted gives it back."""
        self._request_number += 1
        request = self._request_number
        loop = asyncio.get_running_loop()
        future: asyncio.Future[int] = loop.create_future()
        telling = None if tell is None else loop.call_later(MOMENT_SECONDS, self._tell, request, tell)
        self._requests[request] = _Request(future, wanted.principal)
        deadline = time.monotonic() + self._config.wait_seconds
        self._handle(replace(wanted, request=request, deadline=deadline))
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self._handle(Released(future.result(), wanted.principal))
            else:
                self._handle(Withdrawn(request))
            raise
        finally:
            del self._requests[request]
            if telling is not None:
                telling.cancel()

    def _tell(self, request: int, tell: Callable[[Place], None]) -> None:
        if (place := self._fleet.place(request)) is not None:
            tell(place)

    async def _connection(self, number: int, workspace: str) -> tuple[Connection, RangeServer]:
        """A connection to that machine, past READY, and who reads for its guest. The first was made at its start."""
        member = self._members.get(number)
        if member is None:
            raise MachineLost("the machine was lost before the statement began")
        connection, member.greeted = member.greeted, None
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                if connection is not None and isinstance(member.machine, Adoptable):
                    member.machine.claim()
                if connection is None:
                    connection, _ = await _greet(member.machine)
                root = self._warehouse_of(workspace)
                network = member.machine.network if isinstance(member.machine, Networked) else None
                connection.send(_identity(member.machine.name, workspace, root, network))
                await connection.expect(Kind.READY)
        except BaseException as error:
            if connection is not None:
                connection.abort()
            if isinstance(error, OSError | SqlError | TimeoutError):
                raise MachineLost("the machine was lost before the statement began") from error
            raise
        connection.watch(lambda: self._give_up(number))
        linked = network is not None
        ranges = RangeServer(connection, workspace, root, self._objects, remote=member.remote, linked=linked)
        return connection, ranges

    def _handle(self, event: Event) -> None:
        if self._closed:
            return
        for instruction in self._fleet.handle(event, time.monotonic()):
            self._carry_out(instruction)
        self._set_timer()

    def _carry_out(self, instruction: Instruction) -> None:
        match instruction:
            case Start():
                self._starting.add(instruction.machine)
                self._run(self._start(instruction))
            case Stop(number) if number in self._starting:
                self._starting.discard(number)
            case Stop(number):
                self._run(self._stop(number))
            case Move(number):
                self._move(number)
            case Grant(request, number):
                self._grant(self._requests[request], number)
            case Refuse(request, refusal, reason):
                waiting = self._requests[request].future
                if not waiting.done():
                    waiting.set_exception(_refused(refusal, reason))

    def _move(self, number: int) -> None:
        if member := self._members.get(number):
            member.leaving = True
            for lease in member.leases:
                lease.leaving = True

    def _grant(self, request: "_Request", number: int) -> None:
        """A caller that went away a moment ago gets nothing: the machine comes back at once."""
        if request.future.done():
            self._handle(Released(number, request.principal))
        else:
            request.future.set_result(number)

    def _run(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finish)

    def _finish(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the pool failed unexpectedly", exc_info=error)

    async def _start(self, start: Start) -> None:
        """Reports Ready once the guest has said HELLO, Failed otherwise; stops it if it is not wanted any more."""
        number, config = start.machine, self._engines[start.engine, start.size]
        spec = replace(config.spec, placement=Placement(start.node_type, start.node, start.workspace))
        machine: Machine | None = None
        try:
            async with asyncio.timeout(config.start_seconds):
                machine = await self._spawner.start(spec)
                connection, hello = await _greet(machine)
        except Exception as error:
            self._starting.discard(number)
            try:
                if machine is not None:
                    await self._spawner.stop(machine, now=True)
            finally:
                self._handle(Failed(number, _logged(start.engine, error)))
            return
        remote = hello.get("reads") == "channel"
        self._members[number] = _Member(machine, connection, remote)
        machine.ended.add_done_callback(lambda _ended: self._on_end(number))
        if isinstance(machine, Transient):
            machine.leaving.add_done_callback(lambda leaving: self._handle(Leaving(number, leaving.result())))
        if number in self._starting:
            self._starting.discard(number)
            self._handle(Ready(number))
        else:
            await self._stop(number)

    async def _stop(self, number: int) -> None:
        if member := self._members.get(number):
            await self._spawner.stop(member.machine)

    def _give_up(self, number: int) -> None:
        """A machine that does not answer has ended, whether its exit has been seen or not: it is not granted again."""
        if member := self._members.get(number):
            self._run(self._spawner.stop(member.machine, now=True))
            self._on_end(number)

    def _on_end(self, number: int) -> None:
        member = self._members.pop(number, None)
        if member is None:
            return
        if member.greeted is not None:
            member.greeted.abort()
        self._handle(Ended(number))

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wake_at = self._fleet.wake_at()
        if wake_at is not None:
            delay = max(0.0, wake_at - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay, self._handle, Tick())


def _fitted(config: PoolConfig, spawner: Spawner) -> PoolConfig:
    """With what each machine takes of a node, where the spawner knows it."""
    if not isinstance(spawner, Placing):
        return config
    engines = tuple(replace(each, footprint=spawner.footprint(each.spec)) for each in config.engines)
    return replace(config, engines=engines)


def _logged(engine: str, error: Exception) -> str:
    """Why a machine did not start, as it is told. What nobody expected is told as an id, by which the log has more."""
    if isinstance(error, CannotStart | OSError | SqlError):
        log.warning("a %s machine did not start: %r", engine, error)
        return str(error) or type(error).__name__
    incident = secrets.token_hex(4)
    log.error("internal error %s: a %s machine did not start", incident, engine, exc_info=error)
    return f"internal error {incident}"


async def _greet(machine: Machine) -> tuple[Connection, Mapping[str, Any]]:
    """Connects and waits for HELLO, of our protocol, and what it says. Raises OSError, MachineLost, CannotStart."""
    connection = await machine.connect()
    try:
        hello = await connection.expect(Kind.HELLO)
    except BaseException:
        connection.abort()
        raise
    if hello.control.get("protocol") != PROTOCOL_VERSION:
        connection.abort()
        raise CannotStart("the guest speaks another version of the protocol")
    return connection, hello.control


def _identity(hostname: str, workspace: str, warehouse: str, network: Network | None) -> Frame:
    control = {
        "hostname": hostname,
        "time_ns": time.time_ns(),
        "seed": secrets.token_hex(64),
        "workspace": workspace,
        "warehouse": warehouse,
        "network": None if network is None else asdict(network),
    }
    return Frame(Kind.IDENTITY, control=control)


def _refused(refusal: Refusal, reason: str) -> SqlError:
    match refusal:
        case Refusal.FULL:
            return MachinesExhausted("too many statements are waiting for a machine", hint="try again later")
        case Refusal.LATE:
            return MachinesExhausted(
                "no machine became free in time", hint="try again, or raise the number of machines"
            )
        case Refusal.BUDGET:
            return MachinesExhausted(
                "the workspace has spent its budget of machine time",
                detail=reason,
                hint="wait until it renews, or raise it",
            )
        case Refusal.FAILING:
            return InsufficientResources("machines do not start", detail=reason, hint="see the server's log")
