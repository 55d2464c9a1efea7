"""A whole Spark machine behind a pool: sealed, shared by leases of one workspace, and gone with its JVM."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from catalog.errors import MachineLost, SqlError, UndefinedTable
from compute.config import EngineConfig, PoolConfig
from compute.pool import Pool
from compute.spark.installation import Installation
from compute.spawners.process import ProcessSpawner
from tests.fix_compute import ask
from tests.fix_spark import PROPERTIES, table_at
from tests.processes import children, machines

pytestmark = [pytest.mark.spark, pytest.mark.slow]

START_SECONDS = 300


@pytest.fixture
async def spark_pool(spark_installation: Installation, passable_folder: Path) -> AsyncIterator[Pool]:
    """One Spark machine, isolated where the host allows it, over a warehouse that its user owns."""
    spawner = ProcessSpawner(templates=())
    warehouse = passable_folder / "spark-warehouse"
    warehouse.mkdir()
    engine = EngineConfig(
        "spark",
        "shared",
        max_machines=1,
        leases_per_machine=2,
        start_seconds=START_SECONDS,
        properties={**PROPERTIES, "cache": str(spark_installation.archive.parent)},
    )
    pool = Pool(spawner, PoolConfig((engine,), wait_seconds=START_SECONDS), lambda _workspace: str(warehouse))
    try:
        await pool.start()
        if (uid := pool.isolation.guest_uid) is not None:
            os.chown(warehouse, uid, uid)
        yield pool
    finally:
        await pool.close()


async def test_a_machine_from_its_start_to_its_end(spark_pool: Pool, passable_folder: Path) -> None:
    table = table_at(passable_folder / "spark-warehouse" / "points")
    one = await spark_pool.lease("spark", workspace="demo", principal="ada")
    other = await spark_pool.lease("spark", workspace="demo", principal="bob")

    await ask(one, f"CREATE TABLE {table} USING delta AS SELECT * FROM range(10)")
    assert await ask(other, f"SELECT sum(id) AS total FROM {table}") == [{"total": 45}]
    assert (await one.describe(f"SELECT * FROM {table}")).names == ["id"]

    if spark_pool.isolation.level == "namespaces":
        with pytest.raises(UndefinedTable):
            await ask(one, "SELECT * FROM text.`/etc/passwd`")
        with pytest.raises(SqlError):
            await ask(one, "CREATE TABLE delta.`/usr/lib/outside` USING delta AS SELECT 1 AS a")

    (jvm,) = (child for machine in machines() for child in children(machine) if "java" in child.name())
    jvm.kill()
    with pytest.raises(MachineLost):
        await ask(one, f"SELECT sum(id) AS total FROM {table}")
    await one.release()
    await other.release()
