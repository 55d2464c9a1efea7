"""What makes a machine differ from every other one of its template, in the order in which it must be obeyed."""

from dataclasses import dataclass
from ipaddress import IPv4Interface

from compute.engines import Binding


@dataclass(frozen=True, slots=True)
class Network:
    """A machine's way to the object store, and to nothing else.

    `address` is its own, with the network's length, `gate` and `port` are where the store answers, whatever its name.
    `authorities` are the certificates, in PEM, of which one has to vouch for that name.
    """

    address: str
    gate: str
    port: int
    authorities: str

    @property
    def interface(self) -> IPv4Interface:
        return IPv4Interface(self.address)


@dataclass(frozen=True, slots=True)
class Identity:
    """Host name and wall clock (nanoseconds since 1970) come first, then the engine is bound.

    `network` is None where a machine has none.
    """

    hostname: str
    time_ns: int
    binding: Binding
    network: Network | None = None
