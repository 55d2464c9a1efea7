"""Columns of texts, or of the binary format's bytes, to columns of values.

What PostgreSQL itself writes is read a column at a time. Every other spelling that it takes, and all that is wrong, is
read value by value, as parameters are (`gateway.pgwire.decode`), with PostgreSQL's own errors.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal, localcontext
from math import inf
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog.errors import (
    InvalidBinaryRepresentation,
    NumericValueOutOfRange,
    SqlError,
    StringDataRightTruncation,
)
from catalog.types import ELEMENT_OF, VARHDRSZ, Oid, PgType
from gateway.pgwire import binary, calendar
from gateway.pgwire.calendar import Customs
from gateway.pgwire.decode import decode_value
from gateway.pgwire.encode import BINARY
from gateway.pgwire.types import ARROW_TYPES

_YEAR = r"(000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})"
_DATE = rf"{_YEAR}-[0-9]{{2}}-[0-9]{{2}}"
_TIME = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
_PATTERNS: Mapping[int, str] = {
    Oid.INT2: r"^-?[0-9]{1,4}$",
    Oid.INT4: r"^-?[0-9]{1,9}$",
    Oid.INT8: r"^-?[0-9]{1,18}$",
    Oid.FLOAT4: r"^-?[0-9]{1,7}(\.[0-9]{1,7})?$",
    Oid.FLOAT8: r"^-?[0-9]{1,17}(\.[0-9]{1,20})?(e[+-][0-9]{2})?$",
    Oid.DATE: rf"^{_DATE}$",
    Oid.TIMESTAMP: rf"^{_DATE} {_TIME}$",
    Oid.TIMESTAMPTZ: rf"^{_DATE} {_TIME}[+-](0[0-9]|1[0-4])(:[0-5][0-9])?$",
}
"""The spellings that Arrow reads as PostgreSQL does."""

Faults = dict[int, SqlError]
"""What is wrong, by row."""


def read_column(
    cells: pa.Array, type_: PgType, code: int, customs: Customs, most: float = inf
) -> tuple[pa.Array, Faults]:
    """Values of the type, NULL where a cell is or is wrong. `cells` are strings, or bytes where `code` is BINARY. After
    `most` faults odd cells are no longer read: they are NULL too."""
    target = arrow_type(type_)
    quick = (_QUICK_BINARY if code == BINARY else _QUICK_TEXT).get(type_.oid)
    found = pa.nulls(len(cells), target) if quick is None else quick(cells, type_)
    odd = pc.and_(cells.is_valid(), found.is_null())
    rows = np.flatnonzero(odd.to_numpy(zero_copy_only=False))
    if not len(rows):
        return found, {}
    values, faults = _read_cells(rows.tolist(), cells.take(pa.array(rows)), type_, code, customs, most)
    built = build(type_, values)
    if pa.types.is_list(target):
        places = np.full(len(cells), -1)
        places[rows] = np.arange(len(rows))
        return built.take(pa.array(places, mask=places < 0)), faults
    return pc.replace_with_mask(found, odd, built), faults


def arrow_type(type_: PgType) -> pa.DataType:
    """As a Parquet file is to have it."""
    element = ELEMENT_OF.get(type_.oid)
    if element is not None:
        return pa.list_(arrow_type(PgType(element, type_.typmod)))
    return pa.decimal128(*type_.precision_scale) if type_.precision_scale else ARROW_TYPES[type_.oid]


def build(type_: PgType, values: Sequence[Any]) -> pa.Array:
    """A column of what `decode_value` gave."""
    element = ELEMENT_OF.get(type_.oid)
    if element is not None:
        elements = build(PgType(element, type_.typmod), [one for value in values for one in value or ()])
        offsets = np.cumsum([0, *(len(value or ()) for value in values)])
        mask = pa.array([value is None for value in values])
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), elements, mask=mask)
    target = arrow_type(type_)
    if type_.oid in (Oid.DATE, Oid.TIMESTAMP, Oid.TIMESTAMPTZ):
        return pa.array(values, pa.int32() if type_.oid == Oid.DATE else pa.int64()).view(target)
    return pa.array(values, target)


def _read_cells(
    rows: Sequence[int], cells: pa.Array, type_: PgType, code: int, customs: Customs, most: float
) -> tuple[list[Any], Faults]:
    values: list[Any] = []
    faults: Faults = {}
    for row, cell in zip(rows, cells.to_pylist(), strict=True):
        if len(faults) >= most:
            return values + [None] * (len(rows) - len(values)), faults
        try:
            values.append(_read_cell(cell if code == BINARY else cell.encode(), type_, code, customs))
        except SqlError as error:
            faults[row] = error
            values.append(None)
    return values, faults


def _read_cell(cell: bytes, type_: PgType, code: int, customs: Customs) -> Any:
    try:
        value = decode_value(type_.oid, code, cell, customs)
    except binary.WrongLength:
        raise InvalidBinaryRepresentation("incorrect binary data format") from None
    element = ELEMENT_OF.get(type_.oid)
    if element is not None:
        return [None if one is None else _fit(one, PgType(element, type_.typmod)) for one in value]
    return _fit(value, type_)


def _fit(value: Any, type_: PgType) -> Any:
    """The value within its type's length, as an assignment makes it. Raises SqlError."""
    if type_.oid == Oid.NUMERIC and type_.precision_scale is not None:
        return _round(value, *type_.precision_scale)
    if type_.oid in (Oid.VARCHAR, Oid.BPCHAR) and type_.typmod >= VARHDRSZ:
        length = type_.typmod - VARHDRSZ
        if value[length:].strip(" "):
            name = "character varying" if type_.oid == Oid.VARCHAR else "character"
            raise StringDataRightTruncation(f"value too long for type {name}({length})")
        return value[:length]
    return value


def _round(value: Decimal, precision: int, scale: int) -> Decimal:
    with localcontext() as context:
        context.prec = 100
        rounded = value.quantize(Decimal((0, (1,), -scale)), ROUND_HALF_UP)
    if abs(rounded) >= 10 ** (precision - scale):
        bound = f"10^{precision - scale}" if precision > scale else "1"
        raise NumericValueOutOfRange(
            "numeric field overflow",
            detail=f"A field with precision {precision}, scale {scale} "
            f"must round to an absolute value less than {bound}.",
        )
    return rounded


def _matching(cells: pa.Array, pattern: str) -> pa.Array:
    """The cells that are spelt so, NULL for the others."""
    return pc.if_else(pc.match_substring_regex(cells, pattern), cells, pa.scalar(None, pa.string()))


def _cast(cells: pa.Array, target: pa.DataType) -> pa.Array:
    """All or none: one that is spelt well and means nothing, such as 30 February, leaves all to be read one by one."""
    try:
        return cells.cast(target)
    except pa.ArrowInvalid:
        return pa.nulls(len(cells), target)


def _spelt(cells: pa.Array, type_: PgType) -> pa.Array:
    return _cast(_matching(cells, _PATTERNS[type_.oid]), arrow_type(type_))


def _quick_numeric(cells: pa.Array, type_: PgType) -> pa.Array:
    target = arrow_type(type_)
    assert type_.precision_scale is not None, "a lakehouse's numbers have a precision"
    precision, scale = type_.precision_scale
    whole = f"[0-9]{{1,{precision - scale}}}" if precision > scale else "0"
    part = rf"(\.[0-9]{{1,{scale}}})?" if scale else ""
    return _cast(_matching(cells, f"^-?{whole}{part}$"), target)


def _quick_bool(cells: pa.Array, _: PgType) -> pa.Array:
    is_true = pc.is_in(cells, pa.array(["t", "true", "1"]))
    known = pc.or_(is_true, pc.is_in(cells, pa.array(["f", "false", "0"])))
    return pc.if_else(known, is_true, pa.scalar(None, pa.bool_()))


def _quick_text(cells: pa.Array, type_: PgType) -> pa.Array:
    if type_.typmod < VARHDRSZ:
        return cells
    fits = pc.less_equal(pc.utf8_length(cells), type_.typmod - VARHDRSZ)
    return pc.if_else(fits, cells, pa.scalar(None, pa.string()))


def _received_text(cells: pa.Array, type_: PgType) -> pa.Array:
    texts = _cast(cells, pa.string())
    if pc.any(pc.match_substring(texts, "\0")).as_py():
        return pa.nulls(len(cells), pa.string())
    return _quick_text(texts, type_)


def _received(
    layout: str, span: tuple[int, int] | None = None, shift: int = 0
) -> Callable[[pa.Array, PgType], pa.Array]:
    """Reads values of a fixed length. Where any has another, or is outside `span`, all are left to be read one by
    one; `shift` is added to each."""
    item = np.dtype(layout)

    def quick(cells: pa.Array, type_: PgType) -> pa.Array:
        """All or none."""
        target = arrow_type(type_)
        given = cells.drop_null()
        if pc.any(pc.not_equal(pc.binary_length(given), item.itemsize)).as_py() or not len(given):
            return pa.nulls(len(cells), target)
        values = _joined(given, item)
        if span is not None and ((values < span[0]) | (values > span[1])).any():
            return pa.nulls(len(cells), target)
        is_valid = cells.is_valid().to_numpy(zero_copy_only=False)
        spread = np.zeros(len(cells), item.newbyteorder("="))
        spread[is_valid] = values + item.type(shift) if shift else values
        if type_.oid == Oid.BOOL:
            return pa.array(spread != 0, mask=~is_valid)
        return pa.array(spread, mask=~is_valid).view(target)

    return quick


def _joined(given: pa.Array, item: np.dtype[Any]) -> np.ndarray[Any, np.dtype[Any]]:
    """The values of an array of bytes without NULLs, which lie one behind the other."""
    _, offsets, data = given.buffers()
    first = int(np.frombuffer(offsets, np.int32)[given.offset])
    return np.frombuffer(data, item, len(given), first)


_SPAN_DAYS = (calendar.FIRST_DAY - binary.EPOCH_DAYS, calendar.LAST_DATE - binary.EPOCH_DAYS)
_SPAN_MICROS = (
    calendar.FIRST_DAY * calendar.DAY - binary.EPOCH_MICROS,
    calendar.END_OF_TIMESTAMPS - 1 - binary.EPOCH_MICROS,
)
_MOMENTS = _received(">i8", _SPAN_MICROS, binary.EPOCH_MICROS)
_QUICK_TEXT: Mapping[int, Callable[[pa.Array, PgType], pa.Array]] = {
    **dict.fromkeys(_PATTERNS, _spelt),
    **dict.fromkeys((Oid.TEXT, Oid.VARCHAR, Oid.BPCHAR), _quick_text),
    Oid.BOOL: _quick_bool,
    Oid.NUMERIC: _quick_numeric,
}
_QUICK_BINARY: Mapping[int, Callable[[pa.Array, PgType], pa.Array]] = {
    **dict.fromkeys((Oid.TEXT, Oid.VARCHAR, Oid.BPCHAR), _received_text),
    Oid.BOOL: _received(">u1"),
    Oid.INT2: _received(">i2"),
    Oid.INT4: _received(">i4"),
    Oid.INT8: _received(">i8"),
    Oid.FLOAT4: _received(">f4"),
    Oid.FLOAT8: _received(">f8"),
    Oid.DATE: _received(">i4", _SPAN_DAYS, binary.EPOCH_DAYS),
    Oid.TIMESTAMP: _MOMENTS,
    Oid.TIMESTAMPTZ: _MOMENTS,
    Oid.BYTEA: lambda cells, _: cells,
}
