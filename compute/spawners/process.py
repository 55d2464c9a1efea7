"""Machines as processes of this host, forked by a zygote.

The zygote is started when first needed and again after it died; its machines die with it. This module runs on the event
loop and never forks a machine itself.
"""

import asyncio
import logging
import os
import secrets
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

from compute.config import MachineSpec
from compute.connection import Connection, connect
from compute.sandbox import cgroups
from compute.sandbox.cgroups import CgroupTree
from compute.spawners import CannotStart, Isolation, Machine, reapers
from compute.spawners.folders import RunFolder
from compute.spawners.journal import Journal, Resource
from compute.zygote.packets import receive, send

GUEST_UID = 64023
"""The user that machines run as where the gateway is root:

no account has it, and it owns nothing but what it is given.
"""
OPEN_SECONDS = 60.0
RUN, ZYGOTE = "run", "zygote"
"""What the journal calls that which is no single machine's."""
PACKAGE_ROOT = str(Path(__file__).parents[2])
log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class ProcessMachine:
    """A forked machine. `address` is its guest's Unix socket; `ended` is negative where a signal ended it."""

    name: str
    address: str
    ended: "asyncio.Future[int]"

    async def connect(self) -> Connection:
        """Raises OSError."""
        return await connect(self.address)


class ProcessSpawner:
    """Starts machines from templates. `templates` names the specs that are forked warm; others start from nothing.

    Each may spill `disk_bytes` (None: a part of what is free) below `folder` (None: the host's temporary files).
    """

    def __init__(
        self,
        *,
        templates: Mapping[str, MachineSpec],
        isolated: bool = True,
        folder: str | None = None,
        disk_bytes: int | None = None,
    ) -> None:
        self._templates = templates
        self._disk_bytes = disk_bytes
        self._isolated = isolated
        self._uid = GUEST_UID if isolated and os.geteuid() == 0 else None
        self._parent = folder
        self._folder: RunFolder | None = None
        self._tree = CgroupTree({})
        self._withheld: Mapping[str, str] = {}
        self._zygote: _Zygote | None = None
        self._opening = asyncio.Lock()

    async def open(self) -> Isolation:
        """Starts the zygote and warms its templates. Raises CannotStart."""
        isolation = (await self._running_zygote()).isolation
        withheld = [f"{controller}: {reason}" for controller, reason in self._withheld.items()]
        return replace(isolation, unbounded=(*withheld, *isolation.unbounded))

    async def start(self, spec: MachineSpec) -> Machine:
        """A machine whose address accepts connections; its guest says HELLO once it is warm. Raises CannotStart."""
        zygote = await self._running_zygote()
        name = f"{spec.engine}-{secrets.token_hex(5)}"
        address = os.path.join(zygote.folder, f"{name}.sock")
        zygote.journal.record(name, *self._resources(name, address))
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(address)
            listener.listen()
            return await zygote.start(name, address, spec, listener.fileno())

    def _resources(self, name: str, address: str) -> Sequence[Resource]:
        groups = [reapers.cgroup(group) for group in self._tree.groups(name)]
        return [reapers.folder(address.removesuffix(".sock")), reapers.file(address), *groups]

    async def poll(self, machine: Machine) -> int | None:
        return machine.ended.result() if machine.ended.done() else None

    async def stop(self, machine: Machine, *, now: bool = False) -> None:
        """Nothing in a machine needs saving, so asking would only take time: `now` makes no difference here."""
        if not machine.ended.done() and self._zygote is not None:
            self._zygote.kill(machine.name)
        await asyncio.wait([machine.ended])

    async def close(self) -> None:
        if self._zygote is not None:
            await self._zygote.close()
            self._zygote = None
        if self._folder is not None:
            await asyncio.to_thread(self._folder.remove)
            self._folder = None

    async def _running_zygote(self) -> "_Zygote":
        async with self._opening:
            if self._folder is None:
                self._folder = await asyncio.to_thread(RunFolder, self._parent)
                self._tree, self._withheld = await asyncio.to_thread(_open_groups, self._folder)
            if self._zygote is not None and self._zygote.gone:
                await self._zygote.close()
                await asyncio.to_thread(_reap_machines, self._folder)
                self._zygote = None
            if self._zygote is None:
                self._zygote = await _open_zygote(self._configuration(self._folder), self._folder.journal)
            return self._zygote

    def _configuration(self, folder: RunFolder) -> dict[str, Any]:
        return {
            "folder": folder.path,
            "isolated": self._isolated,
            "uid": self._uid,
            "disk_bytes": self._disk_bytes,
            "templates": {engine: _options(spec) for engine, spec in self._templates.items()},
            "cgroups": {controller: astuple(place) for controller, place in self._tree.places.items()},
        }


def _open_groups(folder: RunFolder) -> tuple[CgroupTree, Mapping[str, str]]:
    """The control groups of this run, recorded before they are made."""
    name = os.path.basename(folder.path)
    folder.journal.record(RUN, *(reapers.cgroup(path) for path in cgroups.run_folders(name)))
    return cgroups.open_run(name)


def _reap_machines(folder: RunFolder) -> None:
    """What a zygote has left of itself and of its machines."""
    for name in [name for name in folder.journal.machines if name != RUN]:
        folder.reap(name)


def _options(spec: MachineSpec) -> dict[str, Any]:
    """The EngineOptions of a spec, as JSON."""
    return {"threads": spec.threads, "memory_bytes": spec.memory_bytes, "properties": dict(spec.properties)}


async def _open_zygote(configuration: Mapping[str, Any], journal: Journal) -> "_Zygote":
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    with theirs:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "compute.zygote", str(theirs.fileno())),
            pass_fds=[theirs.fileno()],
            stdin=asyncio.subprocess.DEVNULL,
            env=_environment(),
            start_new_session=True,
        )
    zygote = _Zygote(ours, process, configuration["folder"], journal)
    try:
        journal.record(ZYGOTE, reapers.process(process.pid))
        send(ours, configuration)
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


class _Zygote:
    """Our end of one zygote: orders go out, events come in on the loop."""

    def __init__(
        self, control: socket.socket, process: asyncio.subprocess.Process, folder: str, journal: Journal
    ) -> None:
        self.folder = folder
        self.journal = journal
        self._control = control
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._starting: dict[str, asyncio.Future[None]] = {}
        self._machines: dict[str, ProcessMachine] = {}
        self.ready: asyncio.Future[None] = self._loop.create_future()
        self.isolation = Isolation("none")
        self.gone = False
        self._loop.add_reader(control.fileno(), self._on_readable)

    async def start(self, name: str, address: str, spec: MachineSpec, listener: int) -> ProcessMachine:
        """Hands the listening socket over and waits for the fork. Raises CannotStart."""
        machine = ProcessMachine(name, address, self._loop.create_future())
        started = self._starting[name] = self._loop.create_future()
        self._machines[name] = machine
        order = {"order": "start", "name": name, "engine": spec.engine, "mode": spec.mode, "options": _options(spec)}
        try:
            send(self._control, order, [listener])
        except OSError as error:
            self._starting.pop(name)
            self._machines.pop(name)
            raise CannotStart("the zygote takes no orders") from error
        await started
        return machine

    def kill(self, name: str) -> None:
        """The exit comes back as an event. A zygote that takes no orders is killed, and its machines with it."""
        try:
            send(self._control, {"order": "kill", "name": name})
        except OSError:
            log.warning("the zygote takes no orders and is replaced")
            self._lose()

    async def close(self) -> None:
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
            self._on_event(packet.content)

    def _on_event(self, event: Mapping[str, Any]) -> None:
        match event["event"]:
            case "ready":
                self.isolation = Isolation(
                    event["level"], tuple(event["missing"]), tuple(event["unbounded"]), event["guest_uid"]
                )
                self.ready.set_result(None)
            case "started":
                _settle(self._starting.pop(event["name"]), None)
            case "failed":
                Path(self._machines.pop(event["name"]).address).unlink(missing_ok=True)
                self.journal.forget(event["name"])
                _settle(self._starting.pop(event["name"]), CannotStart(event["reason"]))
            case "exited":
                self._on_exit(self._machines.pop(event["name"]), event["status"])
                self.journal.forget(event["name"])

    def _on_exit(self, machine: ProcessMachine, status: int) -> None:
        Path(machine.address).unlink(missing_ok=True)
        machine.ended.set_result(status)

    def _lose(self) -> None:
        """Ends everything that hangs on this zygote. Idempotent."""
        if self.gone:
            return
        self.gone = True
        self._loop.remove_reader(self._control.fileno())
        self._control.close()
        if self._process.returncode is None:
            self._process.kill()
        for waiting in (self.ready, *self._starting.values()):
            _settle(waiting, CannotStart("the zygote died"))
        for machine in self._machines.values():
            self._on_exit(machine, -9)
        self._starting.clear()
        self._machines.clear()


def _settle(future: "asyncio.Future[None]", error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
