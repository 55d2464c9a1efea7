"""The cache folder: what set-up fetched or built, shared by every machine of a host and never written by a machine."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

SYSTEM_CACHE = Path("/var/cache/lakegate")
IMAGE_CACHE = Path("/opt/lakegate")
"""Where the image of Spark's pods has what of it a machine needs."""


def cache_folder(environment: Mapping[str, str]) -> Path:
    """``$LAKEGATE_CACHE``, else ``$XDG_CACHE_HOME/lakegate``, else below the home folder.

    For root it is `SYSTEM_CACHE`: machines run as another user, to whom root's home is closed.
    """
    if chosen := environment.get("LAKEGATE_CACHE"):
        return Path(chosen).absolute()
    if os.geteuid() == 0:
        return SYSTEM_CACHE
    return Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "lakegate"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the folder's lock, so that of two set-ups at once one fills it and the other finds it filled."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
