"""How soon each lane answers again after each blow, kills and stops apart."""

import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from tests.chaos.saboteur import KILL, STOP, Blow

KILL_AFTER_STOP = "kill after a stop of"
SEVERAL = "several blows on", "it"
"""Manner and victim of a lane that was struck anew before it had recovered."""
SILENT_SECONDS = 30.0
"""A little longer than it takes to find what is stopped."""


@dataclass(slots=True)
class Wound:
    """Of one lane, by these blows. It has recovered once a statement was answered rightly that began after the last."""

    blows: set[str]
    manner: str
    victim: str
    first_blow: float
    last_blow: float


@dataclass(frozen=True, slots=True)
class Times:
    """How many wounds, and the seconds from the first blow until the lane answered, median and longest.

    After a kill that is the time to replace what is gone; after a stop most of it is silence, which must last to be
    told from work. A kill soon after a stop may leave the lane to what is stopped, and so counts apart from both.
    """

    manner: str
    victim: str
    lane: str
    wounds: int
    p50: float
    longest: float


class Recovery:
    """Told of blows and of answers, from any thread; keeps the seconds between, by victim and lane.

    `outlived` are the kinds of blow that a lane has recovered from, and the lane.
    """

    def __init__(self) -> None:
        self.outlived: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        self._wounds: dict[str, Wound] = {}
        self._silent_until: defaultdict[str, float] = defaultdict(float)
        self._seconds: defaultdict[tuple[str, str, str], list[float]] = defaultdict(list)

    @property
    def is_over(self) -> bool:
        """Whether every lane has answered since it was struck."""
        return not self._wounds

    def struck(self, blow: Blow, lanes: Collection[str]) -> None:
        """Those of the lanes are hurt that it may hurt."""
        now, manner = time.monotonic(), blow.manner
        lanes = [lane for lane in blow.plot.lanes if lane in lanes]
        with self._lock:
            if manner == KILL and any(now < self._silent_until[lane] for lane in lanes):
                manner = KILL_AFTER_STOP
            if manner == STOP:
                self._silent_until.update(dict.fromkeys(lanes, now + SILENT_SECONDS))
            for lane in lanes:
                self._wound(lane, manner, blow, now)

    def _wound(self, lane: str, manner: str, blow: Blow, now: float) -> None:
        if (wound := self._wounds.get(lane)) is None:
            self._wounds[lane] = Wound({blow.name}, manner, blow.plot.name, now, now)
        else:
            wound.blows.add(blow.name)
            (wound.manner, wound.victim), wound.last_blow = SEVERAL, now

    def answered(self, lane: str, began: float) -> None:
        now = time.monotonic()
        with self._lock:
            wound = self._wounds.get(lane)
            if wound is not None and began >= wound.last_blow:
                del self._wounds[lane]
                self.outlived |= {(name, lane) for name in wound.blows}
                self._seconds[wound.manner, wound.victim, lane].append(now - wound.first_blow)

    def times(self) -> Sequence[Times]:
        """By manner, victim and lane."""
        with self._lock:
            return [
                Times(*key, len(each), round(statistics.median(each), 2), round(max(each), 2))
                for key, each in sorted(self._seconds.items())
            ]

    def table(self) -> Sequence[str]:
        """A line each."""
        return [
            f"{each.manner} {each.victim:<18} {each.lane:<6} {each.wounds:>3} times, "
            f"back after {each.p50:5.1f} s (p50), {each.longest:5.1f} s (longest)"
            for each in self.times()
        ]
