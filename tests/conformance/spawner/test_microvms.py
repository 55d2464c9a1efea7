"""MicroVMs: clones of one template that are each their own, read through the channel, and leave nothing behind."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from catalog.errors import MachineLost
from catalog.scans import Scan
from compute.lease import Lease
from compute.pool import Pool
from compute.spawners.process import GUEST_UID
from tests.fix_cluster import eventually
from tests.fix_compute import ROWS, ask, rows
from tests.fix_machines import microvms, running_microvms
from tests.processes import kill

pytestmark = pytest.mark.asyncio(loop_scope="module")
CLONES = 3
UNIQUE = "SELECT uuid()::VARCHAR AS uuid, random() AS random, now()::VARCHAR AS now"
READ_KERNEL = "SELECT content FROM read_text('/proc/sys/kernel/random/uuid')"
MANY_ROWS = "SELECT range AS n, repeat('x', 100) AS text FROM range(100000000)"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool(guest_image: Path, warehouse: Path) -> AsyncIterator[Pool]:
    async with running_microvms(guest_image, warehouse) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def lease(pool: Pool) -> AsyncIterator[Lease]:
    taken = await pool.lease("duckdb", workspace="demo", principal="ada")
    yield taken
    await taken.release()


async def test_tables_are_read_through_the_channel(lease: Lease, points: Scan) -> None:
    sql = "SELECT count(*) AS n, sum(id) AS total FROM scan_0"
    assert await ask(lease, sql, scans=[points]) == [{"n": ROWS, "total": ROWS * (ROWS - 1) // 2}]


async def test_clones_share_nothing_random(pool: Pool) -> None:
    leases = [await pool.lease("duckdb", workspace="demo", principal=f"user {n}") for n in range(CLONES)]
    told = [(await ask(lease, UNIQUE))[0] for lease in leases]
    for lease in leases:
        await lease.release()
    assert len({each["uuid"] for each in told}) == len({each["random"] for each in told}) == CLONES


async def test_a_machine_that_dies_is_replaced(pool: Pool, lease: Lease) -> None:
    answer = await lease.execute(MANY_ROWS)
    await anext(aiter(answer))
    kill(microvms())
    with pytest.raises(MachineLost):
        await rows(answer)
    fresh = await pool.lease("duckdb", workspace="demo", principal="ada")
    assert await ask(fresh, "SELECT 1 AS one") == [{"one": 1}]
    await fresh.release()


async def test_a_machine_has_no_rights_on_its_host(pool: Pool, lease: Lease) -> None:
    """Not ours, no capabilities, a system call filter, and no file that it could write but what it was handed."""
    assert await ask(lease, "SELECT 1 AS one") == [{"one": 1}]
    await eventually(lambda: not {"starting", "stopping"} & set(+pool.count("duckdb")))
    for machine in microvms():
        fields = status(machine.pid)
        assert (fields["CapEff"], fields["NoNewPrivs"], fields["Seccomp"]) == ("0" * 16, "1", "2")
        assert os.geteuid() != 0 or set(fields["Uid"].split()) == {str(GUEST_UID)}
        assert machine.net_connections(kind="inet") == []


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)
