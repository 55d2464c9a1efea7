"""The default warehouse: the configuration's declared compute as the pool wants it, and who owns its tables'
files."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from compute.config import ANY_NODES, EngineConfig, MachineSpec, NodeType, PoolConfig
from compute.job import JARS_PROPERTY
from compute.spark.cache import IMAGE_CACHE
from compute.spark.configuration import COMPILER_PROPERTY, COMPILERS
from compute.spark.master import executor_properties
from compute.spawners.kubernetes.config import parse_node_types
from gateway.config import Config, Declaration, Warehouse

QUIET_SECONDS = 8.0
"""What the first statements on a warm JVM take of two busy processors. The next JVM's start takes as much, and none of
them comes sooner where both run at once."""


def pool_config(config: Config) -> PoolConfig:
    """DuckDB machines serve one lease, Spark machines a workspace. An engine of which there may be none is not there.

    Raises ValueError where what an operator has said does not fit together.
    """
    warehouse, declaration = config.warehouse, config.warehouse.declaration
    spark = _cloned_spark(warehouse) if warehouse.spark_spawner == "qemu" else _spark(config)
    engines = _declared([_duckdb(warehouse), spark], declaration)
    for engine in engines:
        _check(engine, config)
    types = (NodeType(ANY_NODES), *_node_types(config).values())
    chosen = {"wait_seconds": 300.0, **declaration.queue}
    present = tuple(engine for engine in engines if engine.max_machines > 0)
    return PoolConfig(present, node_types=types, workspaces=declaration.policies, **chosen)


def present_engines(config: Config) -> frozenset[str]:
    """By name. Raises ValueError, as `pool_config` does."""
    return frozenset(engine.engine for engine in pool_config(config).engines)


def templates(config: Config) -> Sequence[MachineSpec]:
    """What the zygote keeps warm and forks, or what microVMs are clones of: every size."""
    cloned = ("duckdb", "spark") if config.warehouse.spark_spawner == "qemu" else ("duckdb",)
    return [engine.spec for engine in pool_config(config).engines if engine.engine in cloned]


def job_config(warehouse: Warehouse, jars: Sequence[Path]) -> EngineConfig:
    """One machine for one job, out of these JARs: a process beside them, or a pod, which has yet to read them."""
    engine = EngineConfig(
        engine="job",
        mode="user",
        warm_machines=0,
        max_machines=1,
        start_seconds=300.0,
        memory_bytes=warehouse.spark_memory,
    )
    if warehouse.spark_master is None:
        return replace(engine, executors=warehouse.executors, properties=_compiler_property(warehouse))
    chosen = {**_driver_properties(warehouse), **_compiler_property(warehouse)}
    properties = {**chosen, JARS_PROPERTY: json.dumps([str(jar) for jar in jars])}
    return replace(engine, threads=warehouse.duckdb_threads, properties=properties)


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


def _declared(engines: Sequence[EngineConfig], declaration: Declaration) -> tuple[EngineConfig, ...]:
    """Engines as the warehouse file has them, and their other sizes. Of those none is kept warm unless it says so."""
    by_name = {each.engine: replace(each, **declaration.engines.get(each.engine, {})) for each in engines}
    sizes = (
        replace(by_name[engine], **{"warm_machines": 0, **fields, "size": size})
        for (engine, size), fields in declaration.sizes.items()
    )
    return (*by_name.values(), *sizes)


def _check(engine: EngineConfig, config: Config) -> None:
    where = f"engines.{engine.engine}" + (f".sizes.{engine.size}" if engine.size else "")
    if engine.engine == "spark" and _mounts_tables(config) and not engine.reserved:
        raise ValueError(f"{where}.reserved: pods that mount a workspace's tables are started for it alone")
    if max(engine.warm_machines, engine.warm_limit) > engine.max_machines:
        raise ValueError(f"{where}: more machines are kept warm than the {engine.max_machines} that there may be")
    if engine.reaches_store:
        _check_reach(f"{where}.reaches_store", engine, config)
    types = _node_types(config)
    for name in engine.node_types:
        if name != ANY_NODES and name not in types:
            raise ValueError(
                f"{where}.node_types: nothing describes {name!r}; "
                "node types are those of --spawner kubernetes, in LAKEGATE_KUBERNETES_NODE_TYPES"
            )


def _check_reach(where: str, engine: EngineConfig, config: Config) -> None:
    """Links that leave the gateway are signed by a role that reads one table, not by its own key."""
    if (engine.engine, config.warehouse.spawner) != ("duckdb", "qemu"):
        raise ValueError(f"{where}: only DuckDB's microVMs can have a network, with --spawner qemu")
    if config.objects.role is None and config.objects.shared:
        raise ValueError(
            f"{where}: the gateway's own key would sign for workspaces without a role; set LAKEGATE_S3_ROLE, "
            "or share_role = false"
        )
    try:
        config.objects.address()
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _node_types(config: Config) -> Mapping[str, NodeType]:
    """Those of the cluster that machines are pods of, as the fleet sees them."""
    if config.warehouse.spawner != "kubernetes":
        return {}
    try:
        types = parse_node_types(config.kubernetes.node_types).values()
    except ValueError as error:
        raise ValueError(f"LAKEGATE_KUBERNETES_NODE_TYPES is not understood: {error}") from error
    return {each.name: NodeType(each.name, each.capacity != "on-demand", each.placed, each.spread) for each in types}


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


def _mounts_tables(config: Config) -> bool:
    """Whether Spark's machines are pods that have tables from a volume: those of one workspace each."""
    return config.warehouse.spark_pods and config.kubernetes.warehouse_claim is not None


def _spark(config: Config) -> EngineConfig:
    warehouse = config.warehouse
    return EngineConfig(
        engine="spark",
        mode="shared",
        warm_machines=warehouse.spark_warm,
        max_machines=warehouse.spark_most,
        start_seconds=300.0,
        most_starting=1,
        quiet_seconds=0.0 if warehouse.spark_pods else QUIET_SECONDS,
        leases_per_machine=32,
        idle_seconds=600.0,
        threads=warehouse.duckdb_threads,
        memory_bytes=warehouse.spark_memory,
        properties=_spark_properties(warehouse, config.cache),
        reserved=_mounts_tables(config),
        executors=warehouse.executors,
    )


def _driver_properties(warehouse: Warehouse) -> Mapping[str, str]:
    if warehouse.spark_master is None or warehouse.executors is None:
        return {}
    return executor_properties(warehouse.spark_master, warehouse.executors)


def _compiler_property(warehouse: Warehouse) -> Mapping[str, str]:
    """Only where it is not the usual one: what templates are named by stays as it is."""
    return {} if warehouse.spark_compiler == COMPILERS[0] else {COMPILER_PROPERTY: warehouse.spark_compiler}


def _spark_properties(warehouse: Warehouse, cache: Path | None) -> Mapping[str, str]:
    chosen = {
        **_driver_properties(warehouse),
        **_compiler_property(warehouse),
        "cache": cache and cache.absolute(),
        "remote": warehouse.spark_remote,
        "remote.token": warehouse.spark_token if warehouse.spark_remote else None,
    }
    return {name: str(value) for name, value in chosen.items() if value is not None}
