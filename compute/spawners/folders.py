"""The run folder of a spawner: its sockets and its machines' scratch folders, gone with it even if it was killed."""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

PREFIX = "lakegate-run-"
LOCK = "owner.lock"


class RunFolder:
    """A folder that only we can list; programs of machines reach their scratch folders in it as another user.

    It is locked while we live, so that others know what is left of the dead.
    """

    def __init__(self, parent: str | None) -> None:
        remove_abandoned(parent or tempfile.gettempdir())
        self.path = tempfile.mkdtemp(prefix=PREFIX, dir=parent)
        os.chmod(self.path, 0o711)
        self._lock = os.open(os.path.join(self.path, LOCK), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def remove(self) -> None:
        """Takes its time where machines have spilled much."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def remove_abandoned(parent: str) -> None:
    """Removes our own run folders that nobody holds any more: of gateways that were killed."""
    for folder in Path(parent).glob(PREFIX + "*"):
        try:
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(lock)
