"""How long starts take, from the last ones seen."""

from collections import deque

KEPT = 128
REFRESH = 16
"""Starts after which the quantile is taken anew: sorting 128 numbers at every start would be its dearest part."""


class StartTimes:
    """`p95` seconds of the last starts: the lead time of a warm machine, and when a start is late."""

    __slots__ = ("_seen", "_since_refresh", "p95")

    def __init__(self, guess: float) -> None:
        self._seen: deque[float] = deque(maxlen=KEPT)
        self._since_refresh = 0
        self.p95 = guess

    @property
    def known(self) -> bool:
        """Whether `p95` has been measured yet."""
        return len(self._seen) >= REFRESH

    def saw(self, seconds: float) -> None:
        self._seen.append(seconds)
        self._since_refresh += 1
        if self._since_refresh == REFRESH:
            self._since_refresh = 0
            self.p95 = sorted(self._seen)[len(self._seen) * 95 // 100]
