"""Which files of a snapshot can hold rows that a statement wants: partition values, minima, maxima and null counts.

A file is dropped only when the log proves that no row of it satisfies a predicate. What the log lacks proves nothing:
missing statistics, a type that is not compared here, NaN. String minima and maxima may be cut off (a maximum is then
rounded up by the writer, or counts as unknown); timestamps in statistics are cut to milliseconds, so a maximum gets one
added.

Reference: Delta protocol, "Per-file Statistics".
"""

import contextlib
import datetime
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog.snapshots import Snapshot
from catalog.types import Oid
from planner.bounds import Bounds, Mask, TextBounds, make_bounds
from planner.predicates import AllOf, AnyOf, Comparison, ConstantTerm, Nullness, Operand, Predicate, Prefix, Value

_MILLISECOND = datetime.timedelta(milliseconds=1)


class Pruner:
    """Evaluates predicates over one snapshot's files. Bounds are prepared once and kept."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.files = snapshot.files
        self.partitions = frozenset(snapshot.partition_columns)
        self.types = {column.name: column.delta_type for column in snapshot.columns}
        self.bounds: dict[str, Bounds | None] = {}

    def keep(self, predicate: Predicate, values: Mapping[int, Value | None]) -> Mask | None:
        """A boolean per file, True where rows may satisfy `predicate`; None when nothing is known.

        `values` are the client's parameters by number; a missing one is unknown, None is SQL's NULL.
        """
        if isinstance(predicate, AllOf):
            known = [mask for part in predicate.parts if (mask := self.keep(part, values)) is not None]
            return np.logical_and.reduce(known) if known else None
        if isinstance(predicate, AnyOf):
            known = [mask for part in predicate.parts if (mask := self.keep(part, values)) is not None]
            return np.logical_or.reduce(known) if len(known) == len(predicate.parts) else None
        if isinstance(predicate, Nullness):
            return self._nullness(predicate)
        bounds = self._bounds(predicate.column.column)
        if isinstance(predicate, Prefix):
            return bounds.prefix(predicate.text) if isinstance(bounds, TextBounds) else None
        return None if bounds is None else self._comparison(bounds, predicate, values)

    def _comparison(self, bounds: Bounds, predicate: Comparison, values: Mapping[int, Value | None]) -> Mask | None:
        known, value = _value(predicate.operand, values)
        if not known:
            return None
        if value is None:
            return np.zeros(self.files.num_rows, np.bool_)  # nothing compares with NULL
        return bounds.compare(predicate.operator, value)

    def _nullness(self, predicate: Nullness) -> Mask | None:
        name = predicate.column.column
        if name in self.partitions:
            is_null = np.asarray(pc.is_null(self._column(f"partition.{name}")))
            return is_null if predicate.is_null else ~is_null
        nulls = self._column(f"null_count.{name}")
        if nulls is None:
            return None
        possible = pc.greater(nulls, 0) if predicate.is_null else pc.not_equal(nulls, self._column("num_records"))
        return np.asarray(pc.fill_null(possible, True))

    def _column(self, name: str) -> Any | None:
        index = self.files.schema.get_field_index(name)
        return None if index < 0 else self.files.column(index)

    def _bounds(self, name: str) -> Bounds | None:
        if name not in self.bounds:
            self.bounds[name] = self._make_bounds(name)
        return self.bounds[name]

    def _make_bounds(self, name: str) -> Bounds | None:
        if name in self.partitions:
            typed = _partition_values(self._column(f"partition.{name}"), self.types.get(name, ""))
            return None if typed is None else make_bounds(typed, typed, unknown=False)  # its NULL is its rows' value
        low, high = self._column(f"min.{name}"), self._column(f"max.{name}")
        if low is None or high is None:
            return None
        low, high = low.combine_chunks(), high.combine_chunks()
        if pa.types.is_timestamp(high.type):
            high = pc.add(high, pa.scalar(_MILLISECOND, pa.duration(high.type.unit)))
        return make_bounds(low, high, unknown=True)


def _value(operand: Operand, values: Mapping[int, Value | None]) -> tuple[bool, Value | None]:
    if isinstance(operand, ConstantTerm):
        return True, operand.value
    return operand.number in values, values.get(operand.number)


def _partition_values(column: Any | None, delta_type: str) -> pa.Array | None:
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

_PRUNABLE = frozenset(
    {Oid.INT2, Oid.INT4, Oid.INT8, Oid.NUMERIC, Oid.TEXT, Oid.VARCHAR, Oid.DATE, Oid.TIMESTAMP, Oid.TIMESTAMPTZ}
)


def parameter_values(batch: pa.RecordBatch | None, types: tuple[int, ...]) -> dict[int, Value | None]:
    """The client's parameters as Python values, for the types that pruning compares; infinite ones are left unknown."""
    if batch is None:
        return {}
    values: dict[int, Value | None] = {}
    for index, name in enumerate(batch.schema.names):
        number = int(name[1:])
        if types[number - 1] in _PRUNABLE:
            with contextlib.suppress(OverflowError):
                values[number] = batch.column(index)[0].as_py()
    return values
