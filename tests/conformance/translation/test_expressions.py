"""Every expression of `tests/sql/expressions.sql` on each lane, as PostgreSQL answers it."""

import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from catalog.errors import FeatureNotSupported
from compute.engines.spark.session import SparkSession
from planner.plan import Lane
from tests.conformance.translation.conftest import Rig

FILE = Path(__file__).parents[2] / "sql" / "expressions.sql"
BATCH = {Lane.DUCKDB: 12, Lane.SPARK: 60}
"""Expressions a statement: Spark compiles each statement for seconds."""


def expressions() -> list[str]:
    lines = (line.strip() for line in FILE.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("--")]


def batches(lane: Lane) -> list[list[str]]:
    listed, size = expressions(), BATCH[lane]
    return [listed[start : start + size] for start in range(0, len(listed), size)]


def selecting(listed: list[str]) -> str:
    columns = ", ".join(f"{expression} AS x{number}" for number, expression in enumerate(listed))
    return f"SELECT id, {columns} FROM samples.v ORDER BY id"


def is_equal(have: Any, want: Any) -> bool:
    """Equal values of one kind; what runs as a double for a numeric may differ by a relative 1e-14."""
    if isinstance(have, float) and isinstance(want, float | Decimal):
        return math.isclose(have, float(want), rel_tol=1e-14)
    if isinstance(have, Decimal) and isinstance(want, int | Decimal):
        return have == want
    return type(have) is type(want) and bool(have == want)


def fails(rig: Rig, expression: str) -> bool:
    try:
        rig.oracle.execute(selecting([expression]).encode()).fetchall()
    except psycopg.DataError:
        return True
    return False


def is_supported(rig: Rig, expression: str, lane: Lane) -> bool:
    try:
        rig.plan(selecting([expression]), lane)
    except FeatureNotSupported:
        return False
    return True


def check(rig: Rig, listed: list[str], lane: Lane) -> list[str]:
    """What differs, one line an expression and row."""
    kept = [e for e in listed if not fails(rig, e) and is_supported(rig, e, lane)]
    text = selecting(kept)
    pairs = zip(rig.answer(text, lane), rig.expected(text).rows, strict=True)
    return [
        f"{kept[i - 1]}, row {want[0]}: {have[i]!r} instead of {want[i]!r}"
        for have, want in pairs
        for i in range(1, len(kept) + 1)
        if not is_equal(have[i], want[i])
    ]


@pytest.mark.parametrize("listed", batches(Lane.DUCKDB), ids=lambda listed: listed[0])
def test_duckdb_answers_as_postgres_does(rig: Rig, listed: list[str]) -> None:
    assert check(rig, listed, Lane.DUCKDB) == []


@pytest.mark.spark
@pytest.mark.parametrize("listed", batches(Lane.SPARK), ids=lambda listed: listed[0])
def test_spark_answers_as_postgres_does(rig: Rig, spark_session: SparkSession, listed: list[str]) -> None:
    rig.spark = spark_session
    assert check(rig, listed, Lane.SPARK) == []


def test_duckdb_fails_where_postgres_does(rig: Rig) -> None:
    failing = [expression for expression in expressions() if fails(rig, expression)]
    assert len(failing) >= 10
    for expression in failing:
        query = rig.plan(selecting([expression]), Lane.DUCKDB)
        rig.duckdb.read_parquet([f.path for s in query.scans for f in s.files]).create_view("scan_0", replace=True)
        with pytest.raises(Exception, match="Error"):
            rig.duckdb.execute(query.sql).fetchall()


def test_most_expressions_run_on_either_lane(rig: Rig) -> None:
    listed = expressions()
    for lane, most in ((Lane.DUCKDB, 0), (Lane.SPARK, 12)):
        assert sum(not is_supported(rig, expression, lane) for expression in listed) <= most
