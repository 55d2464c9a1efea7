"""What each machine may take of its host, and the journal of that, so that a killed gateway leaves nothing."""

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from compute.sandbox import cgroups
from compute.sandbox.cgroups import Bounds, CgroupTree
from compute.spawners import reapers
from compute.spawners.folders import RunFolder, make_folder

EMULATOR_BYTES = 512 << 20
"""What QEMU takes beside the machine's memory, translated code included."""
TASKS = 128
CORES = 2
"""One for the machine's processor, one for what QEMU does beside it."""
RUN = "run"
T = TypeVar("T")


class MachineBounds:
    """Control groups of one run's machines. Waits for the kernel in a thread of its own: the journal allows but one."""

    def __init__(self, parent: str | None) -> None:
        self._parent = parent
        self._thread: ThreadPoolExecutor | None = None
        self._folder: RunFolder | None = None
        self._tree = CgroupTree({})

    async def open(self) -> Sequence[str]:
        """Reaps what the dead have left. The resources that this host does not let us bound, and why."""
        self._thread = ThreadPoolExecutor(1, "machine-bounds")
        return await self._do(self._open)

    async def enclose(self, machine: str, pid: int, memory_bytes: int) -> None:
        """Bounds a process that has just been started. Raises OSError, CannotStart."""
        await self._do(lambda: self._enclose(machine, pid, memory_bytes))

    async def release(self, machine: str) -> None:
        """Once it has ended."""
        await self._do(lambda: self._opened().reap(machine))

    async def close(self) -> None:
        """Once all have ended, and after what was being done for one who was cancelled. Idempotent."""
        if self._thread is not None:
            await self._do(self._close)
            self._thread.shutdown()
            self._thread = None

    @property
    def folder(self) -> str:
        """The run's."""
        return self._opened().path

    async def _do(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _opened(self) -> RunFolder:
        assert self._folder is not None, "opened"
        return self._folder

    def _open(self) -> Sequence[str]:
        self._folder = make_folder(self._parent)
        name = os.path.basename(self._folder.path)
        self._folder.journal.record(RUN, *(reapers.cgroup(path) for path in cgroups.run_folders(name)))
        self._tree, withheld = cgroups.open_run(name)
        return [f"{controller}: {reason}" for controller, reason in withheld.items()]

    def _close(self) -> None:
        if self._folder is not None:
            self._folder.remove()
            self._folder = None

    def _enclose(self, machine: str, pid: int, memory_bytes: int) -> None:
        groups = self._tree.groups(machine)
        self._opened().journal.record(machine, reapers.process(pid), *map(reapers.cgroup, groups))
        self._tree.make(machine, Bounds(memory_bytes + EMULATOR_BYTES, TASKS, CORES))
        for group in groups:
            Path(group, "cgroup.procs").write_text(str(pid))
