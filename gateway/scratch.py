"""Folders of a workspace that something under way has for itself: a load's rows, the tables that a block writes.

Each is held by a lock as long as that lives. One that nobody holds was left by a gateway that is no more, and whoever
comes next removes it. All of this blocks.
"""

import fcntl
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from catalog.owner import acting_as, find_owner

_LOCK = "_lock"
"""Spark reads no file whose name begins so."""
_UNLOCKED = "."
"""So begins a folder's name until its lock is held."""
_SETTLED_SECONDS = 3600
"""After which nobody is still making, or still removing, a folder without a lock."""
_log = logging.getLogger(__name__)


def _leave(_: Path) -> None:
    """What an abandoned folder's removal begins with where there is nothing outside it."""


class Scratch:
    """One folder. `clear` is told of it, and of abandoned ones beside it, before they are removed."""

    def __init__(self, path: str, clear: Callable[[Path], None] = _leave) -> None:
        self.path = Path(path)
        self._clear = clear
        self._lock: Any = None

    def open(self) -> None:
        """Makes the folder, and removes what others have abandoned beside it. Raises OSError."""
        self.path.parent.mkdir(mode=0o755, exist_ok=True)
        sweep(self.path.parent, self._clear)
        unlocked = self.path.with_name(f"{_UNLOCKED}{self.path.name}")
        unlocked.mkdir(mode=0o755)
        self._lock = (unlocked / _LOCK).open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unlocked.rename(self.path)

    def discard(self) -> None:
        """Removes the folder, if it is open. Raises what `clear` does: whoever comes next removes it then."""
        if self._lock is None:
            return
        try:
            self._clear(self.path)
            shutil.rmtree(self.path, ignore_errors=True)
        finally:
            self._lock.close()
            self._lock = None


def sweep(parent: Path, clear: Callable[[Path], None] = _leave) -> None:
    """Removes the folders below it that nobody holds any more. One that cannot be cleared is passed over: what lies in
    it may be anybody's. Raises OSError where `parent` is a link."""
    with _held(parent) as place:
        for folder in place.iterdir():
            try:
                _remove_abandoned(folder, clear)
            except (BlockingIOError, FileNotFoundError):
                # It lives, or somebody is removing it.
                continue
            except Exception as error:
                _log.warning("%s is not removed: %s: %s", parent / folder.name, type(error).__name__, error)


@contextmanager
def _held(folder: Path) -> Iterator[Path]:
    """The folder by a name that stays its own: machines could put a link in its place, to another workspace's."""
    place = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield Path(f"/proc/self/fd/{place}")
    finally:
        os.close(place)


def _remove_abandoned(folder: Path, clear: Callable[[Path], None]) -> None:
    """Raises BlockingIOError for one that somebody holds."""
    with ExitStack() as held:
        locked = (folder / _LOCK).exists()
        if (folder.name.startswith(_UNLOCKED) or not locked) and not _is_settled(folder):
            return
        if locked:
            lock = held.enter_context((folder / _LOCK).open("rb+"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        clear(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _is_settled(folder: Path) -> bool:
    return folder.is_dir() and time.time() - folder.stat().st_mtime > _SETTLED_SECONDS


def sweep_all(root: Path, name: str, clear: Callable[[Path], None] = _leave) -> None:
    """`sweep` in every workspace's folder of that name below the warehouse's root, as its owner."""
    for workspace in os.scandir(root):
        parent = Path(workspace.path, name)
        if parent.is_dir():
            try:
                with acting_as(find_owner(parent)):
                    sweep(parent, clear)
            except OSError as error:
                _log.warning("%s is not looked through: %s", parent, error)
