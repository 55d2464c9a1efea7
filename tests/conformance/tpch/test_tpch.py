"""TPC-H's 22 queries on both lanes: names, types and rows as PostgreSQL gives them on the same data.

Every cell is compared as text, trailing zeros included. What PostgreSQL gets by division or `avg` may differ by a
relative 1e-14; where ORDER BY leaves ties open, rows are compared as a multiset and the sort keys in order.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.target import Target

QUERIES = sorted((Path(__file__).parent / "queries").iterdir())
LANES = ("duckdb", "spark")
TOLERANCE = 1e-14
DIVIDED = {
    "q01": {"avg_qty", "avg_price", "avg_disc"},
    "q08": {"mkt_share"},
    "q14": {"promo_revenue"},
    "q17": {"avg_yearly"},
}
"""Columns that come from a division or an average."""
PARTLY_ORDERED = {
    "q03": ("revenue", "o_orderdate"),
    "q05": ("revenue",),
    "q10": ("revenue",),
    "q11": ("value",),
    "q18": ("o_totalprice", "o_orderdate"),
}
"""Sort keys of the queries whose ORDER BY is not total."""

Row = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """`columns` are (name, type OID, typmod); cells are the wire's own text."""

    columns: tuple[tuple[str, int, int], ...]
    rows: tuple[Row, ...]

    def column(self, name: str) -> int:
        return [column[0] for column in self.columns].index(name)


def run(connection: psycopg.Connection, query: Path) -> Result:
    answer = connection.execute(query.read_bytes()).pgresult
    assert answer is not None
    fields, rows = range(answer.nfields), range(answer.ntuples)
    return Result(
        tuple(((answer.fname(i) or b"").decode(), answer.ftype(i), answer.fmod(i)) for i in fields),
        tuple(tuple(text(answer.get_value(row, field)) for field in fields) for row in rows),
    )


def text(cell: bytes | None) -> str | None:
    return None if cell is None else cell.decode()


def without(rows: Sequence[Row], dropped: set[int]) -> list[Row]:
    return [tuple(cell for index, cell in enumerate(row) if index not in dropped) for row in rows]


def column(result: Result, name: str) -> list[str | None]:
    index = result.column(name)
    return [row[index] for row in result.rows]


@pytest.fixture(scope="module")
def expected(oracle: Target) -> Iterator[psycopg.Connection]:
    with oracle.connect(options="-c search_path=tpch") as connection:
        yield connection


@pytest.fixture(scope="module", params=LANES)
def lane(request: pytest.FixtureRequest, gateway: Target) -> Iterator[psycopg.Connection]:
    with gateway.connect(options="-c search_path=tpch") as connection:
        connection.execute(f"SET lakegate.lane = {request.param}".encode())
        yield connection


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.stem)
def test_query(query: Path, expected: psycopg.Connection, lane: psycopg.Connection) -> None:
    wanted, got = run(expected, query), run(lane, query)
    assert got.columns == wanted.columns
    divided = {wanted.column(name) for name in DIVIDED.get(query.stem, ())}
    keys = PARTLY_ORDERED.get(query.stem, ())
    wanted_rows, rows = without(wanted.rows, divided), without(got.rows, divided)
    if keys:
        assert [column(got, key) for key in keys] == [column(wanted, key) for key in keys]
        wanted_rows, rows = sorted(wanted_rows, key=repr), sorted(rows, key=repr)
    assert rows == wanted_rows
    for name in DIVIDED.get(query.stem, ()):
        for cell, wanted_cell in zip(column(got, name), column(wanted, name), strict=True):
            assert math.isclose(float(cell or "nan"), float(wanted_cell or "nan"), rel_tol=TOLERANCE)


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.stem)
def test_oracle_answers(query: Path, expected: psycopg.Connection) -> None:
    """A query that finds nothing would prove nothing."""
    assert run(expected, query).rows != ()
