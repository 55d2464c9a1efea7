"""The least and the greatest value of one column in each file of a snapshot, made ready for comparing.

What has an exact place on a line of numbers is laid out there once, as 64-bit integers or doubles: a comparison is then
a few machine instructions a file. Text stays Arrow's. A file of which nothing is known reaches over the whole line.
"""

import datetime
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from planner.predicates import Value

Mask = npt.NDArray[np.bool_]
"""A boolean per file: whether it may hold rows that are wanted."""

_MICROSECOND = datetime.timedelta(microseconds=1)
_FAR = Decimal(2) ** 64
"""Nothing on a line of integers lies so far out."""
_EPOCH_DAY = datetime.date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class NumberBounds:
    """`place` puts a value on the line, exactly; None if it has no place there."""

    low: npt.NDArray[Any]
    high: npt.NDArray[Any]
    place: Callable[[Value], int | float | None]

    def compare(self, operator: str, value: Value) -> Mask | None:
        """The files that may hold a value which compares so with `value`; None when that cannot be told."""
        point = self.place(value)
        if point is None:
            return None
        mask: Mask
        match operator:
            case "=":
                mask = (self.low <= point) & (self.high >= point)
            case "<":
                mask = self.low < point
            case "<=":
                mask = self.low <= point
            case ">":
                mask = self.high > point
            case _:
                mask = self.high >= point
        return mask


@dataclass(frozen=True, slots=True)
class TextBounds:
    """`unknown` is what a file without a bound counts as."""

    low: pa.Array
    high: pa.Array
    unknown: bool

    def compare(self, operator: str, value: Value) -> Mask | None:
        """The files that may hold a text which compares so with `value`; None when that cannot be told."""
        if not isinstance(value, str):
            return None
        match operator:
            case "=":
                possible = pc.and_kleene(pc.less_equal(self.low, value), pc.greater_equal(self.high, value))
            case "<":
                possible = pc.less(self.low, value)
            case "<=":
                possible = pc.less_equal(self.low, value)
            case ">":
                possible = pc.greater(self.high, value)
            case _:
                possible = pc.greater_equal(self.high, value)
        return np.asarray(pc.fill_null(possible, self.unknown))

    def prefix(self, text: str) -> Mask:
        """The files that may hold a text which starts so."""
        beyond = pc.and_kleene(pc.greater(self.low, text), pc.invert(pc.starts_with(self.low, text)))
        return np.asarray(pc.fill_null(pc.invert(pc.or_kleene(beyond, pc.less(self.high, text))), True))


Bounds = NumberBounds | TextBounds


def make_bounds(low: pa.Array, high: pa.Array, *, unknown: bool) -> Bounds | None:
    """Bounds of two arrays of one type; None for a type that is not compared.

    `unknown` is what a file without a bound counts as. Decimals are compared while a double holds them: some writers
    pass them through one, which narrows bounds.
    """
    kind = low.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return TextBounds(low, high, unknown)
    if pa.types.is_integer(kind):
        return _integers(low.cast(pa.int64()), high.cast(pa.int64()), _whole, unknown)
    if pa.types.is_date32(kind):
        return _integers(_widen(low.view(pa.int32())), _widen(high.view(pa.int32())), _day, unknown)
    if pa.types.is_timestamp(kind) and kind.unit != "ns":
        micros = pa.timestamp("us", kind.tz)
        lows, highs = (end.cast(micros).view(pa.int64()) for end in (low, high))
        return _integers(lows, highs, lambda value: _moment(value, kind.tz is not None), unknown)
    if pa.types.is_decimal128(kind) and kind.precision <= sys.float_info.dig:
        return _integers(_unscaled(low), _unscaled(high), lambda value: _scaled(value, kind.scale), unknown)
    if pa.types.is_floating(kind):
        return _floats(low)
    return None


def _integers(low: pa.Array, high: pa.Array, place: Callable[[Value], int | None], unknown: bool) -> NumberBounds:
    ends = np.iinfo(np.int64)
    least, most = (ends.min, ends.max) if unknown else (ends.max, ends.min)

    def place_within(value: Value) -> int | None:
        point = place(value)
        return point if point is not None and ends.min < point < ends.max else None

    return NumberBounds(_filled(low, least), _filled(high, most), place_within)


def _floats(low: pa.Array) -> NumberBounds:
    """NaN sorts above every number in PostgreSQL, and writers leave it out of the maximum or put it there."""
    lows = low.cast(pa.float64())
    lows = _filled(pc.if_else(pc.is_nan(lows), pa.scalar(None, pa.float64()), lows), -math.inf)
    return NumberBounds(lows, np.full(len(lows), math.inf), _double)


def _filled(column: pa.Array, value: float) -> npt.NDArray[Any]:
    return np.asarray(pc.fill_null(column, value))


def _widen(days: pa.Array) -> pa.Array:
    return days.cast(pa.int64())


def _unscaled(column: pa.Array) -> pa.Array:
    """The decimals' digits as integers; so few of them fit the lower of a value's two words."""
    words = np.frombuffer(column.buffers()[1], np.int64)[2 * column.offset :: 2][: len(column)]
    return pa.array(words, mask=np.asarray(column.is_null()))


def _number(value: Value) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    exact = Decimal(value)
    return exact if exact.is_finite() and abs(exact) < _FAR else None


def _whole(value: Value) -> int | None:
    if isinstance(value, int):
        return None if isinstance(value, bool) else value
    exact = _number(value)
    return int(exact) if exact is not None and exact == exact.to_integral_value() else None


def _double(value: Value) -> float | None:
    exact = _number(value)
    try:
        return float(exact) if exact is not None and exact == Decimal(float(exact)) else None
    except OverflowError:
        return None


def _scaled(value: Value, scale: int) -> int | None:
    exact = _number(value)
    try:
        return int(exact.scaleb(scale)) if exact is not None and exact == round(exact, scale) else None
    except InvalidOperation:
        return None


def _day(value: Value) -> int | None:
    if isinstance(value, datetime.datetime) or not isinstance(value, datetime.date):
        return None
    return value.toordinal() - _EPOCH_DAY


def _moment(value: Value, zoned: bool) -> int | None:
    if not isinstance(value, datetime.datetime) or (value.tzinfo is not None) != zoned:
        return None
    return (value - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC if zoned else None)) // _MICROSECOND
