"""Folders of a workspace that something under way has for itself: a load's rows, the tables that a block writes.

Each is held by a lock as long as that lives. One that nobody holds was left by a gateway that is no more, and whoever
comes next removes it. Machines may write there too: each folder is known by its descriptor, and all is done as the
owner of the workspace's folder (`catalog.beneath`, `catalog.owner`). All of this blocks.
"""

import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from catalog.beneath import by_descriptor, open_below, reach, remove, walk
from catalog.owner import Owner, acting_as, find_owner

_LOCK = "_lock"
"""Spark reads no file whose name begins so."""
_UNLOCKED = "."
"""So begins a folder's name until its lock is held."""
_SETTLED_SECONDS = 3600
"""After which nobody is still making, or still removing, a folder without a lock."""
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_log = logging.getLogger(__name__)


def leave(_: Path) -> None:
    """What an abandoned folder's removal begins with where there is nothing outside it."""


class Scratch:
    """One folder. `clear` is told of it, and of abandoned ones beside it, before they are removed: by a path that stays
    theirs meanwhile."""

    def __init__(self, path: str, clear: Callable[[Path], None] = leave) -> None:
        self.path = Path(path)
        self._clear = clear
        self._held: ExitStack | None = None
        self._owner: Owner
        self._parent: int
        self._place: int
        self._lock: BinaryIO

    def open(self) -> None:
        """Makes the folder, and removes what others have abandoned beside it. Raises OSError."""
        unlocked = f"{_UNLOCKED}{self.path.name}"
        with _entered(self.path.parent, make=True) as (parent, self._owner), ExitStack() as held:
            _sweep(parent, self.path.parent, self._clear)
            os.mkdir(unlocked, mode=0o755, dir_fd=parent)
            self._parent = held.enter_context(walk(by_descriptor(parent)))
            self._place = held.enter_context(walk(by_descriptor(parent), unlocked))
            self._lock = held.enter_context(self.create(_LOCK))
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.rename(unlocked, self.path.name, src_dir_fd=parent, dst_dir_fd=parent)
            self._held = held.pop_all()

    def create(self, path: str | Path) -> BinaryIO:
        """A new file in it, for writing; folders that are missing are made. Raises OSError."""
        with acting_as(self._owner), reach(by_descriptor(self._place), path, make=True) as (folder, name):
            return open(open_below(by_descriptor(folder), name, _NEW), "wb")

    def discard(self) -> None:
        """Removes the folder, if it is open. Raises what `clear` does: whoever comes next removes it then."""
        if self._held is None:
            return
        held, self._held = self._held, None
        with held, acting_as(self._owner):
            self._clear(by_descriptor(self._place))
            try:
                remove(self._parent, self.path.name)
            except OSError as error:
                _log.warning("%s is not removed: %s", self.path, error)


@contextmanager
def _entered(path: Path, *, make: bool = False) -> Iterator[tuple[int, Owner]]:
    """A folder of a workspace's folder, and whose that is: what is done meanwhile is done as that. Raises OSError, also
    where there is a link in its place."""
    with walk(path.parent) as workspace:
        owner = find_owner(workspace)
        with acting_as(owner), walk(by_descriptor(workspace), path.name, make=make) as place:
            yield place, owner


def _sweep(parent: int, path: Path, clear: Callable[[Path], None]) -> None:
    """Removes the folders below it, which is called `path`, that nobody holds any more. One that cannot be cleared is
    passed over: what lies in it may be anybody's. Raises OSError."""
    for name in os.listdir(by_descriptor(parent)):
        try:
            _remove_abandoned(parent, name, clear)
        except (BlockingIOError, FileNotFoundError, NotADirectoryError):
            # It lives, or somebody is removing it, or it is no folder of anybody's.
            continue
        except Exception as error:
            _log.warning("%s is not removed: %s: %s", path / name, type(error).__name__, error)


def _remove_abandoned(parent: int, name: str, clear: Callable[[Path], None]) -> None:
    """Raises BlockingIOError for one that somebody holds."""
    with walk(by_descriptor(parent), name) as place, ExitStack() as held:
        folder = by_descriptor(place)
        lock = _find_lock(folder)
        if lock is not None:
            held.callback(os.close, lock)
        if (name.startswith(_UNLOCKED) or lock is None) and not _is_settled(place):
            return
        if lock is not None:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        clear(folder)
        remove(parent, name)


def _find_lock(folder: Path) -> int | None:
    """Raises OSError, also for what is no file: opening another thing could take for ever."""
    try:
        return open_below(folder, _LOCK, os.O_RDWR)
    except FileNotFoundError:
        return None


def _is_settled(place: int) -> bool:
    return time.time() - os.fstat(place).st_mtime > _SETTLED_SECONDS


def sweep_all(root: Path, name: str, clear: Callable[[Path], None] = leave) -> None:
    """Removes what nobody holds any more in every workspace's folder of that name below the warehouse's root."""
    for workspace in os.scandir(root):
        parent = Path(workspace.path, name)
        try:
            if workspace.is_dir():
                with _entered(parent) as (place, _):
                    _sweep(place, parent, clear)
        except FileNotFoundError:
            continue
        except OSError as error:
            _log.warning("%s is not looked through: %s", parent, error)
