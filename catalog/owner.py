"""File work with the rights of a folder's owner, not the gateway's.

Below a workspace's folder machines may write, and plant links: who follows them as root can be led anywhere. Linux has
a user for file access alone, a thread's own; threads that it starts meanwhile have it too, so that nothing is done here
that starts any. Reference: setfsuid(2).
"""

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Owner:
    """A user and a group, by their numbers."""

    uid: int
    gid: int


def find_owner(place: int | str | os.PathLike[str]) -> Owner:
    """Of what a descriptor stands for, or of what a path leads to by now. Raises OSError."""
    status = os.stat(place)
    return Owner(status.st_uid, status.st_gid)


@contextmanager
def acting_as(owner: Owner) -> Iterator[None]:
    """What this thread does to files meanwhile, and what it makes, is theirs. Raises PermissionError."""
    before = Owner(_read(_LIBC.setfsuid), _read(_LIBC.setfsgid))
    try:
        _become(owner)
        yield
    finally:
        _become(before)


def _become(owner: Owner) -> None:
    """Raises PermissionError."""
    for change, who in ((_LIBC.setfsgid, owner.gid), (_LIBC.setfsuid, owner.uid)):
        change(who)
        if _read(change) != who:
            raise PermissionError(f"files cannot be touched as user {owner.uid}")


def _read(change: Callable[[int], int]) -> int:
    """Who it is: the calls tell no failure, but who it was before them, and there is no user -1."""
    return change(-1) & 0xFFFFFFFF
