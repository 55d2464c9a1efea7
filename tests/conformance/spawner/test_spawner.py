"""Every spawner: start, poll, stop, and a guest that answers at the machine's address."""

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from catalog.errors import MachineLost
from catalog.scans import Scan
from compute.config import EngineConfig, MachineSpec, PoolConfig
from compute.connection import Connection
from compute.lease import Lease
from compute.pool import Pool
from compute.spawners import Adoptable, CannotStart, Machine, Spawner
from compute.spawners.kubernetes.spawner import KubernetesSpawner
from compute.spawners.process import GUEST_UID, ProcessSpawner
from compute.transport import Frame, Kind
from tests.cluster.control_plane import ControlPlane
from tests.fix_cluster import eventually, lone_namespace, running_host_node
from tests.fix_compute import ROWS, ask
from tests.fix_firecracker import Contract
from tests.fix_firecracker import open_spawner as open_contracted
from tests.fix_machines import MICROVM, make_spawner

SPEC = MICROVM.spec
KILLED = -9
MANY = 6


Opened = AbstractAsyncContextManager[Spawner]


@asynccontextmanager
async def opened(spawner: Spawner, level: str, guest_uid: int | None = None) -> AsyncIterator[Spawner]:
    isolation = await spawner.open()
    assert isolation.level == level, isolation.missing
    assert isolation.guest_uid == guest_uid
    yield spawner
    await spawner.close()


def shut_off_processes(_: pytest.FixtureRequest) -> Opened:
    return opened(ProcessSpawner(templates=[SPEC]), "namespaces", GUEST_UID if os.geteuid() == 0 else None)


def plain_processes(_: pytest.FixtureRequest) -> Opened:
    return opened(ProcessSpawner(templates=[SPEC], isolated=False), "none")


def microvms(request: pytest.FixtureRequest) -> Opened:
    return opened(make_spawner(request.getfixturevalue("guest_image")), "virtual")


def firecracker_by_contract(request: pytest.FixtureRequest) -> Opened:
    """The guests are real, the VMM is not."""
    contract: Contract = request.getfixturevalue("prepared")
    return opened(open_contracted(contract, machines=MANY), "virtual")


def pods(request: pytest.FixtureRequest) -> Opened:
    """Of a real API server. They run as processes of this host."""
    plane: ControlPlane = request.getfixturevalue("control_plane")
    return _opened_pods(plane)


@asynccontextmanager
async def _opened_pods(plane: ControlPlane) -> AsyncIterator[Spawner]:
    async with lone_namespace(plane) as machines, running_host_node(machines):
        async with opened(KubernetesSpawner(machines.config), "namespaces") as spawner:
            yield spawner
        await eventually(machines.are_gone)


@pytest.fixture(params=[shut_off_processes, plain_processes, microvms, firecracker_by_contract, pods])
def opening(request: pytest.FixtureRequest) -> Opened:
    """Of every kind. What it needs is made before the test's loop runs."""
    made: Opened = request.param(request)
    return made


@pytest.fixture
async def spawner(opening: Opened) -> AsyncIterator[Spawner]:
    async with opening as running:
        yield running


async def greeted(machine: Machine) -> Connection:
    connection = await machine.connect()
    hello = await connection.expect(Kind.HELLO)
    assert hello.control["engine"] == "duckdb"
    return connection


async def answers(machine: Machine, warehouse: Path) -> None:
    """It is somebody's, answers a statement, and ends by itself once he has gone."""
    connection = await greeted(machine)
    if isinstance(machine, Adoptable):
        machine.claim()
    identity = {"hostname": "m", "time_ns": time.time_ns(), "seed": secrets.token_hex(64)}
    connection.send(Frame(Kind.IDENTITY, control=identity | {"workspace": "demo", "warehouse": str(warehouse)}))
    await connection.expect(Kind.READY)
    assert await ask(Lease(connection, lambda _lease: None), "SELECT 42 AS answer") == [{"answer": 42}]
    connection.abort()
    assert await machine.ended != KILLED


async def ends_unless_adopted(machine: Machine, warehouse: Path) -> None:
    """By itself. One that may be adopted waits for who does it."""
    if isinstance(machine, Adoptable):
        await answers(machine, warehouse)
    assert await machine.ended != KILLED


async def test_a_machine_answers(spawner: Spawner, warehouse: Path) -> None:
    machine = await spawner.start(SPEC)
    assert await spawner.poll(machine) is None
    await answers(machine, warehouse)
    assert await spawner.poll(machine) == machine.ended.result()
    await spawner.stop(machine)


async def test_stop_ends_it(spawner: Spawner) -> None:
    machine = await spawner.start(SPEC)
    await spawner.stop(machine, now=True)
    assert await spawner.poll(machine) == KILLED
    with pytest.raises(OSError, match=r"No such file|no more connections|leaving or gone"):
        await machine.connect()
    await spawner.stop(machine)


async def test_a_guest_whose_pool_leaves_ends_by_itself(spawner: Spawner, warehouse: Path) -> None:
    machine = await spawner.start(SPEC)
    (await machine.connect()).abort()
    await ends_unless_adopted(machine, warehouse)


async def test_statements_before_the_identity_are_refused(spawner: Spawner, warehouse: Path) -> None:
    """And so is who asked."""
    machine = await spawner.start(SPEC)
    connection = await greeted(machine)
    connection.send(Frame(Kind.EXECUTE, 1, {"sql": "select 1", "scans": [], "settings": {}}))
    error = await connection.expect(Kind.ERROR)
    assert error.control["message"] == "the machine has no identity yet"
    with pytest.raises(MachineLost):
        await connection.receive()
    await ends_unless_adopted(machine, warehouse)


async def test_many_at_once(spawner: Spawner) -> None:
    machines = await asyncio.gather(*(spawner.start(SPEC) for _ in range(MANY)))
    assert len({machine.name for machine in machines}) == MANY
    await asyncio.gather(*(spawner.stop(machine) for machine in machines))


async def test_an_engine_that_does_not_exist_ends_at_once() -> None:
    spawner = ProcessSpawner(templates=())
    machine = await spawner.start(MachineSpec("nonesuch", "user", 1, 1 << 20))
    assert await machine.ended == 1
    await spawner.close()


async def test_close_leaves_nothing(run_parent: Path) -> None:
    opened = ProcessSpawner(templates=[SPEC], folder=str(run_parent))
    machine = await opened.start(SPEC)
    await opened.close()
    assert machine.ended.done()
    assert os.listdir(run_parent) == []


async def test_a_spawner_that_cannot_open_says_so(tmp_path: Path) -> None:
    opened = ProcessSpawner(templates=[replace(SPEC, engine="nonesuch")], folder=str(tmp_path))
    with pytest.raises(CannotStart):
        await opened.open()
    await opened.close()


async def test_a_shared_machine_without_a_template_serves_many(warehouse: Path, points: Scan) -> None:
    """Spark's way to start: a fresh interpreter in the namespaces. One workspace, any number of connections."""
    config = EngineConfig("duckdb", "shared", warm_machines=0, max_machines=1, leases_per_machine=3)
    spawner = ProcessSpawner(templates=())
    pool = Pool(spawner, PoolConfig((config,)), lambda _workspace: str(warehouse))
    await pool.start()
    leases = [await pool.lease("duckdb", workspace="demo", principal=who) for who in ("ada", "bob", "eve")]
    answers = await asyncio.gather(
        *(ask(lease, "SELECT max(id) AS id FROM scan_0", scans=[points]) for lease in leases)
    )
    assert answers == [[{"id": ROWS - 1}]] * 3
    usage = [await lease.usage() for lease in leases]
    assert len({each["pid"] for each in usage}) == 1
    await leases[0].release()
    assert await ask(leases[1], "SELECT 1 AS one") == [{"one": 1}]
    await pool.close()


@pytest.mark.parametrize("mebibytes", [256, 512, 768])
async def test_machines_of_each_size_have_bounds_of_their_own(warehouse: Path, mebibytes: int) -> None:
    """Two are warm from the begin; a template of the third is made when it is first asked for."""
    sizes = [replace(SPEC, memory_bytes=number << 20) for number in (256, 512)]
    config = EngineConfig("duckdb", "user", warm_machines=0, threads=SPEC.threads, memory_bytes=mebibytes << 20)
    pool = Pool(ProcessSpawner(templates=sizes), PoolConfig((config,)), lambda _workspace: str(warehouse))
    await pool.start()
    lease = await pool.lease("duckdb", workspace="demo", principal="ada")
    answer = await ask(lease, "SELECT current_setting('memory_limit') AS most")
    await pool.close()
    assert answer == [{"most": f"{mebibytes}.0 MiB"}]
