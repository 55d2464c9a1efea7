"""A microVM's network: a wire to a namespace in which there is one gate, to the object store, and nothing else.

The namespace has no name, no route and no way to the host or to other machines; all have the same addresses. It is held
by QEMU's end of the wire and by the gate, so it is gone with them, however they end: there is nothing to reap.

References: network_namespaces(7); QEMU, "Network emulation" (``-netdev tap,fd=``).
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import FileIO
from ipaddress import IPv4Interface

from compute.identity import Network
from compute.sandbox.interfaces import TUN, open_tap, raise_interface
from compute.sandbox.namespaces import CLONE_NEWNET, unshare
from compute.spawners import CannotStart
from compute.spawners.qemu.gate import Gate

TAP = "tap0"
GATE = IPv4Interface("172.30.0.1/30")
GUEST = IPv4Interface("172.30.0.2/30")
PORT = 443
ADVICE = f"it takes root (CAP_SYS_ADMIN and CAP_NET_ADMIN) and {TUN} (modprobe tun)"


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """Where the object store is, as the gateway reaches it, and the certificates (PEM) that vouch for its name."""

    host: str
    port: int
    authorities: str = ""

    @property
    def network(self) -> Network:
        """As a machine is told."""
        return Network(str(GUEST), str(GATE.ip), PORT, self.authorities)


@asynccontextmanager
async def laid_wire(wanted: bool, store: StoreAddress | None) -> AsyncIterator[tuple[int | None, Gate | None]]:
    """QEMU's end of a wire, to inherit while the context lasts, and the gate at the other end, which is the caller's
    afterwards. Without a `store` the wire leads to nobody, as a template's. Raises CannotStart."""
    if not wanted:
        yield None, None
        return
    wire, listener = await _lay_in_thread()
    with wire:
        if store is None:
            listener.close()
            yield wire.fileno(), None
            return
        gate = Gate(listener, store.host, store.port)
        try:
            yield wire.fileno(), gate
        except BaseException:
            await gate.close()
            raise


async def _lay_in_thread() -> tuple[FileIO, socket.socket]:
    """A thread that has been there stays in the namespace: it is used once. Raises CannotStart."""
    with ThreadPoolExecutor(1, "machine-network") as unused:
        try:
            return await asyncio.get_running_loop().run_in_executor(unused, _lay)
        except OSError as error:
            raise CannotStart(f"a machine cannot have a network: {error}; {ADVICE}") from error


def _lay() -> tuple[FileIO, socket.socket]:
    """In a new namespace. Raises OSError."""
    unshare(CLONE_NEWNET)
    wire = FileIO(open_tap(TAP), "r+")
    try:
        raise_interface(TAP, GATE)
        return wire, socket.create_server((str(GATE.ip), PORT))
    except OSError:
        wire.close()
        raise
