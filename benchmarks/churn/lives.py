"""What a subject is told, and what it tells of a round."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile
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

    def lives(self) -> Iterator[int]:
        """Of a round, one by one for as long as there is time: its clients share them."""
        until = time.monotonic() + self.seconds
        return takewhile(lambda _number: time.monotonic() < until, range(self.pods))


@dataclass(slots=True)
class Lives:
    """Seconds from the request to create until the pod runs, of the claim, and from the request to delete until the
    pod is gone."""

    starts: list[float] = field(default_factory=list)
    claims: list[float] = field(default_factory=list)
    recycles: list[float] = field(default_factory=list)
