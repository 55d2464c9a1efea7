"""From inside a machine that was taken over: what it cannot see or do, and that only it suffers from what it can."""

import asyncio
import os
import platform
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import pytest_asyncio

from catalog.errors import MachineLost
from compute.lease import Lease
from compute.pool import Pool
from tests.attacks import BURNER, DISK_FILLER, GARBAGE, MEMORY_HOG, PROCESS_BOMB, TASK_BOMB
from tests.fix_hostile import CONFIG, DISK_BYTES, ENGINE, attack, hostile_pool
from tests.hostile import REFUSED
from tests.processes import machines

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = "LAKEGATE_TEST_SECRET"
SHMGET = (29, 194)
SHARED_KEY, SHARED_BYTES, CREATE = 0x1A6E, 4096, 0o1666
COLUMN = {"x86_64": 0, "aarch64": 1}[platform.machine()]
MOST_TASKS = {"forked": 64 + 16 * CONFIG.threads, "programs": 2048 + 16 * CONFIG.threads}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["forked", "programs"])
async def pool(request: pytest.FixtureRequest, warehouse: Path) -> AsyncIterator[Pool]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SECRET, "s3cret")
        async with hostile_pool(request.param, warehouse) as running:
            yield running


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.node.callspec.params["pool"])


@pytest_asyncio.fixture(loop_scope="module")
async def taken(pool: Pool) -> AsyncIterator[Lease]:
    """The machine that a stranger has."""
    lease = await pool.lease(ENGINE, workspace="demo", principal="mallory")
    yield lease
    await lease.release()


@pytest_asyncio.fixture(loop_scope="module")
async def neighbour(pool: Pool) -> AsyncIterator[Lease]:
    """Another one, which must still be there, with all it needs, whatever the first one does."""
    lease = await pool.lease(ENGINE, workspace="demo", principal="ada")
    assert await attack(lease, "result = 6 * 7") == 42
    yield lease
    filled = "with open(scratch + '/mine', 'wb') as file: result = file.write(bytes(1 << 20))"
    assert await attack(lease, filled) == 1 << 20
    started = "thread = threading.Thread(target=bytes); thread.start(); thread.join(); result = len(bytes(1 << 25))"
    assert await attack(lease, started) == 1 << 25
    await lease.release()


async def test_calls_that_lead_out_are_refused(taken: Lease) -> None:
    numbers = {name: columns[COLUMN] for name, columns in REFUSED.items()}
    tried = f"result = {{name: call(number, 0, 0, 0, 0, 0) for name, number in {numbers}.items()}}"
    assert await attack(taken, tried) == dict.fromkeys(REFUSED, "Operation not permitted")


async def test_no_namespace_is_made_by_clone(taken: Lease) -> None:
    number, flags = (56, 220)[COLUMN], [0x00020000, 0x10000000, 0x20000000, 0x40000000]
    tried = f"result = [call({number}, flag | 17, 0, 0, 0, 0) for flag in {flags}]"
    assert await attack(taken, tried) == ["Operation not permitted"] * 4


async def test_it_has_no_privileges(taken: Lease) -> None:
    assert await attack(taken, "result = [os.getuid() == 0, os.geteuid() == 0, os.getgroups()]") == [False, False, []]
    for attempt in ("os.setuid(0)", "os.mknod(scratch + '/disk', 0o60600, 0x700)", "os.chown(scratch, 0, 0)"):
        assert "Operation not permitted" in await attack(taken, attempt)


async def test_files_of_others_are_not_there(taken: Lease, warehouse: Path, tmp_path: Path) -> None:
    secret = tmp_path / "other-tenant"
    secret.write_text("s3cret")
    secret.chmod(0o644)
    paths = [secret, "/etc/shadow", "/etc/hostname", "/dev/mem", "/dev/loop-control", "/sys/fs/cgroup", "/run", "/var"]
    for path in paths:
        assert "No such file" in await attack(taken, f"os.stat({str(path)!r})")
    assert "File" in await attack(taken, f"os.stat({str(warehouse)!r} + '/../../../../../../etc/passwd')")
    assert set(await attack(taken, "result = os.listdir('/dev')")) == {"null", "urandom"}
    for attempt in ("open(warehouse + '/stolen', 'w')", "open('/stolen', 'w')", "os.mkdir('/dev/stolen')"):
        assert "Error: [Errno" in await attack(taken, attempt)


async def test_secrets_of_the_gateway_are_not_there(taken: Lease) -> None:
    assert await attack(taken, f"result = os.environ.get({SECRET!r})") is None
    held = """
        result = []
        for number in range(3, 256):
            try:
                result.append(os.fstat(number).st_mode >> 12)
            except OSError:
                pass
    """
    assert set(await attack(taken, held)) <= {0o14, 0o1}


async def test_processes_of_others_are_not_there(taken: Lease, neighbour: Lease, kind: str) -> None:
    for pid in [os.getpid(), os.getppid(), *(machine.pid for machine in machines())]:
        if pid > 1000:
            assert "No such process" in await attack(taken, f"os.kill({pid}, signal.SIGKILL)")
    if kind == "programs":
        assert len(await attack(taken, "result = [name for name in os.listdir('/proc') if name.isdigit()]")) <= 2
        status = "result = open('/proc/self/status').read().split()"
        words = await attack(taken, status)
        assert words[words.index("NoNewPrivs:") + 1] == "1"
        assert words[words.index("Seccomp:") + 1] == "2"
    await attack(taken, "os.kill(-1, signal.SIGKILL)")


async def test_memory_of_others_is_not_there(taken: Lease, neighbour: Lease) -> None:
    """Not by a debugger's way (`REFUSED`), not by files of theirs, and not by what is shared by a name."""
    for pid in [os.getpid(), *(machine.pid for machine in machines())]:
        if pid > 1000:
            assert "Error: [Errno" in await attack(taken, f"open('/proc/{pid}/mem', 'rb')")
    number = SHMGET[COLUMN]
    await attack(neighbour, f"result = call({number}, {SHARED_KEY}, {SHARED_BYTES}, {CREATE})")
    assert await attack(taken, f"result = call({number}, {SHARED_KEY}, {SHARED_BYTES}, 0)") != "ok"


async def test_there_is_no_network(taken: Lease, kind: str) -> None:
    families = [socket.AF_NETLINK, socket.AF_PACKET, socket.AF_VSOCK, socket.AF_ALG]
    for family in families + ([socket.AF_INET, socket.AF_UNIX] if kind == "forked" else []):
        assert "Operation not permitted" in await attack(taken, f"socket.socket({int(family)}, socket.SOCK_DGRAM)")


async def test_servers_of_the_host_are_not_reached(taken: Lease, tmp_path: Path) -> None:
    """The last as the metastore's: a socket in a folder, which anybody might use."""
    refusals = {"ConnectionRefusedError", "PermissionError", "FileNotFoundError"}
    with ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0)))]
        for name in (f"\0lakegate-test-{os.getpid()}", str(tmp_path / "socket")):
            servers.append(stack.enter_context(socket.socket(socket.AF_UNIX)))
            servers[-1].bind(name)
            servers[-1].listen()
        (tmp_path / "socket").chmod(0o777)
        for server in servers:
            reach = f"socket.socket({int(server.family)}).connect({server.getsockname()!r})"
            with socket.socket(server.family) as friend:
                friend.connect(server.getsockname())
            assert (await attack(taken, reach)).split(":")[0] in refusals


async def test_a_program_is_no_way_out(taken: Lease, kind: str) -> None:
    if kind == "programs":
        assert await attack(taken, "result = os.spawnv(os.P_WAIT, '/bin/true', ['true'])") == 0
        assert await attack(taken, "result = os.waitpid(os.spawnv(os.P_NOWAIT, '/bin/su', ['su']), 0)[1]") == 127 << 8
    else:
        assert "Operation not permitted" in await attack(taken, "os.fork()")
        assert "Operation not permitted" in await attack(taken, "os.execv('/bin/true', ['true'])")
        assert "not permitted" in await attack(taken, "mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)")


async def test_a_bomb_of_tasks(taken: Lease, neighbour: Lease, kind: str) -> None:
    assert 10 < await attack(taken, TASK_BOMB) <= MOST_TASKS[kind]


async def test_a_bomb_of_processes(taken: Lease, neighbour: Lease, kind: str) -> None:
    """It ends at the bound of tasks or, as each takes memory, at that of memory."""
    with suppress(MachineLost):
        assert await attack(taken, PROCESS_BOMB) <= MOST_TASKS[kind]


async def test_a_hog_of_memory(taken: Lease, neighbour: Lease) -> None:
    """Shared pages, which the bound of a process's own memory does not know: the kernel ends this machine alone."""
    with pytest.raises(MachineLost):
        await attack(taken, MEMORY_HOG)


async def test_a_filler_of_disks(taken: Lease, neighbour: Lease) -> None:
    """Also by a file that no folder shows."""
    written, reason = await attack(taken, DISK_FILLER)
    assert DISK_BYTES // 2 < written <= DISK_BYTES
    assert reason == "No space left on device"


async def test_a_burner_of_processor_time(taken: Lease, neighbour: Lease) -> None:
    burning = asyncio.create_task(attack(taken, BURNER))
    for _ in range(20):
        assert await attack(neighbour, "result = sum(range(1000))") == 499500
    assert not burning.done()
    await taken.release()
    with pytest.raises(MachineLost):
        await burning


async def test_garbage_on_the_channel(pool: Pool, taken: Lease, neighbour: Lease) -> None:
    with pytest.raises(MachineLost):
        await attack(taken, GARBAGE)
    fresh = await pool.lease(ENGINE, workspace="demo", principal="mallory")
    assert await attack(fresh, "result = 1") == 1
    await fresh.release()
