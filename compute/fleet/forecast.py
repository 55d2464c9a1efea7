"""How many warm machines the demand to come will ask for while one starts.

A machine that is ordered now is there after the lead time L, so what is warm or coming must cover the demand of the
next L seconds: the base-stock policy. L is the mean start, however much starts vary: as many are on order as calls are
under way in a queue with servers enough for all (Palm's theorem). The level is the larger of two estimates:

- arrivals as a Poisson process: the 99th percentile of a count with mean rate x L, by the Cornish-Fisher expansion. The
  rate is the greater of two exponential averages: one of seconds, which sees a surge, and one of minutes, which
  does not forget at the first quiet moment (Knative's panic and stable windows do the same);
- bursts, which no Poisson process has: the largest number seen within one L, halved every few minutes.

Without arrivals both fall to nothing, and so does the level.

References: P. Zipkin, *Foundations of Inventory Management*, base-stock policy and Palm's
theorem; Cornish and Fisher (1938); Knative
documentation, "Autoscaling", panic and stable window.
"""

from math import ceil, exp, exp2, sqrt

FAST_SECONDS = 15.0
SLOW_SECONDS = 300.0
PEAK_HALF_LIFE_SECONDS = 120.0
QUANTILE = 0.99
_Z = 2.326
"""The standard normal distribution's 99th percentile."""
_SKEW = (_Z * _Z - 1) / 6


class Forecast:
    """Hears of each machine asked for; tells the level for a lead time."""

    __slots__ = ("_at", "_fast", "_in_window", "_peak", "_peak_at", "_slow", "_window_ends")

    def __init__(self) -> None:
        self._at = 0.0
        self._fast = self._slow = 0.0
        self._peak = 0.0
        self._peak_at = 0.0
        self._in_window = 0
        self._window_ends = float("-inf")

    def observe(self, now: float, lead_seconds: float) -> None:
        """One more machine is asked for."""
        elapsed = now - self._at
        self._at = now
        self._fast = self._fast * exp(-elapsed / FAST_SECONDS) + 1 / FAST_SECONDS
        self._slow = self._slow * exp(-elapsed / SLOW_SECONDS) + 1 / SLOW_SECONDS
        if now >= self._window_ends:
            self._window_ends = now + lead_seconds
            self._in_window = 0
        self._in_window += 1
        if self._in_window >= self._peak * exp2((self._peak_at - now) / PEAK_HALF_LIFE_SECONDS):
            self._peak, self._peak_at = float(self._in_window), now

    def level(self, now: float, lead_seconds: float) -> int:
        """Machines to have warm or coming."""
        elapsed = now - self._at
        rate = max(self._fast * exp(-elapsed / FAST_SECONDS), self._slow * exp(-elapsed / SLOW_SECONDS))
        burst = self._peak * exp2((self._peak_at - now) / PEAK_HALF_LIFE_SECONDS)
        return max(poisson_quantile(rate * lead_seconds), round(burst))


def poisson_quantile(mean: float) -> int:
    """The 99th percentile of a Poisson count, by its first three moments; half a count corrects for continuity."""
    if mean < 1 - QUANTILE:
        return 0
    return ceil(mean + _Z * sqrt(mean) + _SKEW - 0.5)
