"""Whole queries: TPC-H, and the names and clauses of `tests/sql/queries.sql`, in the DuckDB lane against PostgreSQL.

TPC-H on both lanes through the gateway is `tests/conformance/tpch`'s.
"""

from pathlib import Path

import pytest

from compute.engines.spark.session import SparkSession
from planner.plan import Lane
from tests.conformance.translation.conftest import Rig
from tests.conformance.translation.test_expressions import is_equal

FOLDER = Path(__file__).parents[1]
QUERIES = [line for line in (FOLDER.parent / "sql" / "queries.sql").read_text().splitlines() if line and line[0] != "-"]
TPCH = sorted((FOLDER / "tpch" / "queries").glob("*.sql"))
DUCKDBS = ("DISTINCT ON", "LATERAL", "array_agg", "MD5")
ON_SPARK = [query for query in QUERIES if not any(part in query for part in DUCKDBS)][::4]
"""A sample, because Spark takes a second for each: those of `expressions.sql` all run there."""


def differences(rig: Rig, text: str, lane: Lane, *, ordered: bool = True) -> list[str]:
    """Rows that are not equal. Without a total order both sides are sorted first."""
    have, want = rig.answer(text, lane), rig.expected(text).rows
    if not ordered:
        have, want = sorted(have, key=repr), sorted(want, key=repr)
    if len(have) != len(want):
        return [f"{len(have)} rows instead of {len(want)}"]
    return [f"{a} instead of {b}" for a, b in zip(have, want, strict=True) if not all(map(is_equal, a, b))]


@pytest.mark.parametrize("text", QUERIES)
def test_names_and_clauses(rig: Rig, text: str) -> None:
    assert differences(rig, text, Lane.DUCKDB) == []


@pytest.mark.spark
@pytest.mark.parametrize("text", ON_SPARK)
def test_names_and_clauses_on_spark(rig: Rig, spark_session: SparkSession, text: str) -> None:
    rig.spark = spark_session
    assert differences(rig, text, Lane.SPARK) == []


@pytest.mark.parametrize("query", TPCH, ids=lambda query: query.stem)
def test_tpch(rig: Rig, query: Path) -> None:
    text = query.read_text().strip().rstrip(";")
    assert differences(rig, text, Lane.DUCKDB, ordered="order by" in text.lower()) == []


@pytest.mark.parametrize("query", TPCH, ids=lambda query: query.stem)
def test_tpch_has_a_spark_translation(rig: Rig, query: Path) -> None:
    assert "delta.`" in rig.plan(query.read_text().strip().rstrip(";"), Lane.SPARK).sql
