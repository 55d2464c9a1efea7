"""The memory that what guests say may take in the gateway, all of them together.

A body's length is its guest's word, and it may come as slowly as the guest likes. Where there is no room for another,
the connection that holds most is left: an honest guest is long-winded only for a row that is as wide.
"""

from collections import Counter
from typing import TYPE_CHECKING

from compute.transport import MAX_BODY

if TYPE_CHECKING:
    from compute.connection import Connection

UNCOUNTED = 12 << 20
"""Bytes that any connection may hold: its read-ahead, and the batches of usual size that it ends in."""


class Allowance:
    """Bytes by connection, `most` in all."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: Counter[Connection] = Counter()

    @property
    def taken(self) -> int:
        return self._held.total()

    def note(self, holder: "Connection", size: int) -> None:
        """That the connection holds so much now. Leaves the greediest where that is too much, which may be itself."""
        if size <= UNCOUNTED:
            self._held.pop(holder, None)
            return
        self._held[holder] = size
        while self.taken > self._most:
            [(greediest, _)] = self._held.most_common(1)
            greediest.expel("there is no room for as much as it says")


BODIES = Allowance(2 * MAX_BODY)
