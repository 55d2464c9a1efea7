"""The run folder of a spawner: its sockets, its machines' scratch folders and its journal.

A folder is locked while its spawner lives. Whoever opens a run folder first reaps those that nobody holds any more, of
gateways that were killed, unless what is left there can be adopted.
"""

import asyncio
import fcntl
import logging
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from compute.spawners import journal
from compute.spawners.journal import Journal, Resource
from compute.spawners.reapers import REAPERS, Reaper

PREFIX = "lakegate-run-"
LOCK = "owner.lock"
JOURNAL = "journal"
BORN_SECONDS = 60.0
"""Far longer than it takes to lock a folder that has been made."""
T = TypeVar("T")
log = logging.getLogger(__name__)


class RunFolder:
    """A folder that only we can list; programs of machines reach their scratch folders in it as another user.

    `reapers` are those of the spawner's own kinds, beyond the host's. What the dead have left of a kind that none of
    them knows stays, for a spawner that does.
    """

    def __init__(self, path: str, lock: int, reapers: Mapping[str, Reaper] = REAPERS) -> None:
        """One that is locked by us. Use `make_folder` or `adopt_folder`."""
        self._reapers = reapers
        self.path, self._lock = path, lock
        self.journal = Journal(os.path.join(path, JOURNAL))

    def reap(self, machine: str) -> None:
        """Takes away all that is recorded of a machine, and forgets it; what could not be reaped stays recorded."""
        if not list(_reap_all(self.journal.machines.get(machine, ()), self._reapers)):
            self.journal.forget(machine)

    def remove(self) -> None:
        """Reaps what the journal still holds, then all of the folder: it takes its time where machines have spilled."""
        self.journal.close()
        _reap(self.path, self._reapers)
        os.close(self._lock)


def make_folder(parent: str | None, reapers: Mapping[str, Reaper] | None = None) -> RunFolder:
    """A new one, after what the dead have left is reaped: slow where that is much. Raises OSError."""
    known = {**REAPERS, **(reapers or {})}
    reap_abandoned(parent or tempfile.gettempdir(), known)
    return RunFolder(*_make_locked(parent), known)


async def finish(work: Callable[[], T]) -> T:
    """The result of work in a thread, whose end is awaited by a caller that is cancelled, too: what it leaves is then
    known to who takes it away."""
    working = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait([working])
        raise


def adopt_folder(parent: str | None, accept: Callable[[str], bool]) -> RunFolder | None:
    """The first that nobody holds any more and that is accepted, by its path; None if there is none."""
    for folder in Path(parent or tempfile.gettempdir()).glob(PREFIX + "*"):
        lock = _lock_abandoned(folder)
        if lock is None:
            continue
        if accept(str(folder)):
            return RunFolder(str(folder), lock)
        os.close(lock)
    return None


def _make_locked(parent: str | None) -> tuple[str, int]:
    """A new folder and its lock. One that another gateway took for abandoned before it was locked is given up."""
    while True:
        path = tempfile.mkdtemp(prefix=PREFIX, dir=parent)
        with suppress(FileNotFoundError):
            os.chmod(path, 0o711)
            lock = os.open(os.path.join(path, LOCK), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if os.path.exists(os.path.join(path, LOCK)):
                return path, lock
            os.close(lock)


def reap_abandoned(parent: str, reapers: Mapping[str, Reaper] = REAPERS) -> None:
    """Reaps what is left in our own run folders that nobody holds any more, and the folders."""
    for folder in Path(parent).glob(PREFIX + "*"):
        lock = _lock_abandoned(folder)
        if lock is not None:
            _reap(str(folder), reapers)
            os.close(lock)


def _lock_abandoned(folder: Path) -> int | None:
    """The lock of a folder that was nobody's, None for any other. Nothing is believed that another user may have put
    there."""
    try:
        if _is_foreign(folder.lstat()):
            raise PermissionError
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        _remove_unborn(folder)
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _is_foreign(status: os.stat_result) -> bool:
    return status.st_uid != os.geteuid() or not stat.S_ISDIR(status.st_mode)


def _remove_unborn(folder: Path) -> None:
    """One whose maker was killed before it could lock it is empty, and no longer being made."""
    with suppress(OSError):
        if time.time() - folder.lstat().st_mtime > BORN_SECONDS:
            folder.rmdir()


def _reap(folder: str, reapers: Mapping[str, Reaper]) -> None:
    """What was made last goes first, and the folder at the end: as long as anything is left, its journal tells."""
    left = journal.read(os.path.join(folder, JOURNAL))
    failed = [one for resources in reversed(left.values()) for one in _reap_all(resources, reapers)]
    if failed:
        log.warning("%s stays: not reaped are %s", folder, ", ".join(f"{one.kind} {one.name}" for one in failed))
    else:
        _remove(folder)


def _remove(folder: str) -> None:
    """The lock goes last: without it nobody could tell later that the folder is abandoned."""
    with suppress(OSError):
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            elif entry.name != LOCK:
                os.unlink(entry.path)
    shutil.rmtree(folder, ignore_errors=True)


def _reap_all(resources: Sequence[Resource], reapers: Mapping[str, Reaper]) -> Iterator[Resource]:
    """What could not be reaped."""
    for resource in reversed(resources):
        reaper = reapers.get(resource.kind)
        try:
            if reaper is None:
                yield resource
            else:
                reaper(resource)
        except OSError as error:
            log.warning("%s %s: %s", resource.kind, resource.name, error)
            yield resource
