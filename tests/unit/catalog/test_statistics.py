"""The statistics of files that the gateway writes, as delta-rs reads them back."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from catalog.statistics import Statistics

MOMENT = datetime(2024, 1, 2, 3, 4, 5, 123456, UTC)
BATCH = pa.RecordBatch.from_pydict(
    {
        "n": pa.array([3, None, 1], pa.int32()),
        "price": pa.array([Decimal("-0.50"), Decimal("12345678901234567890.12"), None], pa.decimal128(22, 2)),
        "word": ["b", "a", "c" * 40],
        "day": [date(1, 1, 1), date(9999, 12, 31), None],
        "moment": pa.array([MOMENT, MOMENT, MOMENT], pa.timestamp("us", "UTC")),
        "ratio": [1.5, -2.0, 0.0],
        "bytes": [b"x", None, None],
        "flag": [True, False, None],
        "nothing": pa.nulls(3, pa.int64()),
    }
)


def told(*batches: pa.RecordBatch, **properties: str) -> dict:
    gathered = Statistics(
        batches[0].schema.names, {name.replace("_", "."): value for name, value in properties.items()}
    )
    for batch in batches:
        gathered.add(batch)
    return json.loads(gathered.write(), parse_float=Decimal)


def test_bounds_and_counts() -> None:
    found = told(BATCH)
    assert found["numRecords"] == 3
    assert found["nullCount"] == dict(zip(BATCH.schema.names, [1, 1, 0, 1, 0, 0, 2, 1, 3], strict=True))
    assert found["minValues"] == {
        "n": 1,
        "price": Decimal("-0.50"),
        "word": "a",
        "day": "0001-01-01",
        "moment": "2024-01-02T03:04:05.123Z",
        "ratio": -2.0,
    }
    assert found["maxValues"] == {
        "n": 3,
        "price": Decimal("12345678901234567890.12"),
        "word": "c" * 32 + "\U0010ffff",
        "day": "9999-12-31",
        "moment": "2024-01-02T03:04:05.124Z",
        "ratio": 1.5,
    }


def test_batches_are_told_of_together() -> None:
    found = told(BATCH.slice(0, 1), BATCH.slice(1, 1), BATCH.slice(2, 1))
    assert found == told(BATCH)


@pytest.mark.parametrize(
    "cells",
    [
        pa.array([1.0, float("nan")]),
        pa.array([1.0, float("inf")]),
        pa.array([0, 4_000_000], pa.int32()).view(pa.date32()),
        pa.array([0, 10**18], pa.int64()).view(pa.timestamp("us")),
    ],
)
def test_what_json_cannot_tell_is_left_out(cells: pa.Array) -> None:
    first, rest = pa.record_batch([cells.slice(0, 1)], ["x"]), pa.record_batch([cells], ["x"])
    for batches in ((first, rest), (rest, first)):
        found = told(*batches)
        assert (found["minValues"], found["maxValues"], found["nullCount"]) == ({}, {}, {"x": 0})


def test_texts_without_an_upper_bound() -> None:
    found = told(pa.record_batch([["a" * 32 + "\U0010ffff"]], ["x"]))
    assert (found["minValues"], found["maxValues"]) == ({"x": "a" * 32}, {})


def test_tables_say_which_columns_are_told_of() -> None:
    assert list(told(BATCH, delta_dataSkippingNumIndexedCols="2")["nullCount"]) == ["n", "price"]
    assert list(told(BATCH, delta_dataSkippingNumIndexedCols="-1")["nullCount"]) == BATCH.schema.names
    assert list(told(BATCH, delta_dataSkippingStatsColumns="word, `n`")["nullCount"]) == ["n", "word"]


def test_delta_rs_reads_them(tmp_path: Path) -> None:
    """Its own statistics and ours of the same rows come to the same bounds, or ours are wider."""
    columns = [name for name in BATCH.schema.names if name != "nothing"]
    rows = pa.Table.from_batches([BATCH]).select(columns)
    write_deltalake(tmp_path / "own", rows)
    write_deltalake(tmp_path / "ours", rows.slice(0, 0))
    pq.write_table(rows, tmp_path / "ours" / "x.parquet")
    gathered = Statistics(columns, {})
    gathered.add(rows.to_batches()[0])
    add = {"path": "x.parquet", "partitionValues": {}, "size": 1, "modificationTime": 0, "dataChange": True}
    line = json.dumps({"add": {**add, "stats": gathered.write()}})
    (tmp_path / "ours" / "_delta_log" / f"{1:020}.json").write_text(line)
    own, ours = (
        pa.table(DeltaTable(tmp_path / name).get_add_actions(flatten=True)).to_pylist()[0] for name in ("own", "ours")
    )
    assert ours["num_records"] == 3
    for name in ("n", "day", "ratio"):
        assert (ours[f"min.{name}"], ours[f"max.{name}"]) == (own[f"min.{name}"], own[f"max.{name}"])
    assert (ours["min.price"], ours["max.price"]) == (Decimal("-0.50"), Decimal("12345678901234567890.12"))
    assert ours["min.moment"] <= MOMENT <= ours["max.moment"]
    assert ours["max.word"] >= "c" * 40
