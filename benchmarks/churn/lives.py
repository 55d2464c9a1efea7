"""What a subject is told, and what it tells of a round."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from compute.config import EngineConfig

ENGINE = EngineConfig("duckdb", "user", warm_machines=0, start_seconds=300.0)


@dataclass(frozen=True, slots=True)
class Order:
    """`pods` lives a round, at most `at_once` at any time and none begun after `seconds`. `folder` is the subject's."""

    kubeconfig: Path
    namespace: str
    gateway: str
    pods: int
    at_once: int
    seconds: float
    folder: Path

    def clients(self) -> list[Iterator[int]]:
        """For each of a round's clients, its lives one by one for as long as there is time."""
        until = time.monotonic() + self.seconds
        return [self._lives(number, until) for number in range(self.at_once)]

    def _lives(self, first: int, until: float) -> Iterator[int]:
        for number in range(first, self.pods, self.at_once):
            if time.monotonic() > until:
                return
            yield number


@dataclass(slots=True)
class Lives:
    """Seconds from the request to create until the pod runs, of the claim, and from the request to delete until the
    pod is gone."""

    starts: list[float] = field(default_factory=list)
    claims: list[float] = field(default_factory=list)
    recycles: list[float] = field(default_factory=list)
