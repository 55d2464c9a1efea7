"""MicroVMs: clones of one template that are each their own, read through the channel, and leave nothing behind."""

import os
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio

from catalog.errors import SqlError
from catalog.scans import Scan
from compute.lease import Lease
from compute.pool import Pool
from compute.spawners.process import GUEST_UID
from compute.spawners.qemu import QemuSpawner
from compute.spawners.qemu.spawner import TEMPLATES
from compute.transport import Kind
from tests.fix_cluster import eventually
from tests.fix_compute import ROWS, ask
from tests.fix_machines import (
    CACHE,
    CLONES,
    DISK_BYTES,
    MICROVM,
    microvms,
    outlive_machines,
    running_microvms,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")
UNIQUE = "SELECT uuid()::VARCHAR AS uuid, random() AS random"
SORTED = 320_000
SORTING = f"""
    SELECT count(text) AS n FROM
    (SELECT repeat('x', {{bytes}}) || range AS text FROM range({SORTED}) ORDER BY hash(range) OFFSET 1)
"""
"""With 500 bytes it is more than the memory, with 2000 more than memory and disk."""
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
    told = []
    for number in range(CLONES):
        lease = await pool.lease("duckdb", workspace="demo", principal=f"user {number}")
        told += await ask(lease, UNIQUE)
        await lease.release()
    assert len({each["uuid"] for each in told}) == len({each["random"] for each in told}) == CLONES


async def test_a_template_goes_on_that_is_pruned_from_the_cache(pool: Pool, guest_image: Path, tmp_path: Path) -> None:
    """By another gateway, which has used others since. Its clones start as before, and nothing is built anew."""
    cache = tmp_path / TEMPLATES
    cache.mkdir()
    for template in (CACHE / TEMPLATES).iterdir():
        (cache / template.name).symlink_to(template)
    spawner = QemuSpawner(templates=[MICROVM.spec], cache=tmp_path, image=guest_image, disk_bytes=DISK_BYTES)
    try:
        await spawner.open()
        for template in cache.iterdir():
            template.unlink()
        machine = await spawner.start(MICROVM.spec)
        await (await machine.connect()).expect(Kind.HELLO)
        assert not list(cache.iterdir())
    finally:
        await spawner.close()


async def test_a_machine_that_dies_is_replaced(pool: Pool, lease: Lease) -> None:
    await outlive_machines(pool, lease, "duckdb", MANY_ROWS)


async def test_a_machine_has_no_rights_on_its_host(pool: Pool, lease: Lease) -> None:
    """No user but its own, no capabilities, a system call filter, and no connection."""
    assert await ask(lease, "SELECT 1 AS one") == [{"one": 1}]
    await settled(pool)
    running = microvms()
    found = [status(machine.pid) for machine in running]
    for fields in found:
        assert (fields["CapEff"], fields["NoNewPrivs"], fields["Seccomp"]) == ("0" * 16, "1", "2")
    users = [fields["Uid"].split() for fields in found]
    assert os.geteuid() != 0 or [set(user) & {"0", str(GUEST_UID)} for user in users] == [set()] * len(users)
    assert os.geteuid() != 0 or len({user[0] for user in users}) == len(users)
    assert not any(machine.net_connections(kind="inet") for machine in running)


async def test_a_machine_holds_no_file_but_its_own(pool: Pool, lease: Lease, guest_image: Path) -> None:
    """The image, its template's memory, and a disk that no other has and no name leads to."""
    other = await pool.lease("duckdb", workspace="demo", principal="bob")
    await settled(pool)
    held = [files for machine in microvms() if (files := set(plain_files(machine.pid)))]
    for files in held:
        named = {path for path, _ in files if not path.endswith(" (deleted)")}
        assert named <= {str(guest_image / "root.erofs")}
    disks = [inode for files in held for path, inode in files if path.endswith(" (deleted)") and "memfd" not in path]
    assert len(set(disks)) == len(disks) == len(held) >= 2
    await other.release()


async def test_what_exceeds_memory_is_spilled(lease: Lease) -> None:
    assert await ask(lease, SORTING.format(bytes=500)) == [{"n": SORTED - 1}]


async def test_a_full_disk_is_the_statements_error(lease: Lease) -> None:
    """Neither the machine's end nor the host's trouble."""
    with pytest.raises(SqlError) as caught:
        await ask(lease, SORTING.format(bytes=2000))
    assert caught.value.sqlstate == "53100"
    assert await ask(lease, "SELECT 1 AS one") == [{"one": 1}]


async def settled(pool: Pool) -> None:
    """Returns when no machine starts or stops: one that does may not yet be, or no longer be, what it will."""
    await eventually(lambda: not {"starting", "stopping"} & set(+pool.count("duckdb")))


def plain_files(pid: int) -> Iterator[tuple[str, int]]:
    """Paths and inodes of the plain files that a process has open, beside its standard streams; none once it ends."""
    opened: set[str] = set()
    with suppress(OSError):
        opened = set(os.listdir(f"/proc/{pid}/fd")) - {"0", "1", "2"}
    for number in opened:
        with suppress(OSError):
            found = os.stat(f"/proc/{pid}/fd/{number}")
            if stat.S_ISREG(found.st_mode):
                yield os.readlink(f"/proc/{pid}/fd/{number}"), found.st_ino


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)
