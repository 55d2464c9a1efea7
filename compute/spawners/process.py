"""Machines as processes of this host, forked by a zygote.

The zygote is started when first needed and again after it died; its machines die with it. This module runs on the event
loop and never forks a machine itself.
"""

import asyncio
import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import astuple, replace
from typing import Any

from compute.config import MachineSpec
from compute.sandbox import cgroups
from compute.sandbox.cgroups import CgroupTree
from compute.spawners import CannotStart, Isolation, Machine, reapers
from compute.spawners.folders import RunFolder
from compute.spawners.zygote import ZygoteProcess, engine_options, open_zygote

GUEST_UID = 64023
"""The user that machines run as where the gateway is root:

no account has it, and it owns nothing but what it is given.
"""
RUN = "run"
"""What the journal calls that which is no single machine's."""


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
            return await zygote.start(name, address, spec, listener.fileno())

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
            if self._folder is None:
                self._folder = await asyncio.to_thread(RunFolder, self._parent)
                self._tree, self._withheld = await asyncio.to_thread(_open_groups, self._folder)
            if self._zygote is not None and self._zygote.gone:
                await self._zygote.close()
                await asyncio.to_thread(_reap_machines, self._folder, self._tree)
                self._zygote = None
            if self._zygote is None:
                self._zygote = await open_zygote(self._configuration(self._folder), self._folder.journal)
            return self._zygote

    def _configuration(self, folder: RunFolder) -> dict[str, Any]:
        return {
            "folder": folder.path,
            "isolated": self._isolated,
            "uid": self._uid,
            "disk_bytes": self._disk_bytes,
            "templates": {engine: engine_options(spec) for engine, spec in self._templates.items()},
            "cgroups": {controller: astuple(place) for controller, place in self._tree.places.items()},
        }


def _open_groups(folder: RunFolder) -> tuple[CgroupTree, Mapping[str, str]]:
    """The control groups of this run, recorded before they are made."""
    name = os.path.basename(folder.path)
    folder.journal.record(RUN, *(reapers.cgroup(path) for path in cgroups.run_folders(name)))
    return cgroups.open_run(name)


def _reap_machines(folder: RunFolder, tree: CgroupTree) -> None:
    """What a zygote has left of itself and of its machines."""
    tree.clear()
    for name in [name for name in folder.journal.machines if name != RUN]:
        folder.reap(name)
