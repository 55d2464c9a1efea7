"""A clone: a copy-on-write child of its template that serves one connection."""

import asyncio
import os
import tempfile
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from compute.connection import Connection
from compute.identity import Network
from compute.spawners.qemu.bounds import MachineBounds
from compute.spawners.qemu.control import IGNORE_SHARED, LOAD, NEGOTIATE, TAKE_STATE
from compute.spawners.qemu.gate import Gate
from compute.spawners.qemu.memory import copy_content
from compute.spawners.qemu.network import StoreAddress, laid_wire
from compute.spawners.qemu.process import Process, launch
from compute.spawners.qemu.template import Template

QUIET_SECONDS = 0.3
"""How long a clone is left alone before it is told to rehearse: one that is awaited is claimed sooner."""
REHEARSE = b"r"


@dataclass(eq=False, slots=True)
class QemuMachine:
    """A running clone. `ended` is negative where a signal ended it, 0 where its guest did; by then nothing is left."""

    name: str
    process: Process
    network: Network | None
    ended: "asyncio.Future[int]"

    async def connect(self) -> Connection:
        """The one connection that there is. Raises OSError on the second call, and once the machine has ended."""
        return await self.process.connect()


async def clone(
    name: str, template: Template, uid: int | None, bounds: MachineBounds, store: StoreAddress | None
) -> QemuMachine:
    """Returns once the clone's processor runs, in its bounds. `store` is where its network leads, if it has one. Raises
    CannotStart, OSError."""
    async with laid_wire(template.shape.network, store) as (tap, gate):
        process = await _launch(template, uid, bounds.folder, tap)
    network = None if gate is None or store is None else store.network
    machine = QemuMachine(name, process, network, asyncio.ensure_future(_watch(name, process, bounds, gate)))
    try:
        await bounds.enclose(name, process.child.pid, template.shape.memory << 20)
        await process.control.wait_for("RESUME")
    except BaseException:
        process.child.kill()
        await asyncio.wait([machine.ended])
        raise
    if template.shape.accelerator == "tcg":
        _rehearse_later(machine)
    return machine


async def _launch(template: Template, uid: int | None, folder: str, tap: int | None) -> Process:
    ahead = (NEGOTIATE, IGNORE_SHARED, TAKE_STATE, LOAD)
    state = os.open(template.state, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with await asyncio.to_thread(copy_disk, template.disk, folder) as disk:
            return await launch(
                template.shape,
                template.memory,
                uid=uid,
                ahead=ahead,
                state=state,
                disk=disk.fileno(),
                tap=tap,
                greeting=template.greeting,
            )
    finally:
        os.close(state)


def copy_disk(template: Path, folder: str) -> FileIO:
    """A file without a name: whatever becomes of us, its space is free again once QEMU has ended."""
    disk = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 (the caller closes it)
    try:
        with open(template, "rb", buffering=0) as source:
            copy_content(source.fileno(), disk.fileno())
    except OSError:
        disk.close()
        raise
    return disk


def _rehearse_later(machine: QemuMachine) -> None:
    """What an emulated processor runs for the first time it has to translate: that is over before somebody waits."""
    order = asyncio.get_running_loop().call_later(QUIET_SECONDS, machine.process.rehearsal.send, REHEARSE)
    machine.process.child.ended.add_done_callback(lambda _ended: order.cancel())


async def _watch(name: str, process: Process, bounds: MachineBounds, gate: Gate | None) -> int:
    status = await process.child.ended
    process.close()
    if gate is not None:
        await gate.close()
    await bounds.release(name)
    return status
