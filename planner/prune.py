"""Which files of a snapshot can hold rows that a statement wants: partition values, minima, maxima and null counts.

A file is dropped only when the log proves that no row of it satisfies a predicate. What the log lacks proves nothing:
missing statistics, a type that is not compared here, NaN. String minima and maxima may be cut off (a maximum is then
rounded up by the writer, or counts as unknown); timestamps in statistics are cut to milliseconds, so a maximum gets one
added.

Reference: Delta protocol, "Per-file Statistics".
"""

import contextlib
import datetime
import math
import sys
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from catalog.snapshots import Snapshot
from catalog.types import Oid
from planner.predicates import AllOf, AnyOf, Comparison, ConstantTerm, Nullness, Operand, Predicate, Prefix, Value

_MILLISECOND = datetime.timedelta(milliseconds=1)
Mask = Any


class Pruner:
    """Evaluates predicates over one snapshot's files. Typed columns are prepared once and kept."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.files = snapshot.files
        self.partitions = frozenset(snapshot.partition_columns)
        self.types = {column.name: column.delta_type for column in snapshot.columns}
        self.bounds: dict[str, tuple[Any, Any] | None] = {}

    def keep(self, predicate: Predicate, values: Mapping[int, Value | None]) -> Mask | None:
        """A boolean per file, True where rows may satisfy `predicate`; None when nothing is known.

        `values` are the client's parameters by number; a missing one is unknown, None is SQL's NULL.
        """
        if isinstance(predicate, AllOf):
            masks = [mask for part in predicate.parts if (mask := self.keep(part, values)) is not None]
            return _combined(masks, pc.and_)
        if isinstance(predicate, AnyOf):
            masks = [self.keep(part, values) for part in predicate.parts]
            return None if any(mask is None for mask in masks) else _combined(masks, pc.or_)
        if isinstance(predicate, Nullness):
            return self._nullness(predicate)
        bounds = self._bounds(predicate.column.column)
        if bounds is None:
            return None
        if isinstance(predicate, Prefix):
            return self._prefix(bounds, predicate.text)
        unknown = predicate.column.column not in self.partitions  # a partition's NULL is its rows' value
        return self._comparison(bounds, predicate, values, unknown)

    def _comparison(
        self, bounds: tuple[Any, Any], predicate: Comparison, values: Mapping[int, Value | None], unknown: bool
    ) -> Mask | None:
        """`unknown` is what a file without a bound counts as."""
        low, high = bounds
        known, value = _value(predicate.operand, values)
        if not known:
            return None
        if value is None:
            return pa.array([False] * len(low))  # nothing compares with NULL
        scalar = _scalar(value, low.type)
        if scalar is None:
            return None
        match predicate.operator:
            case "=":
                possible = pc.and_kleene(pc.less_equal(low, scalar), pc.greater_equal(high, scalar))
            case "<":
                possible = pc.less(low, scalar)
            case "<=":
                possible = pc.less_equal(low, scalar)
            case ">":
                possible = pc.greater(high, scalar)
            case _:
                possible = pc.greater_equal(high, scalar)
        return pc.fill_null(possible, unknown)

    def _prefix(self, bounds: tuple[Any, Any], text: str) -> Mask | None:
        low, high = bounds
        if not pa.types.is_string(low.type) and not pa.types.is_large_string(low.type):
            return None
        beyond = pc.and_kleene(pc.greater(low, text), pc.invert(pc.starts_with(low, text)))
        return pc.fill_null(pc.invert(pc.or_kleene(beyond, pc.less(high, text))), True)

    def _nullness(self, predicate: Nullness) -> Mask | None:
        name = predicate.column.column
        if name in self.partitions:
            is_null = pc.is_null(self._column(f"partition.{name}"))
            return is_null if predicate.is_null else pc.invert(is_null)
        nulls = self._column(f"null_count.{name}")
        if nulls is None:
            return None
        if predicate.is_null:
            return pc.fill_null(pc.greater(nulls, 0), True)
        return pc.fill_null(pc.not_equal(nulls, self.files.column("num_records")), True)

    def _column(self, name: str) -> Any | None:
        index = self.files.schema.get_field_index(name)
        return None if index < 0 else self.files.column(index)

    def _bounds(self, name: str) -> tuple[Any, Any] | None:
        if name not in self.bounds:
            self.bounds[name] = self._typed_bounds(name)
        return self.bounds[name]

    def _typed_bounds(self, name: str) -> tuple[Any, Any] | None:
        if name in self.partitions:
            typed = _partition_values(self._column(f"partition.{name}"), self.types.get(name, ""))
            return None if typed is None else (typed, typed)
        low, high = self._column(f"min.{name}"), self._column(f"max.{name}")
        if low is None or high is None or not _is_comparable(low.type):
            return None
        low, high = low.combine_chunks(), high.combine_chunks()
        if pa.types.is_floating(low.type):
            # NaN sorts above every number in PostgreSQL, and writers leave it out of the maximum or put it there.
            return _without_nan(low), pa.nulls(len(high), high.type)
        if pa.types.is_timestamp(high.type):
            high = pc.add(high, pa.scalar(_MILLISECOND, pa.duration(high.type.unit)))
        return low, high


def _combined(masks: list[Mask], combine: Any) -> Mask | None:
    if not masks:
        return None
    result = masks[0]
    for mask in masks[1:]:
        result = combine(result, mask)
    return result


def _value(operand: Operand, values: Mapping[int, Value | None]) -> tuple[bool, Value | None]:
    if isinstance(operand, ConstantTerm):
        return True, operand.value
    return operand.number in values, values.get(operand.number)


def _is_comparable(type_: pa.DataType) -> bool:
    """Decimals are comparable while a double holds them: some writers pass them through one, which narrows bounds."""
    if pa.types.is_decimal(type_) and type_.precision > sys.float_info.dig:
        return False
    kinds = (
        pa.types.is_integer,
        pa.types.is_decimal,
        pa.types.is_floating,
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_date,
        pa.types.is_timestamp,
    )
    return any(is_kind(type_) for is_kind in kinds)


def _without_nan(column: Any) -> Any:
    return pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)


def _partition_values(column: Any | None, delta_type: str) -> Any | None:
    """Partition values typed by the column; a value that cannot be read makes the whole column unknown."""
    if column is None:
        return None
    target = _PARTITION_TYPES.get(delta_type)
    if target is None:
        return None
    try:
        return pc.cast(column, target).combine_chunks()
    except pa.ArrowInvalid:
        return None


_PARTITION_TYPES: dict[str, pa.DataType] = {
    "string": pa.string(), "byte": pa.int64(), "short": pa.int64(), "integer": pa.int64(), "long": pa.int64(),
    "date": pa.date32(),
}  # fmt: skip


def _scalar(value: Value, type_: pa.DataType) -> pa.Scalar | None:
    """`value` in a type that Arrow compares with `type_` without loss; None if there is none."""
    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
        return pa.scalar(value, type_) if isinstance(value, str) else None
    if pa.types.is_date(type_):
        if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
            return pa.scalar(value, type_)
        return None
    if pa.types.is_timestamp(type_):
        return _moment(value, type_)
    return _number(value, type_)


def _moment(value: Value, type_: pa.DataType) -> pa.Scalar | None:
    if not isinstance(value, datetime.datetime) or (value.tzinfo is None) != (type_.tz is None):
        return None
    return pa.scalar(value, type_)


def _number(value: Value, type_: pa.DataType) -> pa.Scalar | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Decimal) and not value.is_finite():
        return None
    try:
        if pa.types.is_integer(type_):
            return pa.scalar(int(value), pa.int64()) if value == int(value) else None
        if pa.types.is_floating(type_):
            return pa.scalar(float(value), type_) if Decimal(value) == Decimal(float(value)) else None
        exact = value if isinstance(value, Decimal) else Decimal(value)
        return (
            pa.scalar(exact.quantize(Decimal(1).scaleb(-type_.scale)), type_)
            if exact == round(exact, type_.scale)
            else None
        )
    except (OverflowError, InvalidOperation, pa.ArrowInvalid):
        return None


def parameter_values(batch: pa.RecordBatch | None, types: tuple[int, ...]) -> dict[int, Value | None]:
    """The client's parameters as Python values, for the types that pruning compares; infinite ones are left unknown."""
    if batch is None:
        return {}
    prunable = {
        Oid.INT2,
        Oid.INT4,
        Oid.INT8,
        Oid.NUMERIC,
        Oid.TEXT,
        Oid.VARCHAR,
        Oid.DATE,
        Oid.TIMESTAMP,
        Oid.TIMESTAMPTZ,
    }
    values: dict[int, Value | None] = {}
    for index, name in enumerate(batch.schema.names):
        number = int(name[1:])
        if types[number - 1] in prunable:
            with contextlib.suppress(OverflowError):
                values[number] = batch.column(index)[0].as_py()
    return values
