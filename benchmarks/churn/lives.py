"""What a subject is told, and what it tells of a round."""

from dataclasses import dataclass, field
from pathlib import Path

from compute.config import EngineConfig

ENGINE = EngineConfig("duckdb", "user", warm_machines=0, start_seconds=300.0)


@dataclass(frozen=True, slots=True)
class Order:
    """`pods` lives a round, at most `at_once` at any time. `folder` is the subject's own."""

    kubeconfig: Path
    namespace: str
    gateway: str
    pods: int
    at_once: int
    folder: Path

    def shares(self) -> list[int]:
        """Lives of each of `at_once` clients."""
        return [len(range(number, self.pods, self.at_once)) for number in range(self.at_once)]


@dataclass(slots=True)
class Lives:
    """Seconds from the request to create until the pod runs, of the claim, and from the request to delete until the
    pod is gone."""

    starts: list[float] = field(default_factory=list)
    claims: list[float] = field(default_factory=list)
    recycles: list[float] = field(default_factory=list)
