"""Machines whose engine a stranger has taken over (`tests.hostile`), by the kinds of machine that there are."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any

from compute.config import EngineConfig, PoolConfig
from compute.lease import Lease
from compute.pool import Pool
from compute.spawners import Spawner
from compute.spawners.process import ProcessSpawner
from tests.fix_compute import WAIT_SECONDS, ask

ENGINE = "tests.hostile"
DISK_BYTES = 64 << 20
CONFIG = EngineConfig(
    ENGINE, "user", warm_machines=1, max_machines=4, threads=1, memory_bytes=64 << 20, start_seconds=WAIT_SECONDS
)


def make_spawner(kind: str) -> Spawner:
    """``forked``: a process forked warm from a template. ``programs``: one that may run programs."""
    return ProcessSpawner(templates=[CONFIG.spec] if kind == "forked" else (), disk_bytes=DISK_BYTES)


@asynccontextmanager
async def hostile_pool(kind: str, warehouse: Path) -> AsyncIterator[Pool]:
    """A pool of such machines, shut off as far as this host can, and it can: nothing is missing or unbounded."""
    pool = Pool(make_spawner(kind), PoolConfig((CONFIG,), wait_seconds=WAIT_SECONDS), lambda _workspace: str(warehouse))
    try:
        await pool.start()
        assert not pool.isolation.missing + pool.isolation.unbounded, pool.isolation
        yield pool
    finally:
        await pool.close()


async def attack(lease: Lease, code: str) -> Any:
    """What the code leaves in `result` inside the machine, or what it raises."""
    [row] = await ask(lease, dedent(code))
    return json.loads(row["result"])
