"""Many machines of one template, alive at once: nothing that should be theirs alone is anybody else's too."""

import asyncio
from dataclasses import replace
from pathlib import Path

from compute.config import PoolConfig
from compute.pool import Pool
from compute.spawners.process import ProcessSpawner
from tests.fix_compute import ask, duckdb_config
from tests.fix_hostile import CONFIG as HOSTILE
from tests.fix_hostile import ENGINE, attack, make_spawner

CLONES = 16


async def test_no_two_clones_are_alike(warehouse: Path) -> None:
    """What the machine's own process draws: its name, the kernel's randomness, Python's, identifiers."""
    draw = "result = [socket.gethostname(), os.urandom(16).hex(), random.random(), str(uuid.uuid4())]"
    config = replace(HOSTILE, max_machines=CLONES, warm_machines=0)
    pool = Pool(make_spawner("forked"), PoolConfig((config,)), lambda _workspace: str(warehouse))
    await pool.start()
    leases = [await pool.lease(ENGINE, workspace="demo", principal="ada") for _ in range(CLONES)]
    drawn = await asyncio.gather(*(attack(lease, draw) for lease in leases))
    await pool.close()
    for values in zip(*drawn, strict=True):
        assert len(set(values)) == CLONES


async def test_no_two_engines_are_alike(warehouse: Path) -> None:
    """DuckDB keeps random state in the connection: one made before the fork would repeat itself in every machine."""
    config = duckdb_config(max_machines=CLONES, warm_machines=0, memory_bytes=64 << 20)
    spawner = ProcessSpawner(templates=[config.spec])
    pool = Pool(spawner, PoolConfig((config,)), lambda _workspace: str(warehouse))
    await pool.start()
    leases = [await pool.lease("duckdb", workspace="demo", principal="ada") for _ in range(CLONES)]
    sql = "SELECT random() AS r, uuid() AS u, gen_random_uuid() AS g"
    rows = [(await ask(lease, sql))[0] for lease in leases]
    await pool.close()
    for column in ("r", "u", "g"):
        assert len({row[column] for row in rows}) == CLONES
