"""What a log says of a data file's columns, so that readers can pass it over. Gathered a batch at a time, by kernels.

Text is told by its beginning, an upper bound that is longer by a character that nothing exceeds; moments by their
milliseconds, an upper bound rounded up. What cannot be told is left out, which readers take for unknown.

Reference: Delta protocol, section "Per-file Statistics".
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_INDEXED = "delta.dataSkippingNumIndexedCols"
NAMED = "delta.dataSkippingStatsColumns"
_USUALLY_INDEXED = 32
_TEXT_LENGTH = 32
_HIGHEST = "\U0010ffff"
_ORDERED = (pa.types.is_integer, pa.types.is_decimal, pa.types.is_string, pa.types.is_date, pa.types.is_timestamp)
_MILLISECOND = timedelta(milliseconds=1)


class Statistics:
    """Of one file. The first columns are told of, as many as the table's properties say."""

    def __init__(self, names: Sequence[str], properties: Mapping[str, str]) -> None:
        self._rows = 0
        self._nulls = dict.fromkeys(_choose(names, properties), 0)
        self._spans: dict[str, tuple[Any, Any] | None] = {}

    def add(self, batch: pa.RecordBatch) -> None:
        self._rows += batch.num_rows
        for name in self._nulls:
            column = batch.column(name)
            self._nulls[name] += column.null_count
            if column.null_count < len(column) and self._spans.get(name, ()) is not None:
                self._widen(name, column)

    def _widen(self, name: str, column: pa.Array) -> None:
        found = _find_span(column)
        known = self._spans.get(name) or found
        self._spans[name] = found and known and (min(known[0], found[0]), max(known[1], found[1]))

    def write(self) -> str:
        """As an `add` action has them."""
        spans = {name: span for name, span in self._spans.items() if span is not None}
        lows = {name: _spell(_below(low)) for name, (low, _) in spans.items()}
        highs = {name: _spell(bound) for name, (_, high) in spans.items() if (bound := _above(high)) is not None}
        nulls = {name: str(count) for name, count in self._nulls.items()}
        parts = {"minValues": lows, "maxValues": highs, "nullCount": nulls}
        told = {"numRecords": str(self._rows), **{name: _join(values) for name, values in parts.items()}}
        return _join(told)


def _choose(names: Sequence[str], properties: Mapping[str, str]) -> Iterator[str]:
    named = properties.get(NAMED)
    if named is not None:
        wanted = {name.strip().strip("`") for name in named.split(",")}
        return (name for name in names if name in wanted)
    told = properties.get(_INDEXED, "")
    most = int(told) if told.removeprefix("-").isdecimal() else _USUALLY_INDEXED
    return iter(names if most < 0 else names[:most])


def _find_span(column: pa.Array) -> tuple[Any, Any] | None:
    """The least and the greatest value. None where bounds cannot be told: of NaN, which is above all numbers for some
    readers and below for others, of what JSON has no number for, and of years that Python does not know."""
    type_ = column.type
    if pa.types.is_floating(type_):
        if not pc.all(pc.is_finite(column)).as_py():
            return None
    elif not any(test(type_) for test in _ORDERED):
        return None
    try:
        found = pc.min_max(column).as_py()
    except OverflowError:
        return None
    return found["min"], found["max"]


def _below(value: Any) -> Any:
    """A bound that no value is below."""
    return value[:_TEXT_LENGTH] if isinstance(value, str) else value


def _above(value: Any) -> Any:
    """A bound that no value is above, None where there is none."""
    if isinstance(value, str) and len(value) > _TEXT_LENGTH:
        return None if value[_TEXT_LENGTH] == _HIGHEST else value[:_TEXT_LENGTH] + _HIGHEST
    if isinstance(value, datetime) and value.microsecond % 1000:
        try:
            return value + _MILLISECOND
        except OverflowError:
            return None
    return value


def _spell(value: Any) -> str:
    """As JSON: numbers with all of their digits."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        zone = "Z" if value.tzinfo is not None else ""
        return f'"{value.replace(tzinfo=None).isoformat(timespec="milliseconds")}{zone}"'
    if isinstance(value, date):
        return f'"{value.isoformat()}"'
    return json.dumps(value)


def _join(parts: Mapping[str, str]) -> str:
    return "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in parts.items()) + "}"
