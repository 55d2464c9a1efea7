"""Bind's values as one Arrow row: counts, formats, Arrow types, and what the lakehouse cannot hold."""

from decimal import Decimal

import pyarrow as pa
import pytest

from catalog.errors import (
    FeatureNotSupported,
    InvalidDatetimeFormat,
    InvalidParameterValue,
    InvalidTextRepresentation,
    NumericValueOutOfRange,
    ProtocolViolation,
    SqlError,
)
from catalog.types import ARRAY_OF, Oid
from gateway.pgwire.decode import decode_parameters
from gateway.pgwire.types import ARROW_TYPES


def test_columns_are_named_and_typed() -> None:
    row = decode_parameters([Oid.INT4, Oid.TEXT, Oid.TIMESTAMPTZ], [], [b"7", None, b"2024-01-05 12:00:00+02"])
    assert row.schema == pa.schema([("p1", pa.int32()), ("p2", pa.string()), ("p3", pa.timestamp("us", "UTC"))])
    assert row.num_rows == 1
    assert row.column(0).to_pylist() == [7]
    assert row.column(1).to_pylist() == [None]
    assert row.column(2).to_pylist()[0].isoformat() == "2024-01-05T10:00:00+00:00"


def test_no_parameters_are_one_row_without_columns() -> None:
    row = decode_parameters([], [], [])
    assert (row.num_columns, row.num_rows) == (0, 1)


def test_formats_are_none_one_or_one_each() -> None:
    seven = b"\0\0\0\7"
    assert decode_parameters([23, 23], [1], [seven, seven]).to_pylist() == [{"p1": 7, "p2": 7}]
    assert decode_parameters([23, 23], [1, 0], [seven, b"7"]).to_pylist() == [{"p1": 7, "p2": 7}]
    with pytest.raises(ProtocolViolation, match="bind message has 2 parameter formats but 3 parameters"):
        decode_parameters([23] * 3, [1, 0], [None] * 3)
    with pytest.raises(ProtocolViolation, match="bind message supplies 1 parameters"):
        decode_parameters([23] * 2, [], [None])
    with pytest.raises(InvalidParameterValue, match="unsupported format code: 2"):
        decode_parameters([23], [2], [b"7"])


def test_an_error_in_a_value_leaves_the_session_alive() -> None:
    with pytest.raises(ProtocolViolation) as raised:
        decode_parameters([23], [1], [b"\0"])
    assert raised.value.severity == "ERROR"


@pytest.mark.parametrize("oid", [*ARROW_TYPES, *ARRAY_OF.values()])
def test_null_has_every_type(oid: int) -> None:
    row = decode_parameters([oid], [], [None])
    assert row.column(0).null_count == 1
    assert pa.types.is_list(row.schema.field(0).type) == (oid in ARRAY_OF.values())


@pytest.mark.parametrize(
    ("text", "precision", "scale"),
    [("1.50", 3, 2), ("0", 1, 0), ("1e3", 4, 0), ("0.001", 3, 3), ("-12345678901234567890.5", 21, 1)],
)
def test_a_numeric_has_the_precision_that_fits(text: str, precision: int, scale: int) -> None:
    column = decode_parameters([Oid.NUMERIC], [], [text.encode()]).column(0)
    assert column.type == pa.decimal128(precision, scale)
    assert column.to_pylist() == [Decimal(text)]


@pytest.mark.parametrize(
    ("oid", "text"),
    [
        (Oid.NUMERIC, "NaN"),
        (Oid.NUMERIC, "-Infinity"),
        (Oid.NUMERIC, "1e38"),
        (Oid.NUMERIC, "1" * 2000),
        (Oid.NUMERIC, "0." + "0" * 38 + "1"),
        (Oid.NUMERIC, "1e99999999999999999999"),
        (Oid.NUMERIC, "1e-99999999999999999999"),
        (ARRAY_OF[Oid.NUMERIC], "{1e37,0.01}"),
        (ARRAY_OF[Oid.INT4], "{{1},{2}}"),
        (ARRAY_OF[Oid.INT4], "[0:1]={1,2}"),
        (Oid.INTERVAL, "3000000 hours"),
        (Oid.TIME, "12:00"),
        (0, "x"),
    ],
)
def test_what_the_lakehouse_cannot_hold_is_not_supported(oid: int, text: str) -> None:
    with pytest.raises(FeatureNotSupported):
        decode_parameters([oid], [], [text.encode()])


@pytest.mark.parametrize("text", ["0x1p5000", "-0x1p5000", "0x1p-5000", "1e400"])
@pytest.mark.parametrize("oid", [Oid.FLOAT4, Oid.FLOAT8])
def test_a_float_beyond_its_type_is_out_of_range(oid: int, text: str) -> None:
    with pytest.raises(NumericValueOutOfRange):
        decode_parameters([oid], [], [text.encode()])


@pytest.mark.parametrize("oid", [Oid.INT4, Oid.OID, Oid.FLOAT8, Oid.NUMERIC, Oid.INTERVAL, Oid.DATE, Oid.TIMESTAMPTZ])
def test_only_the_digits_of_ascii_are_digits(oid: int) -> None:
    text = "2026-11-30" if oid in (Oid.DATE, Oid.TIMESTAMPTZ) else "1"
    decode_parameters([oid], [], [text.encode()])
    with pytest.raises((InvalidTextRepresentation, InvalidDatetimeFormat)):
        decode_parameters([oid], [], [text.replace("1", "\N{ARABIC-INDIC DIGIT ONE}").encode()])


@pytest.mark.parametrize(
    ("oid", "text"),
    [
        (Oid.INT4, "9" * 100_000),
        (Oid.FLOAT8, "9" * 100_000 + "e"),
        (Oid.NUMERIC, "1" + "_" * 5_000),
        (Oid.JSONB, "[" * 100_000),
        (Oid.INTERVAL, "1 day " * 5_000 + "x"),
        (Oid.DATE, "1" * 10_000),
        (Oid.TIMESTAMPTZ, "2024-01-01 00:00:00 " + "A" * 10_000),
        (Oid.TIMESTAMPTZ, "2024-01-01 00:00:00 ../../etc/passwd"),
        (Oid.DATE, "2024-01-01" + " " * 50_000 + "x"),
        (Oid.INTERVAL, "1" + " " * 50_000 + "?"),
        (ARRAY_OF[Oid.TEXT], "{" + '"a' * 50_000),
        (ARRAY_OF[Oid.TEXT], "{" + " " * 50_000),
        (ARRAY_OF[Oid.TEXT], "{a" + " " * 50_000),
        (ARRAY_OF[Oid.TEXT], "{" + "\\" * 50_001),
    ],
    ids=lambda part: str(part)[:20],
)
def test_long_nonsense_is_refused_at_once(oid: int, text: str) -> None:
    with pytest.raises(SqlError):
        decode_parameters([oid], [], [text.encode()])
