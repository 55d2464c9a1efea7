"""Who has to wait for a machine for more than a moment hears for what."""

import asyncio
from pathlib import Path

from compute.config import MachineSpec
from compute.events import Place
from compute.spawners import Machine
from compute.spawners.process import ProcessSpawner
from tests.fix_compute import ask, duckdb_config, running_pool


async def test_a_cold_start_is_told(warehouse: Path) -> None:
    go, told = asyncio.Event(), asyncio.Queue[Place]()

    class Slow(ProcessSpawner):
        """Starts nothing before it is let to."""

        async def start(self, spec: MachineSpec) -> Machine:
            await go.wait()
            return await super().start(spec)

    async with running_pool(warehouse, duckdb_config(warm_machines=0), kind=Slow) as pool:
        asked = pool.lease("duckdb", workspace="demo", principal="ada", tell=told.put_nowait)
        waiting = asyncio.create_task(asked)
        assert await told.get() == Place(0, starting=True)
        assert not waiting.done()
        go.set()
        lease = await waiting
        assert await ask(lease, "SELECT 1 AS one") == [{"one": 1}]
        assert told.empty()
        await lease.release()


async def test_the_queue_is_told(warehouse: Path) -> None:
    told: dict[str, asyncio.Queue[Place]] = {who: asyncio.Queue() for who in ("ada", "bob", "eve")}
    async with running_pool(warehouse, duckdb_config(max_machines=1)) as pool:

        async def lease_and_release(who: str) -> None:
            lease = await pool.lease("duckdb", workspace="demo", principal=who, tell=told[who].put_nowait)
            await lease.release()

        first = await pool.lease("duckdb", workspace="demo", principal="ada")
        async with asyncio.TaskGroup() as group:
            group.create_task(lease_and_release("bob"))
            assert await told["bob"].get() == Place(0, starting=False)
            group.create_task(lease_and_release("eve"))
            assert await told["eve"].get() == Place(1, starting=False)
            await first.release()
        assert told["bob"].empty()
