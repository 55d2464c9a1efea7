"""From inside a microVM with a network to the object store: a stranger, root of its kernel, reaches the store alone."""

import os
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from compute.lease import Lease
from compute.pool import Pool
from compute.spawners.qemu.gate import MOST_CONNECTIONS
from compute.spawners.qemu.network import GATE, GUEST, PORT
from tests.fix_hostile import CONFIG, ENGINE, attack
from tests.fix_machines import NETWORKED, running_microvms
from tests.objectstore.server import Store

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(os.geteuid() != 0, reason="networks are made by root"),
]
HOSTILE = replace(NETWORKED, engine=ENGINE, memory_bytes=CONFIG.memory_bytes)
ROUTE = """
import fcntl, struct
def place(address):
    return struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton(address))
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    ends = place("0.0.0.0"), place({gate!r}), place("0.0.0.0")
    fcntl.ioctl(any_socket, 0x890B, struct.pack("@L16s16s16sHhLPhPLLH6x", 0, *ends, 3, *[0] * 8))
result = open("/proc/net/route").read().count("eth0")
"""
"""Everything by the gate: SIOCADDRT of a struct rtentry, with RTF_UP and RTF_GATEWAY."""
REACH = """
def reach(address, port):
    with socket.socket() as caller:
        caller.settimeout(1)
        try:
            caller.connect((address, port))
        except OSError as error:
            return type(error).__name__
        return "open"
result = [reach(*place) for place in {places!r}]
"""
TALK = """
with socket.create_connection(({gate!r}, {port}), 5) as caller:
    caller.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
    result = caller.recv(7).decode()
"""
FLOOD = """
held = []
for _ in range(64):
    caller = socket.socket()
    caller.setblocking(False)
    caller.connect_ex(({gate!r}, {port}))
    held.append(caller)
time.sleep(1)  # to hold them open together is the attack
for caller in held:
    try:
        caller.send(os.urandom(1 << 16))
    except OSError:
        pass
result = len(held)
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool(hostile_image: Path, warehouse: Path, store: Store) -> AsyncIterator[Pool]:
    async with running_microvms(hostile_image, warehouse, HOSTILE, store) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def lease(pool: Pool) -> AsyncIterator[Lease]:
    taken = await pool.lease(ENGINE, workspace="demo", principal="eve")
    yield taken
    await taken.release()


@pytest.fixture
def host() -> Iterator[list[tuple[str, int]]]:
    """Where the host listens, at all of its addresses. Nobody has come by the end."""
    found = [each.address for card in psutil.net_if_addrs().values() for each in card if each.family == socket.AF_INET]
    with socket.create_server(("", 0)) as heard:
        yield [(address, heard.getsockname()[1]) for address in found]
        heard.setblocking(False)
        with pytest.raises(BlockingIOError):
            heard.accept()


async def test_the_store_is_there(lease: Lease) -> None:
    assert await attack(lease, TALK.format(gate=str(GATE.ip), port=PORT)) == "HTTP/1."


async def test_nothing_else_is(lease: Lease, host: list[tuple[str, int]], store: Store) -> None:
    """Neither the host nor what is beyond it, by whichever route: the namespace has none."""
    places = [*host, (str(GATE.ip), host[0][1]), (str(GATE.ip), store.port), ("169.254.169.254", 80)]
    assert "open" not in await attack(lease, REACH.format(places=places))
    assert await attack(lease, ROUTE.format(gate=str(GATE.ip))) == 2
    assert "open" not in await attack(lease, REACH.format(places=places))


async def test_neighbours_are_not(pool: Pool, lease: Lease) -> None:
    """Their address is one's own."""
    other = await pool.lease(ENGINE, workspace="demo", principal="ada")
    listen = "heard = socket.create_server(('', 9)); heard.settimeout(0); result = 1"
    assert await attack(other, listen) == 1
    assert await attack(lease, REACH.format(places=[(str(GUEST.ip), 9)])) == ["ConnectionRefusedError"]
    assert await attack(other, "heard.accept()") == "BlockingIOError: [Errno 11] Resource temporarily unavailable"
    await other.release()


async def test_a_flood_is_its_own_trouble(pool: Pool, lease: Lease) -> None:
    """The gateway carries a few connections of each machine."""
    before = len(os.listdir("/proc/self/fd"))
    assert await attack(lease, FLOOD.format(gate=str(GATE.ip), port=PORT)) == 64
    assert len(os.listdir("/proc/self/fd")) < before + 8 * MOST_CONNECTIONS
    other = await pool.lease(ENGINE, workspace="demo", principal="ada")
    assert await attack(other, TALK.format(gate=str(GATE.ip), port=PORT)) == "HTTP/1."
    await other.release()
