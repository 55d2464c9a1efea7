"""From inside a microVM whose engine a stranger has taken over, as root of its own kernel."""

import os
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from catalog.errors import MachineLost
from compute.lease import Lease
from compute.pool import Pool
from compute.spawners.qemu.bounds import TASKS
from tests.fix_hostile import CONFIG, ENGINE, attack
from tests.fix_machines import CLONES, DISK_BYTES, MICROVM, microvms, running_microvms

pytestmark = pytest.mark.asyncio(loop_scope="module")
HOSTILE = replace(MICROVM, engine=ENGINE, memory_bytes=CONFIG.memory_bytes)
DRAW = """
import secrets
kernel = open("/proc/sys/kernel/random/uuid").read()
result = [socket.gethostname(), kernel, os.urandom(16).hex(), random.random(), str(uuid.uuid4()), secrets.token_hex(16)]
"""
SECRET = "LAKEGATE_TEST_SECRET"
TOLD = """
result = str(dict(os.environ))
for path in ("/proc/cmdline", "/proc/1/environ", "/proc/1/cmdline"):
    with open(path, "rb") as file:
        result += file.read().decode("latin-1")
"""
"""What a machine is told by its host, beside its channel."""
CLOCK_SECONDS = 30
FILL = """
with open(scratch + "/hoard", "wb", buffering=0) as file:
    while True:
        file.write(os.urandom(1 << 16) * 16)
"""
BOMB = """
first, end = os.getpid(), time.monotonic() + 2
while time.monotonic() < end:
    try:
        os.fork()
    except OSError:
        pass
if os.getpid() != first:
    os._exit(0)
"""
BURN = """
def burn():
    while True:
        pass
for _ in range(4):
    threading.Thread(target=burn, daemon=True).start()
"""
SHOUT = """
ports = "/sys/class/virtio-ports/"
names = {{open(ports + port + "/name").read().strip(): port for port in os.listdir(ports)}}
ends = {{os.path.realpath(f"/proc/self/fd/{{number}}"): int(number) for number in os.listdir("/proc/self/fd")}}
channel = ends["/dev/" + names["channel"]]
while True:
    try:
        os.write(channel, {garbage})
    except OSError:
        pass
"""
GARBAGE = {
    "noise": "os.urandom(1 << 12)",
    "zeros": "bytes(1 << 12)",
    "a frame without end": r"b'\x07' + b'\xff' * 12",
    "signs of life": r"(b'\x10' + bytes(12)) * 300",
    "reads of what is no file": r"b'\x0d\0\0\0\x01\0\0\0\x02\0\0\0\0{}' * 64",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool(hostile_image: Path, warehouse: Path) -> AsyncIterator[Pool]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SECRET, "s3cret")
        async with running_microvms(hostile_image, warehouse, HOSTILE) as running:
            yield running


@pytest_asyncio.fixture(loop_scope="module")
async def lease(pool: Pool) -> AsyncIterator[Lease]:
    taken = await pool.lease(ENGINE, workspace="demo", principal="eve")
    yield taken
    await taken.release()


@pytest_asyncio.fixture(loop_scope="module")
async def neighbour(pool: Pool) -> AsyncIterator[Lease]:
    """Another tenant's, which must still be there whatever the first one does."""
    taken = await pool.lease(ENGINE, workspace="demo", principal="ada")
    assert await attack(taken, "result = 6 * 7") == 42
    yield taken
    assert await attack(taken, "result = len(bytes(1 << 24))") == 1 << 24
    await taken.release()


async def test_no_two_clones_are_alike(pool: Pool) -> None:
    """Neither the kernel's randomness nor the interpreter's, and each has a name of its own."""
    drawn = []
    for number in range(CLONES):
        lease = await pool.lease(ENGINE, workspace="demo", principal=f"user {number}")
        drawn.append(await attack(lease, DRAW))
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


async def test_the_shared_disk_cannot_be_written(lease: Lease) -> None:
    """Every machine reads the same image, and has one disk of its own."""
    disks = "result = sorted(d for d in os.listdir('/sys/block') if not d.startswith('loop'))"
    assert await attack(lease, disks) == ["vda", "vdb"]
    code = "f = os.open('/dev/vda', os.O_RDWR); os.write(f, b'x'); result = 'written'"
    assert "Error" in await attack(lease, code)


async def test_a_filled_disk_is_its_own(lease: Lease, neighbour: Lease) -> None:
    """What it takes of the host is bounded, and free again when it is freed there."""
    assert (await attack(lease, FILL)).startswith("OSError: [Errno 28]")
    assert DISK_BYTES // 2 < max(disk_usage()) <= DISK_BYTES
    assert await attack(neighbour, "result = len(os.listdir(scratch))") == 1
    assert await attack(lease, "os.unlink(scratch + '/hoard'); os.sync(); result = 1") == 1
    assert max(disk_usage()) < DISK_BYTES // 4


async def test_the_host_cannot_be_seen(lease: Lease, warehouse: Path) -> None:
    """Not its files, and not where its tables lie."""
    code = f"result = [os.path.exists(path) for path in ({str(warehouse)!r}, '/root', '/home', '/bin/sh')]"
    assert await attack(lease, code) == [False] * 4
    assert str(warehouse) not in await attack(lease, "result = warehouse")


async def test_secrets_of_the_gateway_are_not_there(lease: Lease) -> None:
    told = await attack(lease, TOLD)
    assert "console=" in told
    assert SECRET not in told
    assert "s3cret" not in told


async def test_memory_that_runs_out_is_its_own(lease: Lease, neighbour: Lease) -> None:
    with pytest.raises(MachineLost):
        await attack(lease, "hoard = [bytearray(64 << 20) for _ in range(64)]")


async def test_processes_without_end_are_its_own(lease: Lease, neighbour: Lease) -> None:
    """The host sees none of them. Their machine may not survive it."""
    with suppress(MachineLost):
        await attack(lease, BOMB)
    assert all(count_tasks(machine) < TASKS for machine in microvms())


async def test_a_busy_processor_is_its_own(lease: Lease, neighbour: Lease) -> None:
    await attack(lease, BURN)
    assert [await attack(neighbour, f"result = {n} * 7") for n in range(20)] == [n * 7 for n in range(20)]


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_garbage_on_the_channel_ends_its_own_machine(lease: Lease, neighbour: Lease, garbage: str) -> None:
    with pytest.raises(MachineLost):
        await attack(lease, SHOUT.format(garbage=GARBAGE[garbage]))
    assert await attack(neighbour, "result = 6 * 7") == 42


async def test_machines_are_bounded_by_the_host(lease: Lease, neighbour: Lease) -> None:
    """Each in a control group of its own, whatever it may run inside."""
    groups = [mine for machine in microvms() if (mine := bounded(machine.pid))]
    assert len(groups) >= 2
    assert not any(mine & others for mine, others in combinations(groups, 2))


def bounded(pid: int) -> set[str]:
    """Its control groups in a run of ours; none while it begins or ends."""
    lines: list[str] = []
    with suppress(OSError):
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    return {line for line in lines if "lakegate-run-" in line}


def count_tasks(machine: psutil.Process) -> int:
    """Its threads and children on the host; none once it has ended."""
    with suppress(psutil.NoSuchProcess):
        return machine.num_threads() + len(machine.children())
    return 0


def disk_usage() -> list[int]:
    """Bytes of the host's that the disks of all machines take: of files without a name."""
    found: dict[int, int] = {}
    for machine in microvms():
        with suppress(OSError):
            found |= dict(disks(f"/proc/{machine.pid}/fd/"))
    return list(found.values())


def disks(folder: str) -> Iterator[tuple[int, int]]:
    """Inodes, and bytes on the host."""
    for number in set(os.listdir(folder)) - {"0", "1", "2"}:
        if re.fullmatch(r"/(?!memfd:).* \(deleted\)", os.readlink(folder + number)):
            status = os.stat(folder + number)
            yield status.st_ino, status.st_blocks * 512
