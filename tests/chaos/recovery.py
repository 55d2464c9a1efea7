"""How soon each lane answers again after each blow."""

import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class Wound:
    """One blow. A lane that it `hurts` has recovered once a statement was answered rightly that began after it."""

    victim: str
    struck: float
    hurts: set[str]


class Recovery:
    """Told of blows and of answers, from any thread; keeps the seconds between, by victim and lane.

    A lane that is struck anew before it has recovered is counted from the first blow on, under the first victim.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wounds: list[Wound] = []
        self._seconds: defaultdict[tuple[str, str], list[float]] = defaultdict(list)

    def struck(self, victim: str, lanes: Collection[str]) -> None:
        with self._lock:
            suffering = {lane for wound in self._wounds for lane in wound.hurts}
            self._wounds.append(Wound(victim, time.monotonic(), set(lanes) - suffering))

    def answered(self, lane: str, began: float) -> None:
        now = time.monotonic()
        with self._lock:
            for wound in self._wounds:
                if lane in wound.hurts and began >= wound.struck:
                    wound.hurts.remove(lane)
                    self._seconds[wound.victim, lane].append(now - wound.struck)
            self._wounds = [wound for wound in self._wounds if wound.hurts]

    def table(self) -> Sequence[str]:
        """A line a victim and lane: how many blows, and the seconds until it answered, median and longest."""
        with self._lock:
            return [
                f"{victim:<24} {lane:<6} {len(each):>3} blows, back after {statistics.median(each):5.1f} s (p50), "
                f"{max(each):5.1f} s (longest)"
                for (victim, lane), each in sorted(self._seconds.items())
            ]
