"""A clone: a copy-on-write child of its template that serves one connection."""

import asyncio
import os
from dataclasses import dataclass

from compute.connection import Connection
from compute.spawners.qemu.bounds import MachineBounds
from compute.spawners.qemu.control import IGNORE_SHARED, LOAD, NEGOTIATE, TAKE_STATE
from compute.spawners.qemu.process import Process, launch
from compute.spawners.qemu.template import Template

WAKE = b"g"
"""What a clone's guest waits for on the port `template`."""


@dataclass(eq=False, slots=True)
class QemuMachine:
    """A running clone. `ended` is negative where a signal ended it, 0 where its guest did; by then nothing is left."""

    name: str
    process: Process
    ended: "asyncio.Future[int]"

    async def connect(self) -> Connection:
        """The one connection that there is. Raises OSError on the second call, and once the machine has ended."""
        channel = self.process.take_channel()
        _, connection = await asyncio.get_running_loop().create_unix_connection(Connection, sock=channel)
        return connection


async def clone(name: str, template: Template, uid: int | None, bounds: MachineBounds) -> QemuMachine:
    """Returns once the clone's processor runs, in its bounds. Raises CannotStart, OSError."""
    ahead = (NEGOTIATE, IGNORE_SHARED, TAKE_STATE, LOAD)
    state = os.open(template.state, os.O_RDONLY | os.O_CLOEXEC)
    try:
        process = await launch(template.shape, template.memory, uid=uid, ahead=ahead, state=state)
    finally:
        os.close(state)
    machine = QemuMachine(name, process, asyncio.ensure_future(_watch(name, process, bounds)))
    try:
        process.template.send(WAKE)
        await bounds.enclose(name, process.child.pid, template.shape.memory << 20)
        await process.control.wait_for("RESUME")
    except BaseException:
        process.child.kill()
        await asyncio.wait([machine.ended])
        raise
    return machine


async def _watch(name: str, process: Process, bounds: MachineBounds) -> int:
    status = await process.child.ended
    process.close()
    await bounds.release(name)
    return status
