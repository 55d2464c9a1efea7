"""The default warehouse: the configuration's declared compute as the pool wants it, and who owns its tables'
files."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from compute.config import EngineConfig, MachineSpec, PoolConfig
from compute.engines.job.job import JARS_PROPERTY
from compute.spark.cache import IMAGE_CACHE
from compute.spark.driver import executor_properties
from gateway.config import Warehouse


def pool_config(warehouse: Warehouse, cache: Path | None) -> PoolConfig:
    """DuckDB machines serve one lease, Spark machines a workspace. `cache` is where set-up left Spark."""
    spark = _cloned_spark(warehouse) if warehouse.spark_spawner == "qemu" else _spark(warehouse, cache)
    return PoolConfig((_duckdb(warehouse), spark), wait_seconds=300.0)


def templates(warehouse: Warehouse) -> Mapping[str, MachineSpec]:
    """What the zygote keeps warm and forks, or what microVMs are clones of."""
    duckdb = {"duckdb": _duckdb(warehouse).spec}
    return duckdb | ({"spark": _cloned_spark(warehouse).spec} if warehouse.spark_spawner == "qemu" else {})


def job_config(warehouse: Warehouse, jars: Sequence[Path]) -> EngineConfig:
    """One machine for one job, out of these JARs."""
    return EngineConfig(
        engine="job",
        mode="user",
        warm_machines=0,
        max_machines=1,
        start_seconds=300.0,
        threads=warehouse.duckdb_threads,
        memory_bytes=warehouse.spark_memory,
        properties={**_driver_properties(warehouse), JARS_PROPERTY: json.dumps([str(jar) for jar in jars])},
    )


def give_to_machines(folder: Path, uid: int | None) -> None:
    """Makes the machines' user the owner of a folder and all below it, so that Spark may write there.

    `uid` None means that machines run as the gateway's own user.
    """
    if uid is None:
        return
    os.chown(folder, uid, uid)
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(os.path.join(parent, name), uid, uid, follow_symlinks=False)


def _duckdb(warehouse: Warehouse) -> EngineConfig:
    return EngineConfig(
        engine="duckdb",
        mode="user",
        warm_machines=warehouse.duckdb_warm,
        max_machines=warehouse.duckdb_most,
        threads=warehouse.duckdb_threads,
        memory_bytes=warehouse.duckdb_memory,
    )


def _cloned_spark(warehouse: Warehouse) -> EngineConfig:
    """A clone serves one lease, and starts in no time: nothing stands by."""
    return EngineConfig(
        engine="spark",
        mode="user",
        warm_machines=warehouse.spark_warm,
        max_machines=warehouse.spark_most,
        start_seconds=300.0,
        threads=1,
        memory_bytes=warehouse.spark_memory,
        properties={"cache": str(IMAGE_CACHE)},
    )


def _spark(warehouse: Warehouse, cache: Path | None) -> EngineConfig:
    return EngineConfig(
        engine="spark",
        mode="shared",
        warm_machines=warehouse.spark_warm,
        max_machines=warehouse.spark_most,
        start_seconds=300.0,
        most_starting=1,
        leases_per_machine=32,
        idle_seconds=600.0,
        threads=warehouse.duckdb_threads,
        memory_bytes=warehouse.spark_memory,
        properties=_spark_properties(warehouse, cache),
        executors=warehouse.executors,
    )


def _driver_properties(warehouse: Warehouse) -> Mapping[str, str]:
    if warehouse.spark_master is None or warehouse.executors is None:
        return {}
    return executor_properties(warehouse.spark_master, warehouse.executors)


def _spark_properties(warehouse: Warehouse, cache: Path | None) -> Mapping[str, str]:
    chosen = {
        **_driver_properties(warehouse),
        "cache": cache and cache.absolute(),
        "remote": warehouse.spark_remote,
        "remote.token": warehouse.spark_token if warehouse.spark_remote else None,
    }
    return {name: str(value) for name, value in chosen.items() if value is not None}
