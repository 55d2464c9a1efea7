"""Spark in microVMs: clones of a JVM that has run already, over tables that they reach by the channel alone.

Emulated, the template takes minutes, so these run in `make soak` where processors are not real.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from catalog.errors import FeatureNotSupported, SqlError
from catalog.names import TableName
from catalog.scans import Scan
from catalog.snapshot_cache import SnapshotCache
from compute.lease import Lease
from compute.pool import Pool
from gateway.trees import scan_tree
from tests.fix_compute import ask
from tests.fix_machines import SPARK_MICROVM, kvm_works, outlive_machines, running_microvms
from tests.lakes import write_table

pytestmark = [
    pytest.mark.spark,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    *(() if kvm_works() else (pytest.mark.soak,)),
]
CLONES = 3
DRAW = "SELECT java_method('java.util.UUID', 'randomUUID') AS java, rand() AS spark, uuid() AS uuid"
"""Java's comes from the kernel, Spark's from seeds of their own."""
CLOCK_SECONDS = 30
MANY_ROWS = "SELECT id, repeat('x', 100) AS text FROM range(0, 100000000, 1, 1000)"
"""In small parts: a part is done before its first row leaves."""


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lake")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool(spark_image: Path, lake: Path) -> AsyncIterator[Pool]:
    async with running_microvms(spark_image, lake, SPARK_MICROVM) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def lease(pool: Pool) -> AsyncIterator[Lease]:
    taken = await pool.lease("spark", workspace="demo", principal="ada")
    yield taken
    await taken.release()


async def table(folder: Path) -> Scan:
    """A new table, as the gateway lends it."""
    location = await asyncio.to_thread(write_table, folder, {"n": list(range(1000)), "text": ["é"] * 1000})
    cache = SnapshotCache()
    snapshot = await cache.read("demo", TableName("public", "t"), location)
    cache.close()
    return scan_tree(snapshot)


def count(scan: Scan) -> str:
    return f"SELECT count(*) AS n, sum(n) AS total FROM delta.`{scan.location}` VERSION AS OF {scan.version}"


async def test_tables_are_read_through_the_channel(lease: Lease, lake: Path) -> None:
    """Those that were lent, and no others."""
    lent, other = [await table(lake / name) for name in ("lent", "other")]
    assert await ask(lease, count(lent), scans=[lent]) == [{"n": 1000, "total": 499_500}]
    for sql in (count(other), "SELECT * FROM text.`/etc/passwd`"):
        with pytest.raises(SqlError):
            await ask(lease, sql, scans=[lent])


async def test_a_clone_only_reads(lease: Lease, lake: Path) -> None:
    scan = await table(lake / "kept")
    with pytest.raises(FeatureNotSupported):
        await ask(lease, f"DELETE FROM delta.`{scan.location}`", scans=[scan])


async def test_a_clone_knows_what_time_it_is(lease: Lease) -> None:
    """It woke when its template was saved."""
    [row] = await ask(lease, "SELECT unix_seconds(now()) AS now")
    assert abs(row["now"] - time.time()) < CLOCK_SECONDS


async def test_no_two_clones_are_alike(pool: Pool) -> None:
    leases = [await pool.lease("spark", workspace="demo", principal=f"user {n}") for n in range(CLONES)]
    drawn = [(await ask(lease, DRAW))[0] for lease in leases]
    for lease in leases:
        await lease.release()
    for name in ("java", "spark", "uuid"):
        assert len({row[name] for row in drawn}) == CLONES, name


async def test_a_machine_that_dies_is_replaced(pool: Pool, lease: Lease) -> None:
    await outlive_machines(pool, lease, "spark", MANY_ROWS)
