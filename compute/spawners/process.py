"""Machines as processes of this host, forked by a zygote.

The zygote is started when first needed and again after it died; its machines die with it. One that a killed gateway has
left, and machines of it that were nobody's, are adopted where they are what is wanted. This module runs on the event
loop and never forks a machine itself.
"""

import asyncio
import logging
import os
import secrets
import socket
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import astuple, replace
from pathlib import Path

from compute.config import MachineSpec
from compute.sandbox import cgroups
from compute.sandbox.cgroups import CgroupTree
from compute.spawners import CannotStart, Isolation, Machine, reapers
from compute.spawners.adoption import Adopted, AdoptedProcess, adopt
from compute.spawners.folders import RunFolder, finish, make_folder, reap_abandoned
from compute.spawners.zygote import PACKAGE_ROOT, ZYGOTE, ZygoteProcess, engine_options, open_zygote

GUEST_UID = 64023
"""The user that machines run as where the gateway is root:

no account has it, and it owns nothing but what it is given.
"""
RUN = "run"
"""What the journal calls that which is no single machine's."""
GRACE_SECONDS = 30.0
"""How long what a killed gateway has left waits for the next one."""
log = logging.getLogger(__name__)


class ProcessSpawner:
    """Starts machines from templates: machines of those specs are forked warm, of other engines start from nothing.

    Each may spill `disk_bytes` (None: a part of what is free) below `folder` (None: the host's temporary files).
    `networked` ones have the host's network, others none.
    """

    def __init__(
        self,
        *,
        templates: Sequence[MachineSpec],
        isolated: bool = True,
        networked: bool = False,
        folder: str | None = None,
        disk_bytes: int | None = None,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        self._grace_seconds = grace_seconds
        self._wanted = {
            "program": [sys.executable, PACKAGE_ROOT, _newest_source()],
            "isolated": isolated,
            "networked": networked,
            "uid": GUEST_UID if isolated and os.geteuid() == 0 else None,
            "disk_bytes": disk_bytes,
            "templates": [[spec.engine, engine_options(spec)] for spec in templates],
        }
        """What makes one zygote as good as another: program and templates, and how machines are shut off."""
        self._parent = folder
        self._folder: RunFolder | None = None
        self._tree = CgroupTree({})
        self._withheld: Mapping[str, str] = {}
        self._zygote: ZygoteProcess | None = None
        self._opening = asyncio.Lock()

    async def open(self) -> Isolation:
        """Starts the zygote and warms its templates. Raises CannotStart."""
        isolation = (await self._running_zygote()).isolation
        withheld = [f"{controller}: {reason}" for controller, reason in self._withheld.items()]
        return replace(isolation, unbounded=(*withheld, *isolation.unbounded))

    async def start(self, spec: MachineSpec) -> Machine:
        """A machine whose address accepts connections; its guest says HELLO once it is warm. Raises CannotStart."""
        zygote = await self._running_zygote()
        if left := zygote.take_left(spec):
            return left
        name = f"{spec.engine}-{secrets.token_hex(5)}"
        address = os.path.join(zygote.folder, f"{name}.sock")
        zygote.journal.record(name, reapers.folder(address.removesuffix(".sock")), reapers.file(address))
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            try:
                listener.bind(address)
            except OSError as error:
                zygote.journal.forget(name)
                raise CannotStart(f"no socket can be made at {address}: {error.strerror or error}") from error
            listener.listen()
            return await zygote.start(name, spec, listener.fileno())

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

    async def _running_zygote(self) -> "ZygoteProcess":
        async with self._opening:
            if self._folder is None and (adopted := await finish(self._open_folder)):
                self._zygote = await self._greet(adopted)
            assert self._folder is not None, "opened"
            if self._zygote is not None and self._zygote.gone:
                await self._zygote.close()
                self._zygote = None
            if self._zygote is None:
                # Also of one that died before it was ready.
                await asyncio.to_thread(_reap_machines, self._folder, self._tree)
                groups = {controller: astuple(place) for controller, place in self._tree.places.items()}
                configuration = {"wanted": self._wanted, "cgroups": groups, "grace_seconds": self._grace_seconds}
                self._zygote = await open_zygote(self._folder.path, configuration, self._folder.journal)
            return self._zygote

    def _open_folder(self) -> Adopted | None:
        """With who was left in it, if it is a dead gateway's."""
        adopted = adopt(self._parent, self._wanted)
        self._folder = adopted.folder if adopted else make_folder(self._parent)
        self._tree, self._withheld = _open_groups(self._folder)
        return adopted

    async def _greet(self, adopted: Adopted) -> ZygoteProcess:
        """What it has not kept is reaped."""
        folder, machines = adopted.folder, adopted.report["machines"]
        zygote = ZygoteProcess(adopted.control, AdoptedProcess(adopted.process), folder.path, folder.journal)
        zygote.greet(adopted.report)
        log.info("adopted the zygote of a killed gateway, with %d machines", len(machines))
        await asyncio.to_thread(_reap_all_but, folder, {RUN, ZYGOTE, *(machine["name"] for machine in machines)})
        await asyncio.to_thread(reap_abandoned, os.path.dirname(folder.path))
        return zygote


def _open_groups(folder: RunFolder) -> tuple[CgroupTree, Mapping[str, str]]:
    """The control groups of this run, recorded before they are made."""
    name = os.path.basename(folder.path)
    folder.journal.record(RUN, *(reapers.cgroup(path) for path in cgroups.run_folders(name)))
    return cgroups.open_run(name)


def _reap_machines(folder: RunFolder, tree: CgroupTree) -> None:
    """What a zygote has left of itself and of its machines."""
    tree.clear()
    _reap_all_but(folder, {RUN})


def _reap_all_but(folder: RunFolder, kept: Collection[str]) -> None:
    for name in [name for name in folder.journal.machines if name not in kept]:
        folder.reap(name)


def _newest_source() -> int:
    """When what a zygote runs was changed last: an upgraded gateway wants a new one."""
    packages = (Path(PACKAGE_ROOT, package) for package in ("catalog", "compute"))
    return max(file.stat().st_mtime_ns for package in packages for file in package.rglob("*.py"))
