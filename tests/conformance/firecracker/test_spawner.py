"""Firecracker's spawner against its API by contract: what is called, in which order, and what is left."""

import asyncio
import os
import sys
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from compute.config import EngineConfig, PoolConfig
from compute.pool import Pool
from compute.spawners import CannotStart
from compute.spawners.firecracker.spawner import FirecrackerSpawner
from compute.transport import Kind
from tests.conformance.firecracker.conftest import SPEC, Contract, open_spawner
from tests.fix_compute import ask

REPOSITORY = str(Path(__file__).parents[3])
BOOT = (
    "PUT /machine-config",
    "PUT /boot-source",
    "PUT /drives/root",
    "PUT /drives/scratch",
    "PUT /vsock",
    "PUT /entropy",
    "PUT /actions",
    "PATCH /vm",
    "PUT /snapshot/create",
)
LOAD = "PUT /snapshot/load"


def names(contract: Contract) -> list[str]:
    assert all(call["status"] == 204 for call in contract.calls())
    return [f"{call['method']} {call['path']}" for call in contract.calls()]


def left(contract: Contract) -> list[Path]:
    """Jails and control groups."""
    runs = [*(contract.folder / "m").glob("lakegate-run-*/firecracker/*"), *(contract.folder / "groups").glob("*/*")]
    return sorted(runs)


async def test_a_machine_is_a_clone_of_a_template(spawner: FirecrackerSpawner, contract: Contract) -> None:
    """The calls in order; the guest that was warm in the template answers in the clone; nothing is left of it."""
    machine = await spawner.start(SPEC)
    assert names(contract) == [*BOOT, LOAD]
    connection = await machine.connect()
    hello = await connection.expect(Kind.HELLO)
    assert hello.control["engine"] == "duckdb"
    assert await spawner.poll(machine) is None
    connection.abort()
    await machine.ended
    assert left(contract) == []


async def test_clones_share_a_template_and_differ(spawner: FirecrackerSpawner, contract: Contract) -> None:
    machines = await asyncio.gather(*(spawner.start(SPEC) for _ in range(3)))
    assert names(contract) == [*BOOT, LOAD, LOAD, LOAD]
    jails = [dict(pairwise(words)) for words in contract.jails()]
    assert len({jail["--id"] for jail in jails}) == 4
    assert len({jail["--uid"] for jail in jails[1:]}) == 3
    for machine in machines:
        await spawner.stop(machine, now=True)
        assert await spawner.poll(machine) == -9
        with pytest.raises(OSError, match="No such file"):
            await machine.connect()
    assert left(contract) == []


async def test_templates_outlive_their_spawner(contract: Contract) -> None:
    """The second spawner finds it by its content; another kernel makes another."""
    for kernel, called in ((b"kernel", [*BOOT, LOAD]), (b"kernel", [LOAD]), (b"other", [*BOOT, LOAD])):
        (contract.folder / "calls.log").write_text("")
        (contract.folder / "vmlinux").write_bytes(kernel)
        opened = open_spawner(contract)
        await opened.open()
        await opened.start(SPEC)
        await opened.close()
        assert names(contract) == called
    assert len(os.listdir(contract.folder / "m" / "templates")) == 2


@pytest.mark.parametrize("backend", ["File", "Uffd"])
async def test_a_statement_runs_in_a_clone(contract: Contract, backend: str) -> None:
    """Through pool and lease; with Uffd, the clone's memory comes page by page from the pager."""
    config = EngineConfig("duckdb", "user", warm_machines=0, max_machines=1, threads=1, memory_bytes=128 << 20)
    pool = Pool(open_spawner(contract, memory_backend=backend), PoolConfig((config,)), lambda _workspace: "/")
    await pool.start()
    lease = await pool.lease("duckdb", workspace="demo", principal="ada")
    assert await ask(lease, "SELECT sum(range) AS total FROM range(101)") == [{"total": 5050}]
    await lease.release()
    await pool.close()
    assert left(contract) == []
    (load,) = [call["body"] for call in contract.calls() if call["path"] == "/snapshot/load"]
    assert load["mem_backend"]["backend_type"] == backend


async def test_devices_are_named_again_with_a_network(contract: Contract) -> None:
    """Each machine has a namespace of its own with the same names in it; its metadata is put again."""
    opened = open_spawner(contract, network="tap", machines=2)
    await opened.open()
    machine = await opened.start(SPEC)
    *_, load, metadata = contract.calls()
    assert load["body"]["network_overrides"] == [{"iface_id": "eth0", "host_dev_name": "tap0"}]
    assert metadata["path"] == "/mmds"
    assert metadata["body"] == {"lakegate": {"machine": machine.name}}
    assert "/run/netns/lakegate-0" in contract.jails()[-1]
    await opened.close()
    made = [line for line in contract.ip() if line.startswith("netns")]
    assert sorted(made) == sorted(f"netns {verb} lakegate-{number}" for verb in ("add", "delete") for number in (0, 1))


async def test_slots_are_given_back(contract: Contract) -> None:
    """No more machines than slots, and a slot is free when nothing of its machine is left."""
    opened = open_spawner(contract, machines=1)
    await opened.open()
    machine = await opened.start(SPEC)
    with pytest.raises(CannotStart, match="all 1 slots"):
        await opened.start(SPEC)
    await opened.stop(machine)
    assert await opened.poll(await opened.start(SPEC)) is None
    await opened.close()


async def test_a_killed_gateway_leaves_machines_that_the_next_one_reaps(contract: Contract) -> None:
    """The journal survives it; VMMs are told by their jail, not by a number that may be another's by now."""
    program = (sys.executable, "-P", "-m", "tests.conformance.firecracker.gateway", str(contract.folder))
    gateway = await asyncio.create_subprocess_exec(
        *program, stdout=asyncio.subprocess.PIPE, env={"PYTHONPATH": REPOSITORY}
    )
    assert gateway.stdout is not None
    assert (await gateway.stdout.readline()).startswith(b"duckdb-")
    with pytest.raises(CannotStart, match="another gateway uses"):
        await open_spawner(contract).open()
    gateway.kill()
    await gateway.wait()
    (vmm,) = vmms(contract)
    assert vmm.is_running()
    following = open_spawner(contract)
    await following.open()
    assert not vmm.is_running() or vmm.status() == psutil.STATUS_ZOMBIE
    assert left(contract) == []
    await following.close()


def vmms(contract: Contract) -> list[psutil.Process]:
    numbers = [int(path.read_text()) for path in (contract.folder / "m").glob("*/firecracker/*/root/firecracker.pid")]
    return [psutil.Process(number) for number in numbers]
