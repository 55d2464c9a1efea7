"""Firecracker's spawner against its API by contract: what is called, in which order, and what is left."""

import asyncio
import os
import sys
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from compute.config import EngineConfig, MachineSpec, PoolConfig
from compute.pool import Pool
from compute.spawners import CannotStart
from compute.transport import Kind
from tests.fix_compute import ask
from tests.fix_firecracker import SPEC, Contract, open_spawner, opened

REPOSITORY = str(Path(__file__).parents[3])
BOOT = (
    "PUT /machine-config",
    "PUT /boot-source",
    "PUT /drives/root",
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


async def test_a_machine_is_a_clone_of_a_template(contract: Contract) -> None:
    """The calls in order; another kernel makes another template, the same one is found again."""
    for kernel, called in ((b"one", [*BOOT, LOAD]), (b"one", [LOAD]), (b"other", [*BOOT, LOAD])):
        (contract.folder / "calls.log").write_text("")
        (contract.folder / "vmlinux").write_bytes(b"\x7fELF" + kernel)
        async with opened(contract) as spawner:
            machine = await spawner.start(SPEC)
            assert await spawner.poll(machine) is None
        assert await spawner.poll(machine) == -9
        assert names(contract) == called
        assert contract.left() == []
    assert len(os.listdir(contract.folder / "m" / "0" / "templates")) == 2


async def test_a_guest_whose_pool_leaves_ends_by_itself(prepared: Contract) -> None:
    async with opened(prepared) as spawner:
        machine = await spawner.start(SPEC)
        connection = await machine.connect()
        hello = await connection.expect(Kind.HELLO)
        assert hello.control["engine"] == "duckdb"
        connection.abort()
        assert await machine.ended == 1
        assert prepared.left() == []


async def test_clones_differ_and_give_their_slots_back(prepared: Contract) -> None:
    async with opened(prepared, machines=2) as spawner:
        machines = await asyncio.gather(spawner.start(SPEC), spawner.start(SPEC))
        with pytest.raises(CannotStart, match="all 2 slots"):
            await spawner.start(SPEC)
        jails = [dict(pairwise(words)) for words in prepared.jails()]
        assert len({jail["--id"] for jail in jails}) == len({jail["--uid"] for jail in jails}) == 2
        for machine in machines:
            await spawner.stop(machine, now=True)
            assert await spawner.poll(machine) == -9
            with pytest.raises(OSError, match="No such file"):
                await machine.connect()
        assert prepared.left() == []
        assert await spawner.poll(await spawner.start(SPEC)) is None


async def test_two_gateways_of_a_host_have_nothing_in_common(prepared: Contract) -> None:
    """Each ends what is its own, and the next one has what the second has left."""
    own = ("--uid", "--netns", "--chroot-base-dir")
    async with opened(prepared) as first:
        kept = await first.start(SPEC)
        for _ in range(2):
            async with opened(prepared) as second:
                ended = await second.start(SPEC)
            assert await second.poll(ended) == -9
            assert await first.poll(kept) is None
        jails = [dict(pairwise(words)) for words in prepared.jails()]
        assert all(jails[0][option] != jail[option] for jail in jails[1:] for option in own)
        assert len({jail["--netns"] for jail in jails[1:]}) == 1
        assert "netns delete lakegate-empty-0" not in prepared.ip()
    assert prepared.left() == []


@pytest.mark.parametrize("backend", ["File", "Uffd"])
async def test_a_statement_runs_in_a_clone(prepared: Contract, backend: str) -> None:
    """Through pool and lease; with Uffd, the clone's memory comes page by page from the pager."""
    config = EngineConfig("duckdb", "user", 0, 1, threads=SPEC.threads, memory_bytes=SPEC.memory_bytes)
    spawner = open_spawner(prepared, memory_backend=backend)
    pool = Pool(spawner, PoolConfig((config,)), lambda _workspace: "/")
    await pool.start()
    lease = await pool.lease("duckdb", workspace="demo", principal="ada")
    assert await ask(lease, "SELECT sum(range) AS total FROM range(101)") == [{"total": 5050}]
    await lease.release()
    await pool.close()
    assert prepared.left() == []
    (load,) = [call["body"] for call in prepared.calls()]
    assert load["mem_backend"]["backend_type"] == backend


async def test_a_shared_machine_serves_many_connections(prepared: Contract) -> None:
    async with opened(prepared) as spawner:
        machine = await spawner.start(MachineSpec("duckdb", "shared", SPEC.threads, SPEC.memory_bytes))
        connections = [await machine.connect() for _ in range(3)]
        for connection in connections:
            await connection.expect(Kind.HELLO)
            connection.abort()
        assert await spawner.poll(machine) is None


async def test_devices_are_named_again_with_a_network(contract: Contract) -> None:
    """Each machine has a namespace of its own with the same names in it; its metadata is put again."""
    async with opened(contract, network="tap", machines=2) as spawner:
        machine = await spawner.start(SPEC)
    *_, load, metadata = contract.calls()
    assert load["body"]["network_overrides"] == [{"iface_id": "eth0", "host_dev_name": "tap0"}]
    assert metadata["path"] == "/mmds"
    assert metadata["body"] == {"lakegate": {"machine": machine.name}}
    assert "/run/netns/lakegate-0" in contract.jails()[-1]
    made = [line for line in contract.ip() if line.startswith("netns")]
    assert sorted(made) == sorted(f"netns {verb} lakegate-{number}" for verb in ("add", "delete") for number in (0, 1))


async def test_a_killed_gateway_leaves_machines_that_the_next_one_reaps(prepared: Contract) -> None:
    """The journal survives it; VMMs are told by their jail, not by a number that may be another's by now. While it
    lives, one who agrees with other gateways elsewhere, from a container for one, is kept out of its folder."""
    program = (sys.executable, "-P", "-m", "tests.conformance.firecracker.gateway", str(prepared.folder))
    environment = {"PYTHONPATH": REPOSITORY}
    gateway = await asyncio.create_subprocess_exec(*program, stdout=asyncio.subprocess.PIPE, env=environment)
    assert gateway.stdout is not None
    assert (await gateway.stdout.readline()).startswith(b"duckdb-")
    with pytest.raises(CannotStart, match="another gateway uses"):
        await open_spawner(prepared, shares=prepared.folder / "others").open()
    gateway.kill()
    await gateway.wait()
    (vmm,) = prepared.vmms()
    assert vmm.is_running()
    async with opened(prepared):
        with suppress(psutil.NoSuchProcess):
            assert vmm.status() == psutil.STATUS_ZOMBIE
        assert prepared.left() == []
