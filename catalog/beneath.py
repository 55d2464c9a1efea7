"""Files below a folder that machines may write, where any name may be a link, a pipe or another's file by now.

A path is walked from a root that only we can put elsewhere, name by name, and no link is followed. What is had then is
a descriptor, which stays what it was whatever its name becomes. Blocking.

References: openat(2), path_resolution(7), proc_pid_fd(5).
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

_PLACE = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
DESCRIPTORS = Path("/proc/self/fd")
StrPath = str | os.PathLike[str]


@contextmanager
def walk(root: StrPath, path: StrPath = ".", *, make: bool = False) -> Iterator[int]:
    """The descriptor of a folder at or below `root`, for `dir_fd`; folders that are missing are made if `make`. Raises
    OSError: PermissionError for a path that leads elsewhere, NotADirectoryError for a link."""
    place = os.open(root, _PLACE)
    try:
        for name in _parts(root, path):
            if make:
                with suppress(FileExistsError):
                    os.mkdir(name, mode=0o755, dir_fd=place)
            outer, place = place, os.open(name, _PLACE | os.O_NOFOLLOW, dir_fd=place)
            os.close(outer)
        yield place
    finally:
        os.close(place)


@contextmanager
def reach(root: StrPath, path: StrPath, *, make: bool = False) -> Iterator[tuple[int, str]]:
    """The folder that a file lies in, for `dir_fd`, and its name there. Raises what `walk` does."""
    parts = _parts(root, path)
    if not parts:
        raise PermissionError("the root itself")
    *folders, name = parts
    with walk(root, PurePosixPath(*folders), make=make) as place:
        yield place, name


def open_below(root: StrPath, path: StrPath, flags: int = os.O_RDONLY) -> int:
    """A descriptor of a plain file. A new one needs `os.O_CREAT | os.O_EXCL` among its flags. Raises what `walk` does,
    and PermissionError for what is no file."""
    with reach(root, path) as (place, name):
        found = os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644, dir_fd=place)
    if not stat.S_ISREG(os.fstat(found).st_mode):
        os.close(found)
        raise PermissionError("no file")
    return found


def remove(place: int, name: str, deepest: int = 200) -> None:
    """Removes what is called so in a folder, with all below it; what has gone meanwhile is no failure. Unlike
    `shutil.rmtree` it waits for no pipe that has come in a folder's place. Raises OSError, also where folders lie
    deeper in each other than `deepest`."""
    with suppress(FileNotFoundError):
        try:
            folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place)
        except NotADirectoryError:
            os.unlink(name, dir_fd=place)
            return
        try:
            if not deepest:
                raise OSError(errno.ENAMETOOLONG, "folders lie too deep in each other")
            for each in os.listdir(folder):
                remove(folder, each, deepest - 1)
        finally:
            os.close(folder)
        os.rmdir(name, dir_fd=place)


def by_descriptor(place: int) -> Path:
    """The path of what a descriptor stands for, for those who take paths: of use while it is open."""
    return DESCRIPTORS / str(place)


def _parts(root: StrPath, path: StrPath) -> tuple[str, ...]:
    """Raises PermissionError."""
    relative = PurePosixPath(path)
    if relative.is_absolute():
        if not relative.is_relative_to(root):
            raise PermissionError("outside of its folder")
        relative = relative.relative_to(root)
    if ".." in relative.parts:
        raise PermissionError("a path that goes up")
    return relative.parts
