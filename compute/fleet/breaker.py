"""A circuit breaker: what fails is not tried again before a pause is over, which doubles from failure to failure.

Reference: M. Nygard, *Release It!*, "Circuit Breaker".
"""

FIRST_BACKOFF_SECONDS = 0.2
LAST_BACKOFF_SECONDS = 30.0
GIVE_UP_FAILURES = 3
"""Failures in a row after which those who wait are told."""


class Breaker:
    """Opens at the `threshold`-th failure in a row. A success closes it."""

    __slots__ = ("_threshold", "failures", "reason", "retry_at")

    def __init__(self, threshold: int = 1) -> None:
        self._threshold = threshold
        self.failures = 0
        self.retry_at = float("-inf")
        self.reason = ""

    def fail(self, reason: str, now: float) -> None:
        """Failures of one moment have one cause, and count once."""
        if self.is_open(now):
            return
        self.failures += 1
        self.reason = reason
        if (repeats := self.failures - self._threshold) >= 0:
            self.retry_at = now + min(FIRST_BACKOFF_SECONDS * 2**repeats, LAST_BACKOFF_SECONDS)

    def succeed(self) -> None:
        if self.failures:
            self.failures = 0
            self.retry_at = float("-inf")

    def is_open(self, now: float) -> bool:
        return self.retry_at > now

    def gives_up(self, now: float) -> bool:
        return self.is_open(now) and self.failures >= self._threshold + GIVE_UP_FAILURES - 1
