"""Pruning never drops a file that holds a row which the statement wants."""

import datetime
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.names import TableName
from catalog.snapshots import Snapshot, SnapshotColumn
from catalog.types import Oid, PgType
from planner.plan import Query
from planner.predicates import (
    AllOf,
    AnyOf,
    ColumnTerm,
    Comparison,
    ConstantTerm,
    Nullness,
    ParameterTerm,
    Predicate,
    Prefix,
)
from planner.prune import Pruner
from tests.unit.planner.warehouse import ORDER_COLUMNS, planned

COLUMN = ColumnTerm(0, "x")
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
KINDS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "long": (pa.int64(), st.integers(-5, 5)),
    "integer": (pa.int32(), st.integers(-5, 5)),
    "string": (pa.string(), st.text("ab%é", max_size=3)),
    "date": (pa.date32(), st.dates(datetime.date(2020, 1, 1), datetime.date(2020, 1, 9))),
    "double": (pa.float64(), st.sampled_from([-1.5, 0.0, 2.5, float("nan"), float("inf")])),
    "float": (pa.float32(), st.sampled_from([-1.5, 0.0, 2.5, float("nan")])),
    "decimal(5,2)": (pa.decimal128(5, 2), st.decimals(-2, 2, places=2)),
    "timestamp": (
        pa.timestamp("us", "UTC"),
        st.datetimes(
            datetime.datetime(1969, 12, 31, 23, 59, 59),
            datetime.datetime(1970, 1, 1, 0, 0, 1),
            timezones=st.just(datetime.UTC),
        ),
    ),
    "timestamp_ntz": (
        pa.timestamp("us"),
        st.datetimes(datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 1, 0, 0, 1)),
    ),
}


def key(value: Any) -> Any:
    """PostgreSQL's order: NaN above every number."""
    return (value != value, value) if isinstance(value, float) else value


def compare(operator: str, a: Any, b: Any) -> bool:
    if isinstance(a, float):
        a, b = (a != a, 0.0 if a != a else a), (b != b, 0.0 if b != b else b)
    return OPERATORS[operator](a, b)


def holds(predicate: Predicate, value: Any) -> bool:
    match predicate:
        case AllOf(parts):
            return all(holds(part, value) for part in parts)
        case AnyOf(parts):
            return any(holds(part, value) for part in parts)
        case Nullness(_, is_null):
            return (value is None) == is_null
        case Prefix(_, text):
            return value is not None and value.startswith(text)
        case Comparison(_, operator, ConstantTerm(constant)):
            return value is not None and compare(operator, value, constant)
    raise AssertionError(predicate)


def snapshot(kind: str, files: Sequence[Sequence[Any]], *, partitioned: bool, silent: Sequence[bool]) -> Snapshot:
    """Statistics as a writer leaves them: without NaN, timestamps cut to milliseconds, missing where `silent`."""
    arrow, _ = KINDS[kind]
    known = [
        [] if quiet else [v for v in rows if v is not None and v == v]
        for rows, quiet in zip(files, silent, strict=True)
    ]
    lows = [_cut(min(rows)) if rows else None for rows in known]
    highs = [_cut(max(rows)) if rows else None for rows in known]
    nulls = [None if quiet else sum(v is None for v in rows) for rows, quiet in zip(files, silent, strict=True)]
    columns: dict[str, Any] = {
        "path": [str(number) for number in range(len(files))],
        "size_bytes": [1] * len(files),
        "num_records": [len(rows) for rows in files],
        "min.x": pa.array(lows, arrow),
        "max.x": pa.array(highs, arrow),
        "null_count.x": pa.array(nulls, pa.int64()),
    }
    if partitioned:
        columns["partition.x"] = pa.array([None if rows[0] is None else str(rows[0]) for rows in files], pa.string())
    column = SnapshotColumn("x", "x", kind, True)
    names = ("x",) if partitioned else ()
    return Snapshot(TableName("s", "t"), "/t", 1, (column,), names, frozenset(), False, True, 1, pa.table(columns))


def _cut(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return value.replace(microsecond=value.microsecond // 1000 * 1000)
    return value


@st.composite
def cases(draw: st.DrawFn) -> tuple[Snapshot, list[list[Any]], Predicate]:
    kind = draw(st.sampled_from(sorted(KINDS)))
    value = KINDS[kind][1]
    partitioned = kind in ("long", "date") and draw(st.booleans())
    rows = st.lists(st.none() | value, min_size=1, max_size=4)
    files = draw(st.lists(rows.map(lambda r: [r[0]] * len(r)) if partitioned else rows, min_size=1, max_size=5))
    silent = [draw(st.booleans()) for _ in files]
    constant = value.map(ConstantTerm)
    leaf: st.SearchStrategy[Predicate] = st.builds(
        Comparison, st.just(COLUMN), st.sampled_from(sorted(OPERATORS)), constant
    ) | st.builds(Nullness, st.just(COLUMN), st.booleans())
    if kind == "string":
        leaf |= st.builds(Prefix, st.just(COLUMN), st.text("ab%é", min_size=1, max_size=2))
    tree: st.SearchStrategy[Predicate] = st.recursive(
        leaf,
        lambda part: st.lists(part, min_size=1, max_size=3).map(tuple).flatmap(
            lambda parts: st.sampled_from([AllOf(parts), AnyOf(parts)])
        ),
        max_leaves=4,
    )  # fmt: skip
    return snapshot(kind, files, partitioned=partitioned, silent=silent), files, draw(tree)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_no_wanted_file_is_dropped(case: tuple[Snapshot, list[list[Any]], Predicate]) -> None:
    found, files, predicate = case
    mask = Pruner(found).keep(predicate, {})
    kept = [True] * len(files) if mask is None else mask.tolist()
    wanted = [any(holds(predicate, value) for value in rows) for rows in files]
    assert [number for number, is_wanted in enumerate(wanted) if is_wanted and not kept[number]] == []


def paths(query: object) -> list[str]:
    assert isinstance(query, Query)
    return [file.path.removeprefix("/lake/orders/").removesuffix(".parquet") for file in query.scans[0].files]


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        ("id = 150", "1"),
        ("150 = id", "1"),
        ("id > 250", "23"),
        ("id BETWEEN 50 AND 120", "01"),
        ("id IN (5, 350)", "03"),
        ("id < 0", ""),
        ("id = 150 OR id = 20", "01"),
        ("id = 150 OR amount > 3", "0123"),
        ("NOT (id = 150)", "0123"),
        ("region = 'us'", "2"),
        ("region IS NULL", "3"),
        ("region LIKE 'e%'", "013"),
        ("note IS NULL", "123"),
        ("note IS NOT NULL", "023"),
        ("id = 1 + 149", "0123"),
        ("id = ANY (ARRAY[150, 151])", "1"),
        ("id = NULL", "0123"),
    ],
)
def test_predicates_prune(condition: str, kept: str) -> None:
    query = planned(f"SELECT id, amount FROM orders WHERE {condition}", ORDER_COLUMNS)
    assert paths(query) == list(kept)


@pytest.mark.parametrize(
    ("join", "kept"),
    [
        ("orders o JOIN items i ON i.id = o.id AND o.id = 5", "0"),
        ("items i LEFT JOIN orders o ON i.id = o.id AND o.id = 5", "0"),
        ("orders o LEFT JOIN items i ON i.id = o.id AND o.id = 5", "0123"),
        ("orders o FULL JOIN items i ON i.id = o.id AND o.id = 5", "0123"),
        ("items i LEFT JOIN orders o ON i.id = o.id WHERE o.id IS NULL", "0123"),
    ],
)
def test_outer_joins_prune_only_their_null_side(join: str, kept: str) -> None:
    query = planned(f"SELECT o.id, o.amount FROM {join}", ORDER_COLUMNS)
    assert isinstance(query, Query)
    found = next(scan for scan in query.scans if scan.location == "/lake/orders")
    assert [file.path[-9] for file in found.files] == list(kept)


def test_parameters_prune_when_their_values_are_known() -> None:
    text, values = "SELECT id, amount FROM orders WHERE id = $1", pa.record_batch({"p1": pa.array([150], pa.int64())})
    assert paths(planned(text, ORDER_COLUMNS, parameters=(Oid.INT8,))) == list("0123")
    assert paths(planned(text, ORDER_COLUMNS, parameters=(Oid.INT8,), values=values)) == ["1"]
    none = pa.record_batch({"p1": pa.array([None], pa.int64())})
    assert paths(planned(text, ORDER_COLUMNS, parameters=(Oid.INT8,), values=none)) == []


@pytest.mark.parametrize(
    ("kind", "rows", "operator", "value", "kept"),
    [
        ("long", [[1], [5], [9]], "=", 5, [False, True, False]),
        ("long", [[1], [5], [9]], ">", Decimal("4.0"), [False, True, True]),
        ("long", [[1], [5], [9]], "=", Decimal("4.5"), None),
        ("long", [[1], [5], [9]], "<", 2**63, None),
        ("long", [[1], [5], [9]], "=", Decimal("1e999999"), None),
        ("long", [[1], [5], [9]], "=", True, None),
        ("decimal(5,2)", [[Decimal("-1.50")], [Decimal("2.25")]], "=", Decimal("-1.5"), [True, False]),
        ("decimal(5,2)", [[Decimal("-1.50")], [Decimal("2.25")]], "<=", 2, [True, False]),
        ("decimal(5,2)", [[Decimal("-1.50")], [Decimal("2.25")]], "=", Decimal("2.255"), None),
        ("date", [[datetime.date(1960, 2, 29)], [datetime.date(2020, 1, 1)]], "<", datetime.date(1970, 1, 1), [1, 0]),
        ("date", [[datetime.date(1960, 2, 29)]], "=", datetime.datetime(1960, 2, 29), None),
        ("double", [[1.5], [3.5]], "<", 2, [True, False]),
        ("double", [[1.5], [3.5]], ">", 2, [True, True]),
        ("double", [[1.5], [3.5]], "<", float("nan"), None),
        ("string", [["a"], ["c"]], ">=", "b", [False, True]),
        ("string", [["a"], ["c"]], "=", 1, None),
    ],
)
def test_bounds_are_compared_exactly(kind: str, rows: list[list[Any]], operator: str, value: Any, kept: Any) -> None:
    found = snapshot(kind, rows, partitioned=False, silent=[False] * len(rows))
    mask = Pruner(found).keep(Comparison(COLUMN, operator, ConstantTerm(value)), {})
    assert (mask if mask is None else mask.tolist()) == kept


def test_a_parameter_of_another_type_proves_nothing() -> None:
    operand = ParameterTerm(1, PgType(Oid.TEXT))
    found = snapshot("long", [[1], [2]], partitioned=False, silent=[False, False])
    assert Pruner(found).keep(Comparison(COLUMN, "=", operand), {1: "1"}) is None
