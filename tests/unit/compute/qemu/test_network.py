"""A machine's wire: what is in its namespace, what holds it, and what is said where there can be none."""

import array
import fcntl
import os
import socket
import struct

import pytest

from compute.sandbox import interfaces
from compute.spawners import CannotStart
from compute.spawners.qemu.network import GATE, PORT, TAP, StoreAddress, laid_wire

STORE = StoreAddress("127.0.0.1", 9)
SIOCGIFCONF = 0x8912
ENTRY_BYTES = 40
by_root = pytest.mark.skipif(os.geteuid() != 0, reason="networks are made by root")


def addresses(inside: socket.socket) -> dict[str, str]:
    """Of the devices in the namespace that a socket is of, by name (netdevice(7))."""
    room = array.array("B", bytes(16 * ENTRY_BYTES))
    asked = struct.pack("iP", len(room), room.buffer_info()[0])
    (length,) = struct.unpack("i12x", fcntl.ioctl(inside, SIOCGIFCONF, asked))
    entries = [room[at : at + ENTRY_BYTES].tobytes() for at in range(0, length, ENTRY_BYTES)]
    return {each[:16].rstrip(b"\0").decode(): socket.inet_ntoa(each[20:24]) for each in entries}


@by_root
async def test_there_is_a_gate_and_nothing_else() -> None:
    """Whoever waits at this port here is not who waits there."""
    own = socket.if_nameindex()
    async with laid_wire(True, STORE) as (tap, gate):
        assert gate is not None
        assert addresses(gate._listener) == {TAP: str(GATE.ip)}
        assert gate._listener.getsockname() == (str(GATE.ip), PORT)
        assert os.readlink(f"/proc/self/fd/{tap}") == interfaces.TUN
    assert socket.if_nameindex() == own
    await gate.close()


@by_root
async def test_a_wire_goes_with_its_end() -> None:
    """Nothing else has to be taken away."""
    async with laid_wire(True, STORE) as (_, gate):
        pass
    assert gate is not None
    assert addresses(gate._listener) == {}
    await gate.close()


@by_root
async def test_a_template_is_connected_to_nobody() -> None:
    async with laid_wire(True, None) as (tap, gate):
        assert (tap is None, gate) == (False, None)
    async with laid_wire(False, STORE) as nothing:
        assert nothing == (None, None)


async def test_a_host_without_networks_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interfaces, "TUN", "/nowhere/net/tun")
    with pytest.raises(CannotStart, match="modprobe tun"):
        async with laid_wire(True, STORE):
            pass
