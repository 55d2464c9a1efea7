"""What is sent as a result reads back as the same parameter, in both formats."""

import contextlib
import uuid
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import SqlError
from catalog.types import ARRAY_OF, Oid, PgType, numeric
from gateway.pgwire.calendar import FIRST_DAY, LAST_DATE
from gateway.pgwire.decode import decode_parameters
from gateway.pgwire.types import ARROW_TYPES
from tests.conformance.encoding.oracle import encode

TEXT = st.text(st.characters(exclude_characters="\0", codec="utf-8"))
MICROS = st.integers(-(2**57), 2**62)
SPANS = st.tuples(
    st.integers(-(2**31) + 1, 2**31 - 1), st.integers(-(2**31) + 1, 2**31 - 1), st.integers(-(2**53), 2**53)
)
VALUES: dict[int, st.SearchStrategy[Any]] = {
    Oid.BOOL: st.booleans(),
    Oid.INT2: st.integers(-(2**15), 2**15 - 1),
    Oid.INT4: st.integers(-(2**31), 2**31 - 1),
    Oid.INT8: st.integers(-(2**63), 2**63 - 1),
    Oid.OID: st.integers(0, 2**32 - 1),
    Oid.FLOAT4: st.floats(width=32, allow_nan=False),
    Oid.FLOAT8: st.floats(allow_nan=False),
    Oid.TEXT: TEXT,
    Oid.BYTEA: st.binary(),
    Oid.DATE: st.integers(FIRST_DAY, LAST_DATE),
    Oid.TIMESTAMP: MICROS,
    Oid.TIMESTAMPTZ: MICROS,
    Oid.INTERVAL: SPANS.map(lambda span: pa.MonthDayNano([span[0], span[1], span[2] * 1000])),
    Oid.UUID: st.uuids().map(str),
}
FORMATS = st.sampled_from((0, 1))
ZONES = st.sampled_from(("UTC", "America/New_York", "Asia/Kolkata", "Pacific/Apia"))


def _array(oid: int, values: list[Any]) -> pa.Array:
    if oid == Oid.DATE:
        return pa.array(values, pa.int32()).view(ARROW_TYPES[oid])
    if oid in (Oid.TIMESTAMP, Oid.TIMESTAMPTZ):
        return pa.array(values, pa.int64()).view(ARROW_TYPES[oid])
    return pa.array(values, ARROW_TYPES[oid])


@given(st.data(), st.sampled_from(sorted(VALUES)), FORMATS, ZONES)
def test_scalars(data: st.DataObject, oid: int, format_code: int, zone: str) -> None:
    column = _array(oid, [data.draw(VALUES[oid])])
    (cell,) = encode(column, PgType(oid), format_code, TimeZone=zone)
    assert decode_parameters([oid], [format_code], [cell], zone).column(0).equals(column)


@given(st.data(), st.sampled_from(sorted(oid for oid in VALUES if oid in ARRAY_OF)), FORMATS, ZONES)
def test_arrays(data: st.DataObject, oid: int, format_code: int, zone: str) -> None:
    elements = _array(oid, data.draw(st.lists(st.none() | VALUES[oid], max_size=5)))
    column = pa.ListArray.from_arrays([0, len(elements)], elements)
    (cell,) = encode(column, PgType(ARRAY_OF[oid]), format_code, TimeZone=zone)
    assert decode_parameters([ARRAY_OF[oid]], [format_code], [cell], zone).column(0).equals(column)


@given(st.integers(0, 38), st.data(), FORMATS)
def test_numerics(scale: int, data: st.DataObject, format_code: int) -> None:
    value = data.draw(st.decimals(-(10 ** (38 - scale)) + 1, 10 ** (38 - scale) - 1, places=scale, allow_nan=False))
    column = pa.array([value], pa.decimal128(38, scale))
    (cell,) = encode(column, numeric(38, scale), format_code)
    read = decode_parameters([Oid.NUMERIC], [format_code], [cell]).column(0)
    assert read.type.scale == scale
    assert read.cast(pa.decimal128(38, scale)).equals(column)


@given(st.sampled_from([*ARROW_TYPES, *ARRAY_OF.values()]), FORMATS, st.binary(max_size=60) | TEXT.map(str.encode))
def test_any_bytes_are_a_value_or_a_clean_error(oid: int, format_code: int, value: bytes) -> None:
    with contextlib.suppress(SqlError):
        assert decode_parameters([oid], [format_code], [value]).num_rows == 1


@given(st.uuids(), FORMATS)
def test_uuids_of_sixteen_bytes(value: uuid.UUID, format_code: int) -> None:
    (cell,) = encode(pa.array([value.bytes], pa.binary(16)), PgType(Oid.UUID), format_code)
    assert decode_parameters([Oid.UUID], [format_code], [cell]).column(0).to_pylist() == [str(value)]
