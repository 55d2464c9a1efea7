"""Our end of one zygote: it is started as a process of its own, takes orders and tells what becomes of them.

Partner of `compute.zygote`, which is the other end. Orders that do not fit the socket wait: a zygote at work is not
one that is lost. One that owes an answer and gives no sign of life is: it is killed, and its machines with it.
"""

import asyncio
import logging
import os
import socket
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from compute.config import MachineSpec
from compute.connection import Connection, connect
from compute.pulse import Pulse
from compute.spawners import ADOPTION_SECONDS, CannotStart, Isolation, reapers
from compute.spawners.journal import Journal
from compute.zygote.packets import receive, send
from compute.zygote.succession import SOCKET

OPEN_SECONDS = 60.0
ZYGOTE = "zygote"
"""What the journal calls the process."""
PACKAGE_ROOT = str(Path(__file__).parents[2])
log = logging.getLogger(__name__)


class Process(Protocol):
    """A zygote's process: started by us, or adopted."""

    @property
    def returncode(self) -> int | None: ...

    def kill(self) -> None: ...

    async def wait(self) -> int: ...


@dataclass(eq=False, slots=True)
class ProcessMachine:
    """A forked machine. `address` is its guest's Unix socket; `ended` is negative where a signal ended it."""

    name: str
    address: str
    ended: "asyncio.Future[int]"

    async def connect(self) -> Connection:
        """Raises OSError."""
        return await connect(self.address)


@dataclass(eq=False, slots=True)
class LastingMachine(ProcessMachine):
    """One that serves many: nobody's, it outlives its gateway.

    `claim` tells the zygote that it is somebody's. Raises OSError where that cannot be told.
    """

    claim: Callable[[], None]


def engine_options(spec: MachineSpec) -> dict[str, Any]:
    """The EngineOptions of a spec, as JSON."""
    return {"threads": spec.threads, "memory_bytes": spec.memory_bytes, "properties": dict(spec.properties)}


async def open_zygote(folder: str, configuration: Mapping[str, Any], journal: Journal) -> "ZygoteProcess":
    """Starts a zygote and waits until its templates are warm. Raises CannotStart."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    try:
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "compute.zygote", str(theirs.fileno()), folder),
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                env=_environment(),
                start_new_session=True,
            )
    except BaseException:
        # It may be given up while the process is being started.
        ours.close()
        raise
    zygote = ZygoteProcess(ours, process, folder, journal)
    try:
        journal.record(ZYGOTE, reapers.file(os.path.join(folder, SOCKET)), reapers.process(process.pid))
        zygote.order(configuration)
        async with asyncio.timeout(OPEN_SECONDS):
            await zygote.ready
    except BaseException as error:
        await zygote.close()
        if isinstance(error, OSError):
            raise CannotStart("the zygote did not come up") from error
        raise
    return zygote


def _environment() -> dict[str, str]:
    """Nothing of the gateway's own, which may hold secrets; one thread and the plain allocator for clean forks."""
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join([PACKAGE_ROOT, *filter(None, sys.path)]),
        "ARROW_DEFAULT_MEMORY_POOL": "system",
        "JE_ARROW_MALLOC_CONF": "background_thread:false",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


class ZygoteProcess:
    """Our end of one zygote: orders go out, events come in on the loop."""

    def __init__(self, control: socket.socket, process: Process, folder: str, journal: Journal) -> None:
        self.folder = folder
        self.journal = journal
        self._control = control
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._orders: deque[tuple[Mapping[str, Any], list[int]]] = deque()
        self._starting: dict[str, asyncio.Future[None]] = {}
        self._machines: dict[str, ProcessMachine] = {}
        self._dying: set[str] = set()
        self._left: dict[str, Mapping[str, Any]] = {}
        self._patience: asyncio.TimerHandle | None = None
        self._pulse = Pulse(lambda: bool(self._starting or self._dying), self._ping, self._give_up)
        self.ready: asyncio.Future[None] = self._loop.create_future()
        self.isolation = Isolation("none")
        self.gone = False
        self._loop.add_reader(control.fileno(), self._on_readable)

    async def start(self, name: str, spec: MachineSpec, listener: int) -> ProcessMachine:
        """Hands the listening socket over and waits for the fork. Raises CannotStart.

        A caller that goes away meanwhile leaves no machine behind.
        """
        started = self._starting[name] = self._loop.create_future()
        machine = self._add(name, spec.mode)
        options = engine_options(spec)
        order = {"order": "start", "name": name, "engine": spec.engine, "mode": spec.mode, "options": options}
        try:
            self.order(order, [listener])
            await started
        except OSError as error:
            self._fail(name, f"its socket cannot be handed over: {error.strerror or error}")
            await started
        except asyncio.CancelledError:
            self.kill(name)
            raise
        return machine

    def take_left(self, spec: MachineSpec) -> ProcessMachine | None:
        """A machine that was adopted with the zygote and is as the spec says; those of that engine that are not end."""
        for name, order in [each for each in self._left.items() if each[1]["engine"] == spec.engine]:
            del self._left[name]
            if (order["mode"], order["options"]) == (spec.mode, engine_options(spec)) and name in self._machines:
                return self._machines[name]
            self.kill(name)
        return None

    def _end_left(self) -> None:
        while self._left:
            self.kill(self._left.popitem()[0])

    def kill(self, name: str) -> None:
        """The exit comes back as an event."""
        if name in self._machines:
            self._dying.add(name)
        self.order({"order": "kill", "name": name})

    def order(self, content: Mapping[str, Any], descriptors: Sequence[int] = ()) -> None:
        """Sent at once, or as soon as the zygote has taken what was sent before; descriptors may be closed now."""
        if self.gone:
            return self._refuse()
        self._orders.append((content, [os.dup(descriptor) for descriptor in descriptors]))
        self._pulse.feel()
        self._send_orders()

    def _add(self, name: str, mode: str) -> ProcessMachine:
        address, ended = os.path.join(self.folder, f"{name}.sock"), self._loop.create_future()
        machine = ProcessMachine(name, address, ended)
        if mode == "shared":
            machine = LastingMachine(name, address, ended, partial(self._claim, name))
        self._machines[name] = machine
        return machine

    def _claim(self, name: str) -> None:
        """Before it is somebody's: should we be killed the next moment, the zygote knows."""
        self.order({"order": "claim", "name": name})
        if self._orders:
            raise BlockingIOError("the zygote takes no orders")

    def _ping(self) -> None:
        self._orders.append(({"order": "ping"}, []))
        self._send_orders()

    def _give_up(self) -> None:
        log.warning("the zygote is silent and is replaced; its machines end with it")
        self._lose()

    def _refuse(self) -> None:
        for waiting in self._starting.values():
            _settle(waiting, CannotStart("the zygote died"))

    def _send_orders(self) -> None:
        try:
            while self._orders:
                content, descriptors = self._orders[0]
                send(self._control, content, descriptors)
                self._drop_order()
            self._loop.remove_writer(self._control.fileno())
        except BlockingIOError:
            self._loop.add_writer(self._control.fileno(), self._send_orders)
        except OSError:
            log.warning("the zygote takes no orders and is replaced")
            self._lose()

    def _drop_order(self) -> None:
        _, descriptors = self._orders.popleft()
        for descriptor in descriptors:
            os.close(descriptor)

    async def close(self) -> None:
        """Who closes it does not wait for it to be ready any more."""
        self.ready.cancel()
        self._lose()
        await self._process.wait()

    def _on_readable(self) -> None:
        try:
            packet = receive(self._control)
        except BlockingIOError:
            return
        if packet is None:
            log.warning("the zygote died; its machines died with it")
            self._lose()
        else:
            self._pulse.hear()
            self._on_event(packet.content)

    def _on_event(self, event: Mapping[str, Any]) -> None:
        match event["event"]:
            case "ready":
                self.greet(event)
            case "started":
                _settle(self._starting.pop(event["name"]), None)
            case "failed":
                self._fail(event["name"], event["reason"])
            case "exited":
                self._on_exit(self._machines.pop(event["name"]), event["status"])
                self._dying.discard(event["name"])
                self.journal.forget(event["name"])

    def _fail(self, name: str, reason: str) -> None:
        """A start came to nothing."""
        Path(self._machines.pop(name).address).unlink(missing_ok=True)
        self._dying.discard(name)
        self.journal.forget(name)
        _settle(self._starting.pop(name), CannotStart(reason))

    def greet(self, report: Mapping[str, Any]) -> None:
        """It is ready. Machines that it has already an earlier gateway has left: they wait a while to be taken."""
        self.isolation = Isolation(
            report["level"], tuple(report["missing"]), tuple(report["unbounded"]), report["guest_uid"]
        )
        for order in report["machines"]:
            self._left[order["name"]] = order
            self._add(order["name"], order["mode"])
        if self._left:
            self._patience = self._loop.call_later(ADOPTION_SECONDS, self._end_left)
        self.ready.set_result(None)

    def _on_exit(self, machine: ProcessMachine, status: int) -> None:
        Path(machine.address).unlink(missing_ok=True)
        machine.ended.set_result(status)

    def _lose(self) -> None:
        """Ends everything that hangs on this zygote. Idempotent."""
        if self.gone:
            return
        self.gone = True
        self._pulse.stop()
        if self._patience is not None:
            self._patience.cancel()
        self._loop.remove_reader(self._control.fileno())
        self._loop.remove_writer(self._control.fileno())
        self._control.close()
        while self._orders:
            self._drop_order()
        if self._process.returncode is None:
            self._process.kill()
        _settle(self.ready, CannotStart("the zygote died"))
        self._refuse()
        for machine in self._machines.values():
            self._on_exit(machine, -9)
        self._starting.clear()
        self._dying.clear()
        self._machines.clear()


def _settle(future: "asyncio.Future[None]", error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
