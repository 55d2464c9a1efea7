"""From inside a pod whose engine a stranger has taken over: what it cannot see or do, and that only it suffers."""

import asyncio
import platform
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from catalog.errors import MachineLost
from compute.lease import Lease
from compute.pool import Pool
from compute.spawners.kubernetes.api import Object
from compute.spawners.kubernetes.channel import GUEST
from compute.spawners.kubernetes.config import GUEST_PORT
from compute.spawners.kubernetes.manifests import GUEST_UID, network_policies_path, pods_path
from tests import probe
from tests.attacks import BURNER, GARBAGE, MEMORY_HOG, PROCESS_BOMB, TASK_BOMB
from tests.cluster.control_plane import PORT as API_PORT
from tests.cluster.kubelet import PIDS
from tests.cluster.kubelet import PORT as KUBELET_PORT
from tests.fix_cluster import HOSTILE_IMAGE, Cluster, Machines, apply, eventually, pod_pool, prepared_namespace, sized
from tests.fix_hostile import CONFIG, ENGINE, attack
from tests.hostile import REFUSED

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

HOSTILE = replace(CONFIG, start_seconds=120.0)
COLUMN = {"x86_64": 0, "aarch64": 1}[platform.machine()]
LET = {"ptrace", "process_vm_readv", "io_uring_setup", "memfd_create", "userfaultfd"}
"""Calls that the runtime's own filter lets through: they reach nothing but the container's own processes."""
DEAF_PORT = 9
"""Where nobody listens, and whoever is asked says so."""
FILL_BYTES = 1 << 29
"""Twice what a pod may have, and no more, should nothing stop it."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def prepared(cluster: Cluster) -> AsyncIterator[Machines]:
    async with prepared_namespace(cluster.plane) as machines:
        yield replace(machines, config=replace(sized(machines.config), image=HOSTILE_IMAGE))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool(prepared: Machines, warehouse: Path) -> AsyncIterator[Pool]:
    async with pod_pool(prepared.config, HOSTILE, warehouse) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def taken(pool: Pool) -> AsyncIterator[Lease]:
    """The machine that a stranger has."""
    lease = await pool.lease(ENGINE, workspace="demo", principal="mallory")
    yield lease
    await lease.release()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def neighbour(pool: Pool) -> AsyncIterator[Lease]:
    """Another tenant's, on the same node, all the while."""
    lease = await pool.lease(ENGINE, workspace="other", principal="ada")
    yield lease
    await lease.release()


async def is_well(neighbour: Lease) -> bool:
    """It has its memory, its disk and its threads."""
    filled = "with open(scratch + '/mine', 'wb') as file: result = file.write(bytes(1 << 20))"
    started = "thread = threading.Thread(target=bytes); thread.start(); thread.join(); result = len(bytes(1 << 25))"
    return [await attack(neighbour, code) for code in (filled, started)] == [1 << 20, 1 << 25]


async def test_nothing_of_others_is_in_reach(taken: Lease, neighbour: Lease, prepared: Machines) -> None:
    """One machine, asked about everything: privileges, system calls, files, processes, network, credentials."""
    await has_no_privileges(taken)
    await has_no_way_out_of_the_kernel(taken)
    await has_a_root_that_cannot_be_written(taken)
    await has_bounds_that_it_cannot_move(taken)
    await has_no_credentials(taken)
    await has_no_processes_but_its_own(taken)
    await shares_no_memory(taken, neighbour)
    assert await is_well(neighbour)


async def test_nobody_is_reached(taken: Lease, neighbour: Lease, prepared: Machines, cluster: Cluster) -> None:
    """Policies keep it from everybody; where they did not, it would be nobody to them."""
    wire = cluster.wire
    peer = f"{await address(neighbour, prepared)}:{GUEST_PORT}"
    expected = {peer: "open", f"{wire.host}:{API_PORT}": "open", f"{wire.node}:{KUBELET_PORT}": "open"}
    expected |= {f"{wire.host}:{DEAF_PORT}": "refused", f"{wire.internet}:{DEAF_PORT}": "refused"}
    reach = f"{probe.source()}\nresult = reach({list(expected)})"
    assert await attack(taken, reach) == dict.fromkeys(expected, "silent")

    async def is_open() -> bool:
        return await attack(taken, reach) == expected

    walls = await take_down(prepared)
    try:
        await eventually(is_open)
        await is_nobody_to_the_api_server(taken, prepared)
        await is_nobody_to_its_neighbours(taken, prepared)
    finally:
        await asyncio.to_thread(apply, prepared.plane, walls)
    assert await is_well(neighbour)


async def address(lease: Lease, prepared: Machines) -> str:
    name = await attack(lease, "result = socket.gethostname()")
    pod = await prepared.admin.read(pods_path(prepared.namespace, name))
    return str(pod["status"]["podIP"])


async def take_down(prepared: Machines) -> list[Object]:
    """The namespace's network policies, which are gone then."""
    walls = (await prepared.admin.list(network_policies_path(prepared.namespace)))["items"]
    names = [wall["metadata"]["name"] for wall in walls]
    for name in names:
        await prepared.admin.delete(network_policies_path(prepared.namespace, name))
    kind = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"}
    return [
        {**kind, "metadata": {"name": name, "namespace": prepared.namespace}, "spec": wall["spec"]}
        for name, wall in zip(names, walls, strict=True)
    ]


async def has_no_privileges(taken: Lease) -> None:
    words = await attack(taken, "result = open('/proc/self/status').read().split()")
    said = {name: words[words.index(f"{name}:") + 1] for name in ("Uid", "Gid", "CapBnd", "NoNewPrivs", "Seccomp")}
    user = str(GUEST_UID)
    assert said == {"Uid": user, "Gid": user, "CapBnd": "0" * 16, "NoNewPrivs": "1", "Seccomp": "2"}
    for attempt in ("os.setuid(0)", "os.mknod(scratch + '/disk', 0o60600, 0x700)", "os.chown(scratch, 0, 0)"):
        assert "Operation not permitted" in await attack(taken, attempt)


async def has_no_way_out_of_the_kernel(taken: Lease) -> None:
    numbers = {name: columns[COLUMN] for name, columns in REFUSED.items() if name not in LET}
    tried = f"result = {{name: call(number, 0, 0, 0, 0, 0) for name, number in {numbers}.items()}}"
    assert await attack(taken, tried) == dict.fromkeys(numbers, "Operation not permitted")


async def has_a_root_that_cannot_be_written(taken: Lease) -> None:
    for path in ("/stolen", "/usr/stolen", "/etc/stolen", "/tmp/stolen", "/var/stolen"):
        assert "Error: [Errno" in await attack(taken, f"open({path!r}, 'w')")
    listed = """
        mounts = [line.split()[1] for line in open('/proc/self/mounts')]
        result = [at for at in mounts if not at.startswith(('/dev', '/proc', '/sys')) and os.access(at, os.W_OK)]
    """
    assert set(await attack(taken, listed)) == {"/scratch", "/run/lakegate"}


async def has_bounds_that_it_cannot_move(taken: Lease) -> None:
    """Of control groups, in either version."""
    for bound in ("memory/memory.limit_in_bytes", "pids/pids.max", "memory.max", "pids.max", "cgroup.procs"):
        assert "Error: [Errno" in await attack(taken, f"os.open('/sys/fs/cgroup/{bound}', os.O_WRONLY)")


async def has_no_credentials(taken: Lease) -> None:
    """No token of a service account, and not the channel's key, which only the container beside it has."""
    for path in ("/var/run/secrets", "/run/secrets", "/etc/lakegate"):
        assert "Error: [Errno" in await attack(taken, f"os.listdir({path!r})")
    names = await attack(taken, "result = sorted(os.environ)")
    assert [name for name in names if any(word in name for word in ("TOKEN", "SECRET", "PASSWORD", "AWS"))] == []


async def has_no_processes_but_its_own(taken: Lease) -> None:
    commands = """
        pids = [name for name in os.listdir('/proc') if name.isdigit()]
        result = [open(f'/proc/{pid}/cmdline').read().split(chr(0))[3:4] for pid in pids]
    """
    assert await attack(taken, commands) == [["compute.guest.pod"]]


async def shares_no_memory(taken: Lease, neighbour: Lease) -> None:
    """Nor does it with the container beside it: there are no files of processes but its own."""
    number, key = (29, 194)[COLUMN], 0x1A6E
    assert await attack(neighbour, f"result = call({number}, {key}, 4096, 0o1666)") == "ok"
    assert await attack(neighbour, f"result = call({number}, {key}, 4096, 0)") == "ok"
    assert await attack(taken, f"result = call({number}, {key}, 4096, 0)") == "No such file or directory"


async def is_nobody_to_the_api_server(taken: Lease, prepared: Machines) -> None:
    """It is told nothing."""
    host, _, port = prepared.plane.url.removeprefix("https://").rpartition(":")
    ask = f"""
        import ssl
        context = ssl._create_unverified_context()
        with context.wrap_socket(socket.create_connection(({host!r}, {port}), 10)) as server:
            server.sendall(b'GET /api/v1/pods HTTP/1.0\\r\\n\\r\\n')
            result = server.recv(4096).decode().split()[1]
    """
    assert await attack(taken, ask) in {"401", "403"}


async def is_nobody_to_its_neighbours(taken: Lease, prepared: Machines) -> None:
    """Their channels want a certificate that no guest has, and there is no raw socket to pass for a gateway with."""
    for kind in ("socket.AF_PACKET, socket.SOCK_RAW", "socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP"):
        assert "Operation not permitted" in await attack(taken, f"socket.socket({kind})")
    addresses = [pod["status"].get("podIP") for pod in await prepared.pods()]
    for address in filter(None, addresses):
        ask = f"""
            import ssl
            context = ssl._create_unverified_context()
            peer = socket.create_connection(({address!r}, {GUEST_PORT}), 10)
            with context.wrap_socket(peer, server_hostname={GUEST!r}) as server:
                result = server.recv(4096).decode()
        """
        told = await attack(taken, ask)
        assert told == "" or "Error: " in told


async def test_bombs_of_tasks_and_processes(taken: Lease, neighbour: Lease) -> None:
    """They end at the node's bound for a pod or, as each takes memory, at the pod's."""
    with suppress(MachineLost):
        assert 10 < await attack(taken, TASK_BOMB) < PIDS
        assert await attack(taken, PROCESS_BOMB) < PIDS
    assert await is_well(neighbour)


async def test_a_hog_of_memory(taken: Lease, neighbour: Lease) -> None:
    with pytest.raises(MachineLost):
        await attack(taken, MEMORY_HOG)
    assert await is_well(neighbour)


async def test_a_filler_of_disks(taken: Lease, neighbour: Lease, prepared: Machines) -> None:
    """It is evicted, and what it wrote goes with it."""
    fill = f"""
        with open(scratch + '/fill', 'wb', buffering=0) as file:
            for _ in range({FILL_BYTES >> 20}):
                file.write(bytes(1 << 20))
        time.sleep(1000)
    """
    name = await attack(taken, "result = socket.gethostname()")
    with pytest.raises(MachineLost):
        await attack(taken, fill)

    async def is_gone() -> bool:
        return name not in {pod["metadata"]["name"] for pod in await prepared.pods()}

    await eventually(is_gone)
    assert await is_well(neighbour)


async def test_a_burner_of_processor_time(taken: Lease, neighbour: Lease) -> None:
    burning = asyncio.create_task(attack(taken, BURNER))
    for _ in range(20):
        assert await attack(neighbour, "result = sum(range(1000))") == 499500
    assert not burning.done()
    await taken.release()
    with pytest.raises(MachineLost):
        await burning


async def test_garbage_on_the_channel(taken: Lease, neighbour: Lease) -> None:
    with pytest.raises(MachineLost):
        await attack(taken, GARBAGE)
    assert await is_well(neighbour)
