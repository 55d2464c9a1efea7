"""Machines: from asking for one to its first answer, cold (none waits) and claimed from the pool, and to its end."""

import asyncio
from collections.abc import Iterator, Mapping
from functools import partial

from benchmarks.compare import Measurement, interleave
from benchmarks.laboratory import Laboratory
from gateway.bench import measure
from gateway.config import Warehouse

SPAWNERS = {"duckdb": ("process", "qemu"), "spark": ("process",)}
"""Those that start an engine's machines on any Linux host."""
MACHINES = {"duckdb": 20, "spark": 1}
"""Of each engine, a round."""
SPARK_ROUNDS = 3


def machine_starts(laboratory: Laboratory) -> Iterator[Measurement]:
    """Each round has pools of its own; the zygote, which every gateway has, is warm before the clock starts."""
    for engine, count in MACHINES.items():
        subjects = {name: partial(_round, Warehouse(spawner=name), engine, count) for name in SPAWNERS[engine]}
        rounds = laboratory.rounds if engine == "duckdb" else SPARK_ROUNDS
        yield from interleave(f"machine start, {engine}", subjects, rounds)


def _round(warehouse: Warehouse, engine: str, count: int) -> Mapping[str, float]:
    summary = asyncio.run(measure(warehouse, engine, count, at_once=1)).summary()
    return {name.replace("_ms", " ms").replace("_", " "): value for name, value in summary.items()}
