"""What the fleet hears (`Event`) and what it says (`Instruction`).

Machines and requests are numbers; times are seconds of one monotonic clock.
"""

from dataclasses import dataclass
from enum import Enum, auto


@dataclass(frozen=True, slots=True)
class Wanted:
    """Somebody waits for a lease, until `deadline`."""

    request: int
    engine: str
    workspace: str
    principal: str
    deadline: float


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Who waited has gone."""

    request: int


@dataclass(frozen=True, slots=True)
class Ready:
    machine: int


@dataclass(frozen=True, slots=True)
class Failed:
    """A start came to nothing."""

    machine: int
    reason: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A machine is over, asked or not."""

    machine: int


@dataclass(frozen=True, slots=True)
class Released:
    machine: int
    principal: str


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Event = Wanted | Withdrawn | Ready | Failed | Ended | Released | Tick


@dataclass(frozen=True, slots=True)
class Start:
    """Answered by Ready or Failed."""

    machine: int
    engine: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Answered by Ended."""

    machine: int


@dataclass(frozen=True, slots=True)
class Grant:
    """The request gets a lease on the machine. Answered by Released, later."""

    request: int
    machine: int


class Refusal(Enum):
    FULL = auto()
    LATE = auto()
    FAILING = auto()


@dataclass(frozen=True, slots=True)
class Refuse:
    request: int
    refusal: Refusal
    reason: str = ""


Instruction = Start | Stop | Grant | Refuse
