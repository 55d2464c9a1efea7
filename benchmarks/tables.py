"""The tables that are measured: one million rows each, written once into the cache folder."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, write_deltalake

from catalog.names import TableName
from compute.spark.cache import cache_folder
from gateway.demo import write_tpch

ROWS = 1_000_000
FILES = 4
POINTS = TableName("bench", "points")
WIDE = TableName("bench", "wide")


def bench_tables(scale: float) -> Mapping[TableName, Path]:
    """`bench.points` for look-ups by key, `bench.wide` for sending, and TPC-H at `scale`."""
    root = cache_folder(os.environ) / "bench"
    tpch = write_tpch(cache_folder(os.environ) / "tpch" / f"{scale:g}", scale)
    made = {POINTS: _written(root / "points", points), WIDE: _written(root / "wide", wide)}
    return made | {TableName("tpch", name): folder for name, folder in tpch.items()}


def _written(folder: Path, rows: Callable[[int, int], pa.Table]) -> Path:
    if not DeltaTable.is_deltatable(str(folder)):
        for first in range(0, ROWS, ROWS // FILES):
            write_deltalake(folder, rows(first, ROWS // FILES), mode="append")
    return folder


def points(first: int, count: int) -> pa.Table:
    """Keys in order, so that a look-up needs one file."""
    keys = pa.array(np.arange(first, first + count))
    return pa.table(
        {
            "id": keys,
            "amount": pc.multiply(keys, 7),
            "ratio": pc.divide(pc.cast(keys, pa.float64()), 3.0),
            "label": pc.binary_join_element_wise("label", pc.cast(keys, pa.string()), "-"),
        }
    )


def wide(first: int, count: int) -> pa.Table:
    """Ten columns of ten kinds, some with NULLs; a row is about 105 bytes in Arrow, 165 as text."""
    random = np.random.default_rng(first)
    keys = np.arange(first, first + count)
    absent = pa.array(random.random(count) < 0.1)

    def sparse(values: pa.Array) -> pa.Array:
        return pc.if_else(absent, pa.scalar(None, values.type), values)

    money = pc.cast(pa.array(np.round(random.uniform(-1e7, 1e7, count), 2)), pa.decimal128(15, 2))
    return pa.table(
        {
            "id": pa.array(keys),
            "small": sparse(pa.array(random.integers(0, 100_000, count, dtype=np.int32))),
            "value": pa.array(random.random(count) * 1e6),
            "rough": sparse(pa.array(random.random(count))),
            "money": sparse(money),
            "day": sparse(pc.cast(pa.array(random.integers(8000, 20000, count, dtype=np.int32)), pa.date32())),
            "moment": pa.array(random.integers(0, 2 * 10**15, count)).cast(pa.timestamp("us")),
            "label": pc.binary_join_element_wise("label", pc.cast(pa.array(keys), pa.string()), "-"),
            "note": sparse(pc.binary_repeat(pa.array(["lake gate "] * count), random.integers(1, 5, count))),
            "flag": sparse(pa.array(random.random(count) < 0.5)),
        }
    )
