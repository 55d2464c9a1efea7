"""How long starts take, from the last ones seen."""

from collections import deque

KEPT = 128
REFRESH = 16
"""Starts after which the quantile is taken anew: sorting 128 numbers at every start would be its dearest part."""


class StartTimes:
    """Seconds of the last starts: their `mean`, the lead time of warm machines, and `p95`, after which one is late."""

    __slots__ = ("_seen", "_since_refresh", "mean", "p95")

    def __init__(self, guess: float) -> None:
        self._seen: deque[float] = deque(maxlen=KEPT)
        self._since_refresh = 0
        self.mean = self.p95 = guess

    @property
    def known(self) -> bool:
        """Whether they have been measured yet."""
        return len(self._seen) >= REFRESH

    def saw(self, seconds: float) -> None:
        self._seen.append(seconds)
        self._since_refresh += 1
        if self._since_refresh == REFRESH:
            self._since_refresh = 0
            self.mean = sum(self._seen) / len(self._seen)
            self.p95 = sorted(self._seen)[len(self._seen) * 95 // 100]
