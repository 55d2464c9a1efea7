"""What a simulation is judged by, kept in counters and histograms: a day has tens of millions of events."""

from collections import Counter, defaultdict
from dataclasses import dataclass

from compute.events import Refusal
from compute.fleet import Fleet

LATENCY_BIN = 0.01
LATENCY_BINS = 6001
COST_BINS = 2001
"""Of a microsecond each."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One interval: rates a second, machines at its end, the slowest of a hundred leases, a decision's mean cost."""

    at: float
    leases: float
    starts_and_stops: float
    machines: Counter[str]
    waiting: int
    p99_seconds: float
    decision_microseconds: float


class Record:
    """`interval` seconds pass between two moments of `timeline`, which ends at `until`."""

    def __init__(self, engines: tuple[str, ...], interval: float, until: float) -> None:
        self.timeline: list[Moment] = []
        self.leases: Counter[str] = Counter()
        self.refusals: Counter[Refusal] = Counter()
        self.moved = self.lost = 0
        self.events = self.instructions = 0
        self.decision_nanoseconds = 0
        self.starts: Counter[str] = Counter()
        self.start_seconds: defaultdict[str, float] = defaultdict(float)
        self.unused_seconds: defaultdict[str, float] = defaultdict(float)
        self.machine_seconds: defaultdict[str, float] = defaultdict(float)
        self._engines = engines
        self._interval = interval
        self._next = interval
        self._until = until
        self._latencies = {engine: [0] * LATENCY_BINS for engine in engines}
        self._costs = [0] * COST_BINS
        self._recent: list[float] = []
        self._changes = 0
        self._asked = 0
        self._before = (0, 0)

    def asked(self) -> None:
        self._asked += 1

    def granted(self, engine: str, seconds: float) -> None:
        """A lease was handed out, so long after it was asked for."""
        self.leases[engine] += 1
        self._latencies[engine][min(int(seconds / LATENCY_BIN), LATENCY_BINS - 1)] += 1
        self._recent.append(seconds)

    def refused(self, refusal: Refusal) -> None:
        self.refusals[refusal] += 1

    def started(self, engine: str, seconds: float) -> None:
        """A machine came up, so long after it was ordered."""
        self._changes += 1
        self.starts[engine] += 1
        self.start_seconds[engine] += seconds

    def machine_over(self, engine: str, started: float, used: float | None, ended: float) -> None:
        """A machine has ended. It was of no use until it was lent first."""
        self._changes += 1
        self.unused_seconds[engine] += (ended if used is None else used) - started
        self.machine_seconds[engine] += ended - started

    def decided(self, nanoseconds: int, instructions: int) -> None:
        self.events += 1
        self.instructions += instructions
        self.decision_nanoseconds += nanoseconds
        self._costs[min(nanoseconds // 1000, COST_BINS - 1)] += 1

    def pass_time(self, now: float, fleet: Fleet) -> None:
        """Closes the intervals that are over."""
        while now >= self._next <= self._until:
            self._close(fleet)
            self._next += self._interval

    def share_within(self, seconds: float, *engines: str) -> float:
        """Of the leases of those engines (all, without any named), how many came within that time."""
        chosen = [self._latencies[engine] for engine in engines or self._engines]
        within = sum(sum(bins[: round(seconds / LATENCY_BIN)]) for bins in chosen)
        return within / max(1, sum(map(sum, chosen)))

    def latency(self, share: float, engine: str) -> float:
        """The time within which that share of the engine's leases came, seconds."""
        return LATENCY_BIN * (_rank(self._latencies[engine], share) + 1)

    def decision(self, share: float) -> float:
        """The cost that so many decisions stay within, microseconds."""
        return float(_rank(self._costs, share) + 1)

    def waste_ratio(self, engine: str) -> float:
        """Machine-seconds of no use, against an oracle that knows the future.

        The oracle orders each lease's machine just so long before as its start takes, so it wastes that start alone.
        """
        mean_start = self.start_seconds[engine] / max(1, self.starts[engine])
        return self.unused_seconds[engine] / max(1e-9, self.leases[engine] * mean_start)

    def _close(self, fleet: Fleet) -> None:
        recent = sorted(self._recent)
        events, nanoseconds = self._before
        cost = (self.decision_nanoseconds - nanoseconds) / max(1, self.events - events) / 1000
        machines: Counter[str] = Counter()
        for engine in self._engines:
            machines.update(fleet.count(engine))
        waiting = self._asked - sum(self.leases.values()) - sum(self.refusals.values())
        self.timeline.append(
            Moment(
                self._next,
                len(recent) / self._interval,
                self._changes / self._interval,
                machines,
                waiting,
                recent[len(recent) * 99 // 100] if recent else 0.0,
                cost,
            )
        )
        self._recent, self._changes, self._before = [], 0, (self.events, self.decision_nanoseconds)


def _rank(bins: list[int], share: float) -> int:
    """The bin in which that share is reached."""
    left = share * sum(bins)
    for index, number in enumerate(bins):
        left -= number
        if left <= 0:
            return index
    return len(bins) - 1
