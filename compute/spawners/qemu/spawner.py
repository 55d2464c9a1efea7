"""The spawner: templates when it opens, clones when it is asked."""

import asyncio
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from compute.config import MachineSpec
from compute.spawners import CannotStart, Isolation, Machine
from compute.spawners.folders import finish
from compute.spawners.qemu.bounds import MachineBounds
from compute.spawners.qemu.command import Shape
from compute.spawners.qemu.host import Host, examine_host
from compute.spawners.qemu.image import find_image
from compute.spawners.qemu.machine import QemuMachine, clone
from compute.spawners.qemu.network import StoreAddress, laid_wire
from compute.spawners.qemu.template import Template, open_template, sweep, template_key
from compute.spawners.shares import FOLDER, Share, Users, take_share

MIB = 1 << 20
DISK_BYTES = 4 << 30
TEMPLATES = "qemu"
"""The folder of the cache that they are kept in."""
SPARE_MIB = 256
"""What a machine has beyond its engine's bound: kernel, interpreter, buffers."""
JAVA_MIB = 512
"""What Java needs beside its heap and half as much again, which may lie outside: classes, compiled code, stacks."""


class QemuSpawner:
    """Machines are microVMs of this host.

    `templates` are the specs whose templates are ready once it is open; `cache` keeps them. `image` is the guest
    image's folder, None for each engine's that was built last. `folder` is where the run's journal lies, and what
    machines spill, each `disk_bytes` at most; that is a part of the template, so it does not depend on what is free.
    `store` is where the network of those leads that have one. `shares` is where the host's gateways agree which users
    their machines run as.
    """

    def __init__(
        self,
        *,
        templates: Sequence[MachineSpec],
        cache: Path,
        image: Path | None = None,
        folder: str | None = None,
        disk_bytes: int | None = None,
        store: StoreAddress | None = None,
        shares: Path = FOLDER,
    ) -> None:
        self._specs = templates
        self._cache = cache
        self._shares = shares
        self._share: Share | None = None
        self._uid: int | None = None
        self._users = Users(range(0))
        self._templates: dict[str, asyncio.Task[Template]] = {}
        self._disk = disk_bytes or DISK_BYTES
        self._bounds = MachineBounds(folder)
        self._machines: set[QemuMachine] = set()
        self._image = image
        self._store = store
        self._host: Host | None = None

    async def open(self) -> Isolation:
        """Builds the templates that are not in the cache. Raises CannotStart, also where there can't be networks."""
        if os.geteuid() == 0:
            await finish(self._take_share)
        unbounded = await self._bounds.open()
        await asyncio.to_thread(sweep, self._cache / TEMPLATES)
        images = [self._find_image(spec.engine) for spec in self._specs] or [self._find_image("")]
        self._host = await examine_host(images[0], self._uid)
        async with laid_wire(any(spec.reaches_store for spec in self._specs), None):
            for spec in self._specs:
                await self._template(spec)
        return Isolation("virtual", unbounded=tuple(unbounded))

    async def start(self, spec: MachineSpec) -> Machine:
        """A clone that runs; its guest says HELLO as soon as it has noticed. Raises CannotStart."""
        name = f"{spec.engine}-{secrets.token_hex(5)}"
        template = await self._template(spec)
        uid = None if self._uid is None else self._users.take()
        try:
            machine = await clone(name, template, uid, self._bounds, self._store)
        except BaseException as error:
            self._give_back(uid)
            if isinstance(error, OSError):
                raise CannotStart(f"QEMU could not be started: {error}") from error
            raise
        self._machines.add(machine)
        machine.ended.add_done_callback(lambda _ended: self._forget(machine, uid))
        return machine

    async def poll(self, machine: Machine) -> int | None:
        return machine.ended.result() if machine.ended.done() else None

    async def stop(self, machine: Machine, *, now: bool = False) -> None:
        """Nothing in a machine needs saving, so asking would only take time: `now` makes no difference here."""
        if isinstance(machine, QemuMachine):
            machine.process.child.kill()
        await asyncio.wait([machine.ended])

    async def close(self) -> None:
        """Ends every machine and lets go of the templates, which stay in the cache."""
        await asyncio.gather(*(self.stop(machine, now=True) for machine in list(self._machines)))
        for opening in self._templates.values():
            if not opening.done():
                opening.cancel()
            elif opening.exception() is None:
                opening.result().close()
        await asyncio.gather(*self._templates.values(), return_exceptions=True)
        self._templates.clear()
        await self._bounds.close()
        if self._share is not None:
            self._share.release()
            self._share = None

    def _take_share(self) -> None:
        """The first user is that of templates and trials."""
        self._share = take_share(self._shares)
        self._uid, *others = self._share.uids
        self._users = Users(others)

    def _forget(self, machine: QemuMachine, uid: int | None) -> None:
        self._machines.discard(machine)
        self._give_back(uid)

    def _give_back(self, uid: int | None) -> None:
        if uid is not None:
            self._users.give_back(uid)

    def _find_image(self, engine: str) -> Path:
        """Raises CannotStart."""
        return self._image or find_image(self._cache, engine)

    async def _template(self, spec: MachineSpec) -> Template:
        """That of the spec, opened or built once. One that failed is tried again by the next call."""
        assert self._host is not None, "opened"
        shape = _shape(spec, self._host, self._find_image(spec.engine), self._disk)
        key = template_key(shape, self._host)
        opening = self._templates.get(key)
        if opening is None or (opening.done() and opening.exception() is not None):
            folder = self._cache / TEMPLATES / key
            opening = self._templates[key] = asyncio.ensure_future(open_template(folder, shape, self._uid))
        return await asyncio.shield(opening)


def _shape(spec: MachineSpec, host: Host, image: Path, disk: int) -> Shape:
    """A machine has one processor, and so its engine one thread. Raises CannotStart."""
    if spec.mode != "user":
        raise CannotStart("a microVM serves one lease: its engine must be of mode user")
    options = {"threads": 1, "memory_bytes": spec.memory_bytes, "properties": dict(spec.properties)}
    told = {"channel": "ports", "engine": spec.engine, "emulated": host.accelerator == "tcg", "options": options}
    return Shape(host.accelerator, image, _memory(spec), host.clock_khz, told, disk, spec.reaches_store)


def _memory(spec: MachineSpec) -> int:
    """Of the machine, in MiB."""
    bound = -(-spec.memory_bytes // MIB)
    return bound + bound // 2 + JAVA_MIB + SPARE_MIB if spec.engine == "spark" else bound + SPARE_MIB
