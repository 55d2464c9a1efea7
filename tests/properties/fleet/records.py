"""What the witness notes of machines, of nodes and of what failed there."""

from dataclasses import dataclass, field

from compute.config import EngineConfig
from compute.events import Start, Wanted

FIRST_BACKOFF, LONGEST_BACKOFF = 0.2, 30.0


@dataclass(eq=False)
class Pause:
    """After so many failures in a row nothing starts here for a while, twice as long each time."""

    tolerated: int
    failures: int = 0
    until: float = float("-inf")

    def fail(self, now: float) -> None:
        if now < self.until:
            return
        self.failures += 1
        if self.failures > self.tolerated:
            self.until = now + min(FIRST_BACKOFF * 2 ** (self.failures - self.tolerated - 1), LONGEST_BACKOFF)

    def succeed(self) -> None:
        self.failures, self.until = 0, float("-inf")


@dataclass(eq=False)
class Machine:
    """`leases` are the requests that it serves now."""

    start: Start
    config: EngineConfig
    workspace: str | None
    own_since: float | None = None
    is_up: bool = False
    is_stopping: bool = False
    has_served: bool = False
    leaving: bool = False
    leases: list[Wanted] = field(default_factory=list)

    @property
    def state(self) -> str:
        if self.is_stopping:
            return "stopping"
        return "starting" if not self.is_up else "serving" if self.has_served else "spare"


@dataclass(eq=False)
class Node:
    type: str
    memory_bytes: int
    cpus: float
    leaving: bool = False
    pause: Pause = field(default_factory=lambda: Pause(0))
