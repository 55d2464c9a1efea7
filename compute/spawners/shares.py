"""A gateway's share of its host: the users that its machines run as, and a number for what they have by name there.

Several gateways may run on a host, each with machines of its own. Who holds the lock of a share has it, until the
process ends: the next one with that number meets names and users that nobody has any more, but for what a killed
gateway has left, which it reaps first. A container counts as a host of its own, unless it is lent the host's folder.

Reference: flock(2).
"""

import fcntl
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from compute.spawners import CannotStart
from compute.spawners.process import GUEST_UID

FOLDER = Path("/run/lakegate")
"""The host's, for the locks."""
FIRST_UID = GUEST_UID + 1
MOST_UIDS = 250
"""Of a share. No account has these users, and they own nothing but what they are given."""
MOST_SHARES = 6


@dataclass(frozen=True, slots=True)
class Share:
    """`number` counts from 0; nobody else on the host has it, or one of `uids`, until `release`."""

    number: int
    lock: int

    @property
    def uids(self) -> range:
        first = FIRST_UID + self.number * MOST_UIDS
        return range(first, first + MOST_UIDS)

    def release(self) -> None:
        os.close(self.lock)


def take_share(folder: Path = FOLDER) -> Share:
    """The first that is nobody's. Blocking. Raises CannotStart where all are taken, or the folder cannot be had."""
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        for number in range(MOST_SHARES):
            lock = os.open(folder / f"{number}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
            else:
                return Share(number, lock)
    except OSError as error:
        reason = error.strerror or str(error)
        raise CannotStart(f"{folder}: {reason}; a host's gateways agree there whose machines are who") from error
    raise CannotStart(f"{MOST_SHARES} gateways have machines on this host already: end one, or take another host")


class Users:
    """The users of a share that machines run as, each one's own until nothing of the machine is left."""

    def __init__(self, uids: Sequence[int]) -> None:
        self._count = len(uids)
        self._free = list(reversed(uids))

    def take(self) -> int:
        """Raises CannotStart."""
        if not self._free:
            raise CannotStart(f"all {self._count} users that machines run as are taken")
        return self._free.pop()

    def give_back(self, uid: int) -> None:
        """The one that has rested longest is taken next: what was overlooked of it has had the longest time to end."""
        self._free.insert(0, uid)
