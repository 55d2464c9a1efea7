"""Orders in, machines out, exits back. One thread, so that every fork copies a process at rest.

When the gateway has gone, its machines are killed, but for those that are nobody's yet and serve many: they cost
seconds to make, and the next gateway gets them.
"""

import gc
import json
import logging
import os
import select
import signal
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from compute.engines import Engine, EngineOptions, open_engine
from compute.guest.filesystem import ChannelFiles
from compute.sandbox import namespaces, seccomp
from compute.sandbox.cgroups import Bounds, CgroupTree
from compute.sandbox.recipe import Sandbox, make_folder, remove_folder
from compute.sandbox.trial import Parts, try_sandbox
from compute.zygote.child import become_machine
from compute.zygote.packets import receive, send
from compute.zygote.succession import Succession

SPARE_MEMORY_BYTES = 1 << 30
"""Private memory that a machine may have beyond its engine's bound: the interpreter, buffers, allocator slack."""
PAGE_CACHE_BYTES = 64 << 20
"""What a machine's control group grants beyond that, so that the engine meets its own bound, which it survives."""
ENGINE_TASKS, PROGRAM_TASKS, TASKS_A_THREAD = 64, 2048, 16
log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Machine:
    """Its name, that of its control group, and the order that it was made by. `claimed`: it is somebody's."""

    name: str
    group: str
    order: Mapping[str, Any]
    claimed: bool = False

    @property
    def is_left(self) -> bool:
        """Whether it waits for the next gateway."""
        return self.order["mode"] == "shared" and not self.claimed


class Zygote:
    """Holds templates, forks machines, reaps them."""

    def __init__(
        self,
        control: socket.socket,
        succession: Succession,
        *,
        folder: str,
        uid: int | None,
        isolated: bool,
        networked: bool,
        tree: CgroupTree,
    ) -> None:
        self._control = control
        self._succession = succession
        self._folder = folder
        self._uid = uid
        self._networked = networked
        self._parts = Parts(tree, isolated=isolated)
        self._own_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        self._files = ChannelFiles()
        self._templates: dict[str, Engine] = {}
        self._engines: set[str] = set()
        self._machines: dict[int, _Machine] = {}
        self._report: dict[str, Any] = {}
        self._wakeup, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def open(
        self, templates: Sequence[tuple[str, Mapping[str, Any]]], disk_bytes: int | None, missing: tuple[str, ...]
    ) -> None:
        """Tries the isolation, then warms the templates."""
        trial = try_sandbox(
            self._fork, self._folder, self._uid, self._parts.tree, disk_bytes, isolated=self._parts.isolated
        )
        self._parts = trial.works
        for engine, options in templates:
            self._engines.add(engine)
            self._template(engine, options)
        if self._parts.filtered:
            seccomp.assemble(False, os.uname().machine)
        gc.collect()
        gc.freeze()
        threads = len(os.listdir("/proc/self/task"))
        level, uid = ("namespaces", self._uid) if self._parts.isolated else ("none", None)
        found = {"level": level, "missing": [*missing, *trial.missing], "unbounded": trial.unbounded, "guest_uid": uid}
        self._report = {"event": "ready", "threads": threads, **found}

    def run(self) -> None:
        """Until no gateway comes any more. Machines left then are killed by the kernel: this is their process 1."""
        signal.set_wakeup_fd(self._waker)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        self._tell({**self._report, "machines": []})
        while True:
            self._serve()
            control = self._succession.await_heir(self._wakeup, self._are_others_gone)
            if control is None:
                return
            self._control = control
            self._tell({**self._report, "machines": [machine.order for machine in self._machines.values()]})

    def _serve(self) -> None:
        """Until this gateway has gone. What is not for the next one is killed then."""
        control = self._control.fileno()
        while True:
            ready, _, _ = select.select([control, self._wakeup], [], [])
            if self._wakeup in ready:
                self._reap()
            if control in ready and not self._obey():
                break
        self._control.close()
        for machine in self._machines.values():
            if not machine.is_left:
                self._kill(machine.name)

    def _are_others_gone(self) -> bool:
        """Whether nothing of the last gateway's is left but what is for the next."""
        self._reap()
        return all(machine.is_left for machine in self._machines.values())

    def _tell(self, event: Mapping[str, Any]) -> None:
        """A gateway that has gone hears nothing: that it has is seen by its silence in `receive`."""
        with suppress(OSError):
            send(self._control, event)

    def _obey(self) -> bool:
        packet = receive(self._control)
        if packet is None:
            return False
        match packet.content["order"]:
            case "start":
                self._start(packet.content["name"], packet.content, packet.descriptors[0])
            case "kill":
                self._kill(packet.content["name"])
            case "claim":
                self._claim(packet.content["name"])
            case "ping":
                self._tell({"event": "alive"})
        return True

    def _start(self, name: str, order: Mapping[str, Any], listener: int) -> None:
        machine = None
        template = None if self._runs_programs(order) else self._template(order["engine"], order["options"])
        try:
            group = self._parts.tree.take(_bounds(order["options"], self._runs_programs(order)))
            machine = _Machine(name, group, order)
            sandbox = self._sandbox(machine, order)
            make_folder(sandbox.folder, self._uid if self._parts.isolated else None)
            pid = self._fork()
        except OSError as error:
            os.close(listener)
            if machine is not None:
                self._remove(machine)
            self._tell({"event": "failed", "name": name, "reason": str(error)})
            return
        if pid == 0:
            become_machine(template, self._files, sandbox, order, listener)
        os.close(listener)
        self._machines[pid] = machine
        self._tell({"event": "started", "name": name, "pid": pid})

    def _template(self, engine: str, options: Mapping[str, Any]) -> Engine:
        """A warm engine with exactly these options, opened when it is first asked for."""
        key = json.dumps([engine, options], sort_keys=True)
        if key not in self._templates:
            self._templates[key] = open_engine(engine, EngineOptions(**options, files=self._files))
        return self._templates[key]

    def _runs_programs(self, order: Mapping[str, Any]) -> bool:
        """An engine that can be forked warm is one without programs."""
        return order["engine"] not in self._engines

    def _sandbox(self, machine: "_Machine", order: Mapping[str, Any]) -> Sandbox:
        programs = self._runs_programs(order)
        return Sandbox(
            os.path.join(self._folder, machine.name),
            isolated=self._parts.isolated,
            uid=self._uid,
            writable=programs,
            programs=programs,
            data_bytes=None if programs else order["options"]["memory_bytes"] + SPARE_MEMORY_BYTES,
            filtered=self._parts.filtered,
            groups=self._parts.tree.groups(machine.group),
            disk=self._parts.disk,
            networked=self._networked,
        )

    def _fork(self) -> int:
        """A child that is process 1 of a namespace of its own; the zygote stays in its own."""
        if self._parts.isolated:
            namespaces.unshare(namespaces.CLONE_NEWPID)
        pid = -1
        try:
            pid = os.fork()
        finally:
            if self._parts.isolated and pid != 0:
                namespaces.enter_pid_namespace(self._own_namespace)
        return pid

    def _claim(self, name: str) -> None:
        for machine in self._machines.values():
            if machine.name == name:
                machine.claimed = True

    def _kill(self, name: str) -> None:
        """Its programs too, which matters outside a PID namespace. A machine just born has no process group yet."""
        for pid, machine in self._machines.items():
            if machine.name == name:
                with suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
                os.kill(pid, signal.SIGKILL)

    def _reap(self) -> None:
        """Nobody of ours stops a machine. One that was stopped while it starts would not be missed for minutes."""
        with suppress(BlockingIOError):
            os.read(self._wakeup, 4096)
        while self._machines:
            pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            if pid == 0:
                return
            if os.WIFSTOPPED(status):
                os.kill(pid, signal.SIGKILL)
            elif machine := self._machines.pop(pid, None):
                self._remove(machine)
                ended = os.waitstatus_to_exitcode(status)
                self._tell({"event": "exited", "name": machine.name, "status": ended})

    def _remove(self, machine: "_Machine") -> None:
        """What is left in its groups dies first. A group that does not empty is left to whoever reaps the run."""
        try:
            self._parts.tree.leave(machine.group)
        except OSError as error:
            log.warning("%s", error)
        remove_folder(os.path.join(self._folder, machine.name))


def _bounds(options: Mapping[str, Any], programs: bool) -> Bounds:
    """A JVM keeps half its heap's bound again outside the heap, and many threads."""
    memory = options["memory_bytes"] * 3 // 2 if programs else options["memory_bytes"]
    tasks = (PROGRAM_TASKS if programs else ENGINE_TASKS) + TASKS_A_THREAD * options["threads"]
    return Bounds(memory + SPARE_MEMORY_BYTES + PAGE_CACHE_BYTES, tasks, options["threads"])
