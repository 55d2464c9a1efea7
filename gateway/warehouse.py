"""The default warehouse: the configuration's declared compute as the pool wants it."""

from collections.abc import Mapping

from compute.config import EngineConfig, MachineSpec, PoolConfig
from gateway.config import Warehouse


def pool_config(warehouse: Warehouse) -> PoolConfig:
    """DuckDB machines serve one lease, Spark machines a workspace."""
    return PoolConfig((_duckdb(warehouse), _spark(warehouse)))


def templates(warehouse: Warehouse) -> Mapping[str, MachineSpec]:
    """What the zygote keeps warm and forks."""
    return {"duckdb": _duckdb(warehouse).spec}


def _duckdb(warehouse: Warehouse) -> EngineConfig:
    return EngineConfig(
        engine="duckdb",
        mode="user",
        warm_machines=warehouse.duckdb_warm,
        max_machines=warehouse.duckdb_most,
        threads=warehouse.duckdb_threads,
        memory_bytes=warehouse.duckdb_memory,
    )


def _spark(warehouse: Warehouse) -> EngineConfig:
    return EngineConfig(
        engine="spark",
        mode="shared",
        warm_machines=warehouse.spark_warm,
        max_machines=warehouse.spark_most,
        start_seconds=300.0,
        leases_per_machine=8,
        idle_seconds=600.0,
        threads=warehouse.duckdb_threads,
        memory_bytes=warehouse.spark_memory,
    )
