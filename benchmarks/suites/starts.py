"""Machines: from asking for one to its first answer, warm (one waits in the pool) and cold (none does)."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from benchmarks.compare import Measurement, interleave
from benchmarks.laboratory import Laboratory
from compute.pool import Pool
from compute.spawners.process import ProcessSpawner
from gateway.config import Warehouse
from gateway.warehouse import pool_config, templates

COLD = Warehouse(duckdb_warm=0, spark_warm=0)
REFILL_SECONDS = 1.0
SPARK_ROUNDS = 3


def machine_starts(laboratory: Laboratory) -> Iterator[Measurement]:
    """Each round has a pool of its own; the zygote, which every gateway has, is warm before the clock starts."""
    warm = {"duckdb": replace(COLD, duckdb_warm=1), "spark": replace(COLD, spark_warm=1)}
    for engine, rounds in (("duckdb", laboratory.rounds), ("spark", SPARK_ROUNDS)):
        subjects = {
            "warm": partial(_first_answer, engine, warm[engine], laboratory, warmed=True),
            "cold": partial(_first_answer, engine, COLD, laboratory, warmed=False),
        }
        yield from interleave(f"machine start, {engine}", subjects, rounds)


def _first_answer(engine: str, warehouse: Warehouse, laboratory: Laboratory, *, warmed: bool) -> Mapping[str, float]:
    return {"first answer ms": asyncio.run(_measure(engine, warehouse, laboratory, warmed=warmed)) * 1000}


async def _measure(engine: str, warehouse: Warehouse, laboratory: Laboratory, *, warmed: bool) -> float:
    root = next(iter(laboratory.tables.values())).parents[1]
    pool = Pool(ProcessSpawner(templates=templates(warehouse)), pool_config(warehouse, None), lambda _: str(root))
    try:
        await pool.start()
        if warmed:
            await _answer(pool, engine)
            await asyncio.sleep(REFILL_SECONDS)
        started = time.perf_counter()
        await _answer(pool, engine)
        return time.perf_counter() - started
    finally:
        await pool.close()


async def _answer(pool: Pool, engine: str) -> None:
    lease = await pool.lease(engine, workspace="demo", principal="admin")
    try:
        answer = await lease.execute("SELECT 1 AS one")
        rows = [row async for batch in answer for row in batch.to_pylist()]
    finally:
        await lease.release()
    if rows != [{"one": 1}]:
        raise RuntimeError(f"SELECT 1 was answered by {rows}")
