"""What a clone of a machine must change in its kernel before it is like no other: clock, randomness, host name,
address.

Every clone of a template wakes with the template's time and the template's random numbers to come. Order matters: what
is drawn before the reseed is the same in all of them.

References: random(4), ``RNDADDENTROPY`` and ``RNDRESEEDCRNG``; clock_settime(2); the kernel's
``Documentation/virt/vmgenid``.
"""

import fcntl
import socket
import struct
import time
from collections.abc import Sequence

from compute.identity import Identity
from compute.sandbox.interfaces import raise_interface

CARD = "eth0"

_RNDADDENTROPY = 0x40085203
_RNDRESEEDCRNG = 0x5207


def seal(identity: Identity, _folders: Sequence[str] = ()) -> None:
    """Makes this machine itself. The machine is the boundary already: there is nothing else to shut. Raises OSError."""
    time.clock_settime_ns(time.CLOCK_REALTIME, identity.time_ns)
    reseed(identity.binding.seed)
    socket.sethostname(identity.hostname)
    if identity.network is not None:
        raise_interface(CARD, identity.network.interface)


def reseed(seed: bytes) -> None:
    """Credits the seed as entropy, then has the kernel draw its key from it: without that it would wait minutes."""
    with open("/dev/urandom", "wb", buffering=0) as device:
        fcntl.ioctl(device, _RNDADDENTROPY, struct.pack("ii", len(seed) * 8, len(seed)) + seed)
        fcntl.ioctl(device, _RNDRESEEDCRNG)
