"""How soon each lane answers again after each blow, kills and stops apart."""

import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from tests.chaos.saboteur import KILL, STOP

KILL_AFTER_STOP = "kill after a stop of"
SILENT_SECONDS = 30.0
"""A little longer than it takes to find what is stopped."""


@dataclass(slots=True)
class Wound:
    """One blow. A lane that it `hurts` has recovered once a statement was answered rightly that began after it."""

    manner: str
    victim: str
    struck: float
    hurts: set[str]


@dataclass(frozen=True, slots=True)
class Times:
    """How many blows, and the seconds until the lane answered, median and longest.

    After a kill that is the time to replace what is gone; after a stop most of it is silence, which must last to be
    told from work. A kill soon after a stop may leave the lane to what is stopped, and so counts apart from both.
    """

    manner: str
    victim: str
    lane: str
    blows: int
    p50: float
    longest: float


class Recovery:
    """Told of blows and of answers, from any thread; keeps the seconds between, by victim and lane.

    A lane that is struck anew before it has recovered is counted from the first blow on, under the first victim.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wounds: list[Wound] = []
        self._silent_until: defaultdict[str, float] = defaultdict(float)
        self._seconds: defaultdict[tuple[str, str, str], list[float]] = defaultdict(list)

    def struck(self, manner: str, victim: str, lanes: Collection[str]) -> None:
        now = time.monotonic()
        with self._lock:
            if manner == KILL and any(now < self._silent_until[lane] for lane in lanes):
                manner = KILL_AFTER_STOP
            if manner == STOP:
                self._silent_until.update(dict.fromkeys(lanes, now + SILENT_SECONDS))
            suffering = {lane for wound in self._wounds for lane in wound.hurts}
            self._wounds.append(Wound(manner, victim, now, set(lanes) - suffering))

    def answered(self, lane: str, began: float) -> None:
        now = time.monotonic()
        with self._lock:
            for wound in self._wounds:
                if lane in wound.hurts and began >= wound.struck:
                    wound.hurts.remove(lane)
                    self._seconds[wound.manner, wound.victim, lane].append(now - wound.struck)
            self._wounds = [wound for wound in self._wounds if wound.hurts]

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
            f"{each.manner} {each.victim:<18} {each.lane:<6} {each.blows:>3} blows, "
            f"back after {each.p50:5.1f} s (p50), {each.longest:5.1f} s (longest)"
            for each in self.times()
        ]
