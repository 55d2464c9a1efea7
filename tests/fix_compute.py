"""A warehouse of plain Parquet files, scans over it, and pools of real machines."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalog.scans import DataFile, Scan, ScanColumn
from compute.config import EngineConfig, PoolConfig
from compute.lease import Answer, Lease
from compute.pool import Pool
from compute.spawners.process import GRACE_SECONDS, ProcessSpawner

ROWS = 200_000
FILES = 4
WAIT_SECONDS = 300.0


@pytest.fixture
def run_parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for run folders. Its path is short, as one of a socket in it has to fit into 107 bytes."""
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse root that machines may read, with the table `points` in it."""
    root = tmp_path_factory.mktemp("warehouse")
    root.chmod(0o755)
    points = root / "points"
    points.mkdir()
    for number in range(FILES):
        ids = range(number, ROWS, FILES)
        table = pa.table({"id": pa.array(ids, pa.int64()), "name": [f"point {i}" for i in ids]})
        pq.write_table(table, points / f"{number}.parquet", row_group_size=8192)
    return root


def scan(folder: Path, columns: dict[str, str], *, relation: str = "scan_0", uniform: bool = True) -> Scan:
    """All Parquet files of a folder, without partitions."""
    files = tuple(DataFile(str(path), path.stat().st_size, ()) for path in sorted(folder.glob("*.parquet")))
    named = tuple(ScanColumn(name, name, kind, False) for name, kind in columns.items())
    digest = f"{folder}{files}{named}{uniform}"
    return Scan(relation, str(folder), 1, named, files, uniform, digest)


@pytest.fixture(scope="session")
def points(warehouse: Path) -> Scan:
    return scan(warehouse / "points", {"id": "long", "name": "string"})


def duckdb_config(**changes: Any) -> EngineConfig:
    """On a busy host a start may take its time."""
    settings: dict[str, Any] = {"warm_machines": 1, "max_machines": 4, "memory_bytes": 256 << 20}
    return EngineConfig("duckdb", "user", **(settings | {"start_seconds": WAIT_SECONDS} | changes))


@asynccontextmanager
async def running_pool(
    warehouse: Path,
    engine: EngineConfig,
    *,
    isolated: bool = True,
    grace_seconds: float = GRACE_SECONDS,
    kind: type[ProcessSpawner] = ProcessSpawner,
    **settings: Any,
) -> AsyncIterator[Pool]:
    """A started pool of one engine. Leaving closes it."""
    spawner = kind(templates=[engine.spec], isolated=isolated, grace_seconds=grace_seconds)
    config = PoolConfig((engine,), **({"wait_seconds": WAIT_SECONDS} | settings))
    pool = Pool(spawner, config, lambda _workspace: str(warehouse))
    try:
        await pool.start()
        yield pool
    finally:
        await pool.close()


@pytest.fixture
async def pool(warehouse: Path) -> AsyncIterator[Pool]:
    async with running_pool(warehouse, duckdb_config()) as running:
        yield running


@pytest.fixture
async def lease(pool: Pool) -> AsyncIterator[Lease]:
    taken = await pool.lease("duckdb", workspace="demo", principal="ada")
    yield taken
    await taken.release()


async def rows(answer: Answer) -> list[dict[str, Any]]:
    """All rows of an answer."""
    return [row async for batch in answer for row in batch.to_pylist()]


async def ask(lease: Lease, sql: str, **arguments: Any) -> list[dict[str, Any]]:
    return await rows(await lease.execute(sql, **arguments))
