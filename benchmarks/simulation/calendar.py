"""What is to happen in the simulated world, in order of time.

One heap of a hundred thousand sessions' ends would cost more than all else that the world does.

Reference: R. Brown, "Calendar Queues", CACM 1988.
"""

from collections.abc import Callable
from heapq import heapify, heappop, heappush

NEVER = float("inf")
Act = Callable[[int], None]
_Entry = tuple[float, int, Act, int]


class Calendar:
    """Entries of this second lie in a heap, later ones in a list a second."""

    def __init__(self) -> None:
        self._second = 0
        self._soon: list[_Entry] = []
        self._later: dict[int, list[_Entry]] = {}
        self._seconds: list[int] = []
        self._entries = 0

    def plan(self, at: float, act: Act, number: int) -> None:
        """`act(number)` is due then. What was planned first goes first."""
        self._entries += 1
        entry = (at, self._entries, act, number)
        second = int(at)
        if second <= self._second:
            heappush(self._soon, entry)
        elif second in self._later:
            self._later[second].append(entry)
        else:
            self._later[second] = [entry]
            heappush(self._seconds, second)

    def next_at(self) -> float:
        """NEVER once nothing is planned."""
        if not self._soon and self._seconds:
            self._second = heappop(self._seconds)
            self._soon = self._later.pop(self._second)
            heapify(self._soon)
        return self._soon[0][0] if self._soon else NEVER

    def act(self) -> None:
        """Does what `next_at` told of."""
        _, _, act, number = heappop(self._soon)
        act(number)
