"""Literals and where they go: nothing in a value becomes SQL, nothing but a marker is replaced."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import FeatureNotSupported
from compute.engines.spark.lexer import tokens
from compute.engines.spark.parameters import literal, quote_text, spark_type, substitute

ONE = pa.record_batch({"p1": pa.array([7], pa.int32()), "p2": pa.array(["x"])})
SQL_PIECES = st.sampled_from(
    ["'a''b'", "'\\''", '"q"', "`c``d`", "r'\\'", "-- :p1\n", "/* :p1 /* */ :p2 */", ":p1", " "]
)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT :p1", "SELECT CAST('7' AS INT)"),
        ("SELECT ':p1', \":p1\", `:p1`, r':p1'", "SELECT ':p1', \":p1\", `:p1`, r':p1'"),
        ("SELECT 1 -- :p1\n, :p2", "SELECT 1 -- :p1\n, 'x'"),
        ("SELECT /* /* :p1 */ :p1 */ :p2", "SELECT /* /* :p1 */ :p1 */ 'x'"),
        ("SELECT 'it''s', 'a\\':p1'", "SELECT 'it''s', 'a\\':p1'"),
        ("SELECT a::int, :p10, b:p", "SELECT a::int, :p10, b:p"),
        ("SELECT r'\\' , :p2", "SELECT r'\\' , 'x'"),
        ("SELECT ':p2", "SELECT ':p2"),
        ("SELECT :p2, '\\':p2", "SELECT 'x', '\\':p2"),
        ("SELECT '\\", "SELECT '\\"),
    ],
)
def test_only_markers_are_replaced(sql: str, expected: str) -> None:
    assert substitute(sql, ONE) == expected


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (None, pa.string(), "CAST(NULL AS STRING)"),
        (None, pa.decimal128(10, 2), "CAST(NULL AS DECIMAL(10, 2))"),
        (True, pa.bool_(), "CAST('True' AS BOOLEAN)"),
        (-(2**63), pa.int64(), "CAST('-9223372036854775808' AS BIGINT)"),
        (2**63 - 1, pa.int64(), "9223372036854775807L"),
        (float("nan"), pa.float64(), "CAST('nan' AS DOUBLE)"),
        (Decimal("-0.10"), pa.decimal128(10, 2), "CAST('-0.10' AS DECIMAL(10, 2))"),
        (b"\x00'", pa.binary(), "X'0027'"),
        (dt.date(1969, 12, 31), pa.date32(), "date_from_unix_date(-1)"),
        ([1, None], pa.list_(pa.int32()), "CAST(array(CAST('1' AS INT), CAST(NULL AS INT)) AS ARRAY<INT>)"),
        (
            (1, 2, 3_000),
            pa.month_day_nano_interval(),
            "make_interval(0, 1, 0, 2, 0, 0, CAST('0.000003' AS DECIMAL(18, 6)))",
        ),
        (
            (0, 0, -1_500_000_000),
            pa.month_day_nano_interval(),
            "make_interval(0, 0, 0, 0, 0, 0, CAST('-1.500000' AS DECIMAL(18, 6)))",
        ),
    ],
)
def test_each_type_has_a_literal(value: Any, kind: pa.DataType, expected: str) -> None:
    assert literal(pa.scalar(value, kind)) == expected


def test_instants_are_counted_not_spelled() -> None:
    instant = pa.scalar(dt.datetime(2020, 1, 1, tzinfo=dt.UTC), pa.timestamp("ns", "UTC"))
    assert literal(instant) == "timestamp_micros(1577836800000000)"
    plain = pa.scalar(dt.datetime(2020, 1, 1), pa.timestamp("us"))
    assert literal(plain).startswith("timestampadd(MICROSECOND, 1577836800000000, TIMESTAMP_NTZ'")


def test_a_type_without_literal_is_refused() -> None:
    with pytest.raises(FeatureNotSupported, match="struct"):
        spark_type(pa.struct([("a", pa.int32())]))


def test_parameters_are_one_row() -> None:
    with pytest.raises(ValueError, match="2 rows"):
        substitute("SELECT :p1", pa.record_batch({"p1": [1, 2]}))


@given(st.text())
def test_no_text_escapes_its_quotes(text: str) -> None:
    token, sign = tokens(quote_text(text) + ";")
    assert (token.kind, sign.text) == ("quoted", ";")


@given(st.lists(SQL_PIECES), st.text())
def test_tokens_are_the_whole_text(pieces: list[str], tail: str) -> None:
    sql = "".join(pieces) + tail
    assert "".join(token.text for token in tokens(sql)) == sql


@given(st.lists(SQL_PIECES), st.text())
def test_a_value_never_changes_what_surrounds_it(pieces: list[str], value: str) -> None:
    sql = "".join(pieces)
    expected = ["quoted" if token.text == ":p2" else token.kind for token in tokens(sql.replace(":p1", ":p2"))]
    replaced = substitute(sql.replace(":p1", ":p2"), pa.record_batch({"p2": [value]}))
    assert [token.kind for token in tokens(replaced)] == expected
