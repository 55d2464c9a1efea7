"""From inside a microVM whose engine a stranger has taken over, as root of its own kernel."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from catalog.errors import MachineLost
from compute.lease import Lease
from compute.pool import Pool
from tests.fix_hostile import CONFIG, ENGINE, attack
from tests.fix_machines import MICROVM, running_microvms

pytestmark = pytest.mark.asyncio(loop_scope="module")
CLONES = 3
HOSTILE = replace(MICROVM, engine=ENGINE, memory_bytes=CONFIG.memory_bytes)
DRAW = """
kernel = open("/proc/sys/kernel/random/uuid").read()
result = [socket.gethostname(), kernel, os.urandom(16).hex(), random.random(), str(uuid.uuid4())]
"""
CLOCK_SECONDS = 30


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool(hostile_image: Path, warehouse: Path) -> AsyncIterator[Pool]:
    async with running_microvms(hostile_image, warehouse, HOSTILE) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def lease(pool: Pool) -> AsyncIterator[Lease]:
    taken = await pool.lease(ENGINE, workspace="demo", principal="eve")
    yield taken
    await taken.release()


async def test_no_two_clones_are_alike(pool: Pool) -> None:
    """Neither the kernel's randomness nor the interpreter's, and each has a name of its own."""
    leases = [await pool.lease(ENGINE, workspace="demo", principal=f"user {n}") for n in range(CLONES)]
    drawn = await asyncio.gather(*(attack(lease, DRAW) for lease in leases))
    for lease in leases:
        await lease.release()
    for values in zip(*drawn, strict=True):
        assert len(set(values)) == CLONES


async def test_a_clone_knows_what_time_it_is(lease: Lease) -> None:
    """It woke when its template was saved."""
    assert abs(await attack(lease, "result = time.time()") - time.time()) < CLOCK_SECONDS


async def test_there_is_no_network(lease: Lease) -> None:
    assert await attack(lease, "result = [name for _, name in socket.if_nameindex()]") == ["lo"]
    reach = "socket.create_connection(('10.0.2.2', 80), 5)"
    assert (await attack(lease, reach)).startswith("OSError: [Errno 101]")


async def test_there_is_one_disk_and_it_cannot_be_written(lease: Lease) -> None:
    """Every machine reads the same image."""
    assert await attack(lease, "result = [d for d in os.listdir('/sys/block') if not d.startswith('loop')]") == ["vda"]
    code = "f = os.open('/dev/vda', os.O_RDWR); os.write(f, b'x'); result = 'written'"
    assert "Error" in await attack(lease, code)


async def test_the_host_cannot_be_seen(lease: Lease, warehouse: Path) -> None:
    """Not its files, and not where its tables lie."""
    code = f"result = [os.path.exists(path) for path in ({str(warehouse)!r}, '/root', '/home', '/bin/sh')]"
    assert await attack(lease, code) == [False] * 4
    assert str(warehouse) not in await attack(lease, "result = warehouse")


async def test_memory_that_runs_out_is_its_own(pool: Pool, lease: Lease) -> None:
    other = await pool.lease(ENGINE, workspace="demo", principal="ada")
    with pytest.raises(MachineLost):
        await attack(lease, "hoard = [bytearray(64 << 20) for _ in range(64)]")
    assert await attack(other, "result = 1") == 1
    await other.release()
