"""What the fleet hears (`Event`) and what it says (`Instruction`).

Machines and requests are numbers, nodes have names; times are seconds of one monotonic clock.
"""

from dataclasses import dataclass
from enum import Enum, IntEnum, auto


class Priority(IntEnum):
    """Who goes first. Batch goes on all the same: one grant in eight is for who has waited longest."""

    INTERACTIVE = 0
    BATCH = 1


@dataclass(frozen=True, slots=True)
class Wanted:
    """Somebody waits for a lease, until `deadline`."""

    request: int
    engine: str
    workspace: str
    principal: str
    deadline: float
    size: str = ""
    priority: Priority = Priority.INTERACTIVE


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
class Leaving:
    """A machine's place goes, and the machine with it by `until`: its pod is evicted, its node drained."""

    machine: int
    until: float


@dataclass(frozen=True, slots=True)
class Released:
    machine: int
    principal: str


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class NodeJoined:
    """A node of a placed type takes machines: it has this much memory and these processors for all of them, and
    perhaps a bound of their number. Told again where that changes."""

    node: str
    node_type: str
    memory_bytes: int
    cpus: float
    most_machines: int | None = None


@dataclass(frozen=True, slots=True)
class NodeDraining:
    """A node takes no more machines, and those on it end by `until`: a drain, or notice of a spot interruption."""

    node: str
    until: float


@dataclass(frozen=True, slots=True)
class NodeLost:
    """A node is gone, with all machines on it."""

    node: str


NodeEvent = NodeJoined | NodeDraining | NodeLost
Event = Wanted | Withdrawn | Ready | Failed | Ended | Leaving | Released | Tick | NodeEvent


@dataclass(frozen=True, slots=True)
class Start:
    """Answered by Ready or Failed, or by Ended where a Stop came first. `hedges` names the late start it stands by."""

    machine: int
    engine: str
    size: str = ""
    node_type: str = ""
    node: str | None = None
    workspace: str | None = None
    hedges: int | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """Answered by Ended. A machine that is still starting is stopped once it has started."""

    machine: int


@dataclass(frozen=True, slots=True)
class Grant:
    """The request gets a lease on the machine. Answered by Released, later."""

    request: int
    machine: int


@dataclass(frozen=True, slots=True)
class Move:
    """The machine's leases should be released and taken anew: it ends by `until`, infinite where what runs may end by
    itself."""

    machine: int
    until: float


class Refusal(Enum):
    FULL = auto()
    LATE = auto()
    FAILING = auto()
    BUDGET = auto()


@dataclass(frozen=True, slots=True)
class Refuse:
    request: int
    refusal: Refusal
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request stands that waits: `before` go before it, and a machine for it is `starting`, or all that there
    may be are in use."""

    before: int
    starting: bool


Instruction = Start | Stop | Grant | Move | Refuse
