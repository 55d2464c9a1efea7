"""The Firecracker spawner: opens the host, keeps a template for each spec, starts clones of it and ends them."""

import asyncio
import platform
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from compute.config import MachineSpec
from compute.connection import Connection
from compute.spawners import CannotStart, Isolation, Machine
from compute.spawners.firecracker.boot import boot_arguments
from compute.spawners.firecracker.calls import (
    MEMORY,
    PAGER_SOCKET,
    ROOT_IMAGE,
    STATE,
    VSOCK,
    hardware,
    load_call,
    metadata_call,
)
from compute.spawners.firecracker.config import FirecrackerConfig
from compute.spawners.firecracker.host import Host, Place
from compute.spawners.firecracker.jail import clone_bounds, fill
from compute.spawners.firecracker.pagers import Pager, open_pager
from compute.spawners.firecracker.templates import Ground, Plan, Template, find_template, make_template, survey
from compute.spawners.firecracker.threads import finish, finish_in_thread
from compute.spawners.firecracker.trial import find_missing
from compute.spawners.firecracker.vmm import Vmm, end, launch
from compute.spawners.firecracker.vsock import connect_guest

PAGERS = "pagers"


@dataclass(eq=False, slots=True)
class FirecrackerMachine:
    """A clone. `ended` comes when its jail is gone too; it is negative where it was killed."""

    name: str
    vsock: Path
    vmm: Vmm
    ended: "asyncio.Future[int]"

    async def connect(self) -> Connection:
        """Raises OSError."""
        return await connect_guest(self.vsock)


class FirecrackerSpawner:
    """Machines are clones of templates, which are made when they are first needed and kept on disk."""

    def __init__(
        self,
        config: FirecrackerConfig,
        *,
        trial: Callable[[FirecrackerConfig], tuple[str, ...]] = find_missing,
    ) -> None:
        """`trial` tells what the host lacks."""
        self._config = config
        self._trial = trial
        self._host = Host(config)
        self._ground: Ground | None = None
        self._templates: dict[str, Template] = {}
        self._pagers: dict[str, Pager] = {}
        self._making = asyncio.Lock()
        self._machines: dict[FirecrackerMachine, asyncio.Task[None]] = {}

    async def open(self) -> Isolation:
        """Tries what is needed, reaps what a killed gateway left. Raises CannotStart with all that is missing."""
        missing = await asyncio.to_thread(self._trial, self._config)
        if missing:
            raise CannotStart("; ".join(missing))
        await self._host.open()
        self._config = self._host.config
        try:
            self._ground = await finish_in_thread(survey, self._config)
        except BaseException:
            await self._host.close()
            raise
        return Isolation("virtual")

    async def start(self, spec: MachineSpec) -> Machine:
        """A clone of the spec's template, which is made first if there is none. Raises CannotStart."""
        template = await self._template(spec)
        place = self._host.take(f"{spec.engine}-{secrets.token_hex(4)}")
        try:
            pager = await self._pager(template) if self._config.memory_backend == "Uffd" else None
            vmm = await self._clone(template, place, pager)
        except BaseException:
            await finish(asyncio.create_task(self._host.give_back(place)))
            raise
        ended = asyncio.get_running_loop().create_future()
        machine = FirecrackerMachine(place.jail.identifier, place.jail.root / VSOCK, vmm, ended)
        self._machines[machine] = asyncio.create_task(self._recycle(machine, place, pager))
        return machine

    async def poll(self, machine: Machine) -> int | None:
        return machine.ended.result() if machine.ended.done() else None

    async def stop(self, machine: Machine, *, now: bool = False) -> None:
        """Nothing in a machine needs saving: it is killed either way."""
        assert isinstance(machine, FirecrackerMachine), "a machine is stopped by the spawner that started it"
        machine.vmm.kill()
        await asyncio.wait([machine.ended])

    async def close(self) -> None:
        """Ends every machine and leaves templates and images for the next time."""
        await asyncio.gather(*(self.stop(machine) for machine in tuple(self._machines)))
        await asyncio.gather(*(pager.close() for pager in self._pagers.values()))
        self._pagers.clear()
        await self._host.close()

    async def _clone(self, template: Template, place: Place, pager: Pager | None) -> Vmm:
        """With a pager, the VMM's jail has the pager's socket in it instead of the memory file."""
        config = self._config
        memory = {MEMORY: template.memory} if pager is None else {PAGER_SOCKET: pager.socket_path}
        files = {ROOT_IMAGE: template.root_image, STATE: template.state, **memory}
        await finish_in_thread(fill, place.jail, place.slot, files)
        vmm = await launch(config, place.jail, place.slot, clone_bounds(template.hardware))
        network = template.hardware.network
        try:
            load = load_call(config.memory_backend, network=network, realtime=_moves_clock_on(platform.uname()))
            await vmm.api.send(load)
            if network:
                await vmm.api.send(metadata_call(place.jail.identifier))
        except BaseException:
            await end(vmm)
            raise
        return vmm

    async def _recycle(self, machine: FirecrackerMachine, place: Place, pager: Pager | None) -> None:
        """A machine ends with its VMM, or with the pager that it would wait for."""
        ends: list[asyncio.Future[int]] = [machine.vmm.ended] if pager is None else [machine.vmm.ended, pager.ended]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        await end(machine.vmm)
        await self._host.give_back(place)
        self._machines.pop(machine)
        machine.ended.set_result(machine.vmm.ended.result())

    async def _template(self, spec: MachineSpec) -> Template:
        assert self._ground is not None, "the spawner is not open"
        network = self._config.network == "tap"
        plan = Plan(self._ground, hardware(spec, boot_arguments(spec), network=network), spec.engine)
        async with self._making:
            template = self._templates.get(plan.key) or find_template(plan, self._config)
            if template is None:
                template = await self._make_template(plan)
            self._templates[plan.key] = template
        return template

    async def _make_template(self, plan: Plan) -> Template:
        place = self._host.take(f"t-{secrets.token_hex(4)}")
        try:
            return await make_template(plan, self._config, place.jail, place.slot)
        finally:
            await finish(asyncio.create_task(self._host.give_back(place)))

    async def _pager(self, template: Template) -> Pager:
        """The template's, a new one where it has none that lives."""
        name = template.folder.name
        async with self._making:
            pager = self._pagers.get(name)
            if pager is not None and not pager.ended.done():
                return pager
            if pager is not None:
                await pager.close()
            self._pagers[name] = await open_pager(template, self._host.folder / PAGERS)
            return self._pagers[name]


def _moves_clock_on(host: platform.uname_result) -> bool:
    """Whether KVM can set a restored guest's clock to now: on x86-64, since Linux 5.16. The identity sets it again."""
    version = re.match(r"(\d+)\.(\d+)", host.release)
    return host.machine == "x86_64" and version is not None and (int(version[1]), int(version[2])) >= (5, 16)
