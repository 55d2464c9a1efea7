"""Spawners: how a machine comes to be and ends.

`process` starts machines as processes of this host, from a zygote. Others (microVM, Kubernetes) implement the same
three calls. A spawner knows nothing of leases: it starts, tells whether a machine still lives, and stops it.

What a spawner makes outlives a SIGKILL unless somebody takes it away: it lies in its run folder (`folders`) or is
recorded in that folder's `journal` before it is made. Whoever starts next adopts what lives and is nobody's yet
(`adoption`), and has the `reapers` take the rest away.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from compute.config import MachineSpec, Room

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from compute.connection import Connection
    from compute.events import NodeEvent
    from compute.identity import Network

ADOPTION_SECONDS = 120.0
"""What an earlier gateway left warm and nobody has taken up by then only holds room."""


@dataclass(frozen=True, slots=True)
class Isolation:
    """How well machines are shut off from the host and each other.

    `level` is ``virtual`` for virtual machines, ``namespaces`` for processes when everything works, else ``none``;
    `missing` then says what failed and which setting helps. Drivers of a cluster's executors have the host's network,
    and count as shut off if nobody but their executors is heard. A gateway without isolation serves one principal only,
    unless its operator accepted that. `unbounded` says which of the host's resources one machine could use up, and
    which setting would bound it: a warning.

    `guest_uid` is the host's user that machines write to their warehouses as; None: the gateway's own.
    """

    level: Literal["virtual", "namespaces", "none"]
    missing: tuple[str, ...] = ()
    unbounded: tuple[str, ...] = ()
    guest_uid: int | None = None


class Machine(Protocol):
    """A running machine. `ended` holds the exit status once it is over."""

    name: str
    ended: "asyncio.Future[int]"

    async def connect(self) -> "Connection":
        """A new connection to its guest, which speaks first. Raises OSError, also where the guest takes no more."""
        ...


@runtime_checkable
class Transient(Protocol):
    """A machine whose place may go before it does.

    `leaving` is then settled, with the time of the monotonic clock by which it is over: a statement may end until then,
    and no other should come.
    """

    leaving: "asyncio.Future[float]"


@runtime_checkable
class Adoptable(Protocol):
    """A machine that outlives a killed gateway while it is nobody's: the next one has it then. So it waits, where
    others end, when who connected leaves before it got an identity.

    `claim` comes before it gets an identity, and from then on it ends with its gateway. Raises OSError.
    """

    def claim(self) -> None: ...


@runtime_checkable
class Networked(Protocol):
    """A machine that may have a way to the object store: its guest is told of it."""

    network: "Network | None"


class Spawner(Protocol):
    """`open` comes first and tells the isolation that machines will have; `close` stops everything that is left."""

    async def open(self) -> Isolation: ...

    async def start(self, spec: MachineSpec) -> Machine:
        """Returns once its guest may be connected to. Raises CannotStart."""
        ...

    async def poll(self, machine: Machine) -> int | None:
        """The exit status, or None while the machine runs."""
        ...

    async def stop(self, machine: Machine, *, now: bool = False) -> None:
        """Ends the machine and waits for it. `now` skips asking."""
        ...

    async def close(self) -> None: ...


@runtime_checkable
class Placing(Protocol):
    """A spawner that starts machines of placed types on the very node that their placement names."""

    def footprint(self, spec: MachineSpec) -> Room:
        """What such a machine takes of its node."""
        ...

    def watch_nodes(self, tell: "Callable[[NodeEvent], None]") -> None:
        """After `open`: tells of every node of a placed type that there is, and from then on of every change."""
        ...


@runtime_checkable
class Supersedable(Protocol):
    """A spawner whose machines are its own by a name that another gateway may take: they are then the other's."""

    def watch_name(self, tell: "Callable[[str], None]") -> None:
        """Tells once that it is so, and why. Nothing is started from then on."""
        ...


class CannotStart(Exception):
    """A machine did not come up. The fleet backs off; the message is for the operator's log."""
