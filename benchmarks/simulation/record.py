"""What a simulation is judged by, kept in counters and histograms: a day has tens of millions of events."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from compute.events import Refusal

INTERVAL_SECONDS = 10.0
LATENCY_BIN = 0.01
COST_BINS = 2001
"""Of a microsecond each; the last one is for all that is dearer."""


@dataclass(slots=True)
class Interval:
    """What happened in `seconds` up to `at`; `machines` by state and `waiting` are those at its end.

    By engine: `latencies` count leases by bins of LATENCY_BIN, `unused_seconds` are machine-seconds before a machine's
    first lease. Leases `moved` off what was about to go, or were `lost` with it; they `ended` when their workspace had
    spent its budget, and requests were `refused`.
    """

    at: float
    seconds: float = INTERVAL_SECONDS
    asked: int = 0
    ordered: int = 0
    over: int = 0
    waiting: int = 0
    moved: int = 0
    lost: int = 0
    ended: int = 0
    refused: Counter[Refusal] = field(default_factory=Counter)
    machines: Mapping[str, Counter[str]] = field(default_factory=dict)
    latencies: dict[str, Counter[int]] = field(default_factory=dict)
    unused_seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    @property
    def starts_and_stops(self) -> float:
        """A second."""
        return (self.ordered + self.over) / self.seconds

    def leases(self, engine: str) -> int:
        return self.latencies[engine].total()

    def latency(self, share: float, engine: str) -> float:
        """The time within which that share of the engine's leases came, seconds; 0 without any."""
        bins = self.latencies[engine]
        left = share * bins.total()
        for index in sorted(bins):
            left -= bins[index]
            if left <= 0:
                return LATENCY_BIN * (index + 1)
        return 0.0


class Record:
    """`timeline` are intervals from the begin to `until`; `after` is what came to its end later."""

    def __init__(self, engines: tuple[str, ...], until: float) -> None:
        self.timeline: list[Interval] = []
        self.told = self.places_nanoseconds = 0
        self.events = self.instructions = 0
        self.decision_nanoseconds = 0
        self.costs = [0] * COST_BINS
        self.most_machines = 0
        self.machine_seconds: defaultdict[str, float] = defaultdict(float)
        self._starts: Counter[str] = Counter()
        self._start_seconds: defaultdict[str, float] = defaultdict(float)
        self._engines = engines
        self._until = until
        self._machines = self._waiting = 0
        self._unused: Counter[str] = Counter()
        self._unused_at = 0.0
        self.after = self._begin(INTERVAL_SECONDS)

    def asked(self) -> None:
        self.after.asked += 1
        self._waiting += 1

    def granted(self, engine: str, seconds: float) -> None:
        """A lease was handed out, so long after it was asked for."""
        self.after.latencies[engine][int(seconds / LATENCY_BIN)] += 1
        self._waiting -= 1

    def refused(self, refusal: Refusal) -> None:
        self.after.refused[refusal] += 1
        self._waiting -= 1

    def moved(self) -> None:
        self.after.moved += 1

    def lost(self) -> None:
        self.after.lost += 1

    def ended(self) -> None:
        self.after.ended += 1

    def placed(self, nanoseconds: int) -> None:
        """Somebody was told of his place in a queue, at that cost."""
        self.told += 1
        self.places_nanoseconds += nanoseconds

    def ordered(self, engine: str, now: float) -> None:
        """A machine starts. It is of no use until it is lent first."""
        self.after.ordered += 1
        self._machines += 1
        self.most_machines = max(self.most_machines, self._machines)
        self._count_unused(engine, 1, now)

    def came_up(self, engine: str, seconds: float) -> None:
        """So long after it was ordered."""
        self._starts[engine] += 1
        self._start_seconds[engine] += seconds

    def used(self, engine: str, now: float) -> None:
        """A machine is lent first."""
        self._count_unused(engine, -1, now)

    def machine_over(self, engine: str, started: float, is_used: bool, now: float) -> None:
        self.after.over += 1
        self._machines -= 1
        self.machine_seconds[engine] += now - started
        if not is_used:
            self._count_unused(engine, -1, now)

    def decided(self, nanoseconds: int, instructions: int) -> None:
        self.events += 1
        self.instructions += instructions
        self.decision_nanoseconds += nanoseconds
        self.costs[min(nanoseconds // 1000, COST_BINS - 1)] += 1

    def next_close(self) -> float:
        """When `close` is due."""
        return self.after.at if self.after.at <= self._until else float("inf")

    def close(self, machines: Mapping[str, Counter[str]]) -> None:
        """An interval is over, with these machines by engine and state."""
        now = self.after.at
        self._pass_time(now)
        self.after.machines, self.after.waiting = machines, self._waiting
        self.timeline.append(self.after)
        self.after = self._begin(now + INTERVAL_SECONDS)

    def whole(self) -> Interval:
        return merge([*self.timeline, self.after])

    def mean_start(self, engine: str) -> float:
        """Seconds that a machine took to come up."""
        return self._start_seconds[engine] / max(1, self._starts[engine])

    def share_within(self, seconds: float, *engines: str) -> float:
        """Of the leases of those engines (all, without any named), how many came within that time."""
        whole = self.whole()
        bins = sum((whole.latencies[engine] for engine in engines or self._engines), Counter[int]())
        return sum(bins[index] for index in range(round(seconds / LATENCY_BIN))) / max(1, bins.total())

    def decision(self, share: float) -> int:
        """The cost that so many decisions stay within, microseconds."""
        left = share * self.events
        for index, number in enumerate(self.costs):
            left -= number
            if left <= 0:
                return index + 1
        return COST_BINS

    def waste_ratio(self, engine: str) -> float:
        """Machine-seconds of no use, against an oracle that knows the future.

        The oracle orders each lease's machine just so long before as its start takes, so it wastes that start alone.
        """
        whole = self.whole()
        return whole.unused_seconds[engine] / max(1e-9, whole.leases(engine) * self.mean_start(engine))

    def _begin(self, at: float) -> Interval:
        return Interval(at, latencies={engine: Counter() for engine in self._engines})

    def _count_unused(self, engine: str, change: int, now: float) -> None:
        self._pass_time(now)
        self._unused[engine] += change

    def _pass_time(self, now: float) -> None:
        elapsed = now - self._unused_at
        self._unused_at = now
        if elapsed:
            unused_seconds = self.after.unused_seconds
            for engine, machines in self._unused.items():
                unused_seconds[engine] += machines * elapsed


def merge(intervals: Iterable[Interval]) -> Interval:
    """Neighbours as one: counts are added, the state at the end is the last one's. There must be one."""
    first, *others = intervals
    merged = Interval(first.at, first.seconds)
    merged.latencies = {engine: Counter() for engine in first.latencies}
    for each in (first, *others):
        merged.asked += each.asked
        merged.ordered += each.ordered
        merged.over += each.over
        merged.moved += each.moved
        merged.lost += each.lost
        merged.ended += each.ended
        merged.refused.update(each.refused)
        for engine, seconds in each.unused_seconds.items():
            merged.unused_seconds[engine] += seconds
        for engine, bins in each.latencies.items():
            merged.latencies[engine].update(bins)
        merged.at, merged.waiting, merged.machines = each.at, each.waiting, each.machines
    merged.seconds += sum(each.seconds for each in others)
    return merged


def grouped(intervals: list[Interval], size: int) -> Iterator[list[Interval]]:
    """So many neighbours at a time."""
    return (intervals[begin : begin + size] for begin in range(0, len(intervals), size))
