"""Every spawner: start, poll, stop, and a guest that answers at the machine's address."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from catalog.scans import Scan
from compute.config import EngineConfig, MachineSpec, PoolConfig
from compute.pool import Pool
from compute.spawners import CannotStart, Spawner
from compute.spawners.process import GUEST_UID, ProcessSpawner
from compute.transport import Frame, Kind
from tests.fix_compute import ROWS, ask
from tests.fix_machines import MICROVM, make_spawner

SPEC = MICROVM.spec


@pytest.fixture(params=["namespaces", "none", "virtual"])
async def spawner(request: pytest.FixtureRequest) -> AsyncIterator[Spawner]:
    """Of processes with and without isolation, and of microVMs."""
    made = _microvms if request.param == "virtual" else _processes
    opened = await made(request)
    yield opened
    await opened.close()


async def _microvms(request: pytest.FixtureRequest) -> Spawner:
    image = request.getfixturevalue("guest_image")
    opened = make_spawner(image)
    assert (await opened.open()).level == "virtual"
    return opened


async def _processes(request: pytest.FixtureRequest) -> Spawner:
    opened = ProcessSpawner(templates=[SPEC], isolated=request.param == "namespaces")
    isolation = await opened.open()
    assert isolation.level == request.param, isolation.missing
    assert isolation.guest_uid == (GUEST_UID if os.geteuid() == 0 and request.param == "namespaces" else None)
    return opened


async def test_a_machine_says_hello(spawner: Spawner) -> None:
    machine = await spawner.start(SPEC)
    connection = await machine.connect()
    hello = await connection.expect(Kind.HELLO)
    assert hello.control["engine"] == "duckdb"
    assert await spawner.poll(machine) is None
    connection.abort()
    await spawner.stop(machine)


async def test_stop_ends_it(spawner: Spawner) -> None:
    machine = await spawner.start(SPEC)
    await spawner.stop(machine, now=True)
    assert await spawner.poll(machine) == -9
    with pytest.raises(OSError, match=r"No such file|no more connections"):
        await machine.connect()
    await spawner.stop(machine)


async def test_a_guest_whose_pool_leaves_ends_by_itself(spawner: Spawner) -> None:
    machine = await spawner.start(SPEC)
    (await machine.connect()).abort()
    assert await machine.ended == 0


async def test_statements_before_the_identity_are_refused(spawner: Spawner) -> None:
    machine = await spawner.start(SPEC)
    connection = await machine.connect()
    await connection.expect(Kind.HELLO)
    connection.send(Frame(Kind.EXECUTE, 1, {"sql": "select 1", "scans": [], "settings": {}}))
    error = await connection.expect(Kind.ERROR)
    assert error.control["message"] == "the machine has no identity yet"
    assert await machine.ended == 0


async def test_many_at_once(spawner: Spawner) -> None:
    machines = await asyncio.gather(*(spawner.start(SPEC) for _ in range(8)))
    assert len({machine.name for machine in machines}) == 8
    await asyncio.gather(*(spawner.stop(machine) for machine in machines))


async def test_an_engine_that_does_not_exist_ends_at_once() -> None:
    spawner = ProcessSpawner(templates=())
    machine = await spawner.start(MachineSpec("nonesuch", "user", 1, 1 << 20))
    assert await machine.ended == 1
    await spawner.close()


async def test_close_leaves_nothing(tmp_path: Path) -> None:
    opened = ProcessSpawner(templates=[SPEC], folder=str(tmp_path))
    machine = await opened.start(SPEC)
    await opened.close()
    assert machine.ended.done()
    assert os.listdir(tmp_path) == []


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
