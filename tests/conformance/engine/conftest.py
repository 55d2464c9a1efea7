"""One pool a module: each test gets a machine of its own from it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from compute.lease import Lease
from compute.pool import Pool
from tests.fix_compute import duckdb_config, running_pool


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool(warehouse: Path) -> AsyncIterator[Pool]:
    async with running_pool(warehouse, duckdb_config()) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def lease(pool: Pool) -> AsyncIterator[Lease]:
    taken = await pool.lease("duckdb", workspace="demo", principal="ada")
    yield taken
    await taken.release()
