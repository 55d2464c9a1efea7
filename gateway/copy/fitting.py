"""Rows that an engine gives, as a table takes them: its types, no text that is too long, no NULL where none may be."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog.errors import FeatureNotSupported
from catalog.snapshots import Snapshot
from catalog.types import Oid, PgType, ResultColumn
from gateway.copy.columns import arrow_type, read_column
from gateway.copy.verdict import Target, null_error
from gateway.pgwire import calendar
from gateway.pgwire.encode import TEXT, SessionSettings
from planner.shadow import column_type

_SPANS = {
    Oid.DATE: (pa.int32(), calendar.FIRST_DAY, calendar.LAST_DATE),
    Oid.TIMESTAMP: (pa.int64(), calendar.FIRST_DAY * calendar.DAY, calendar.END_OF_TIMESTAMPS - 1),
    Oid.TIMESTAMPTZ: (pa.int64(), calendar.FIRST_DAY * calendar.DAY, calendar.END_OF_TIMESTAMPS - 1),
}


def file_schema(table: Snapshot) -> pa.Schema:
    """Of a data file that holds all of the table's columns."""
    return pa.schema([(column.name, arrow_type(column_type(column))) for column in table.columns])


class Fitting:
    """Of the rows for one table, which have all of its columns in their order."""

    def __init__(self, table: Snapshot, settings: SessionSettings) -> None:
        columns = tuple(ResultColumn(column.name, column_type(column)) for column in table.columns)
        required = frozenset(column.name for column in table.columns if not column.nullable)
        self._target = Target(table.table.name, columns, required, settings)
        self._schema = file_schema(table)

    def convert(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Rows that the table has already."""
        arrays = [cells.cast(type_) for cells, type_ in zip(batch.columns, self._schema.types, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def fit(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Raises 22001, 23502, and FeatureNotSupported for moments that a lakehouse's table cannot hold."""
        arrays = [self._fit(cells, column) for cells, column in zip(batch.columns, self._target.columns, strict=True)]
        self._require_values(arrays)
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def _fit(self, cells: pa.Array, column: ResultColumn) -> pa.Array:
        values = cells.cast(arrow_type(column.type))
        span = _SPANS.get(Oid(column.type.oid))
        if span is not None:
            _require_span(values.view(span[0]), column, *span[1:])
        return self._shorten(values, column.type) if column.type.oid == Oid.VARCHAR else values

    def _shorten(self, values: pa.Array, type_: PgType) -> pa.Array:
        fitted, faults = read_column(values, type_, TEXT, self._target.customs, most=1)
        for fault in faults.values():
            raise fault
        return fitted

    def _require_values(self, arrays: Sequence[pa.Array]) -> None:
        given = dict(zip(self._schema.names, arrays, strict=True))
        missing = [given[name].is_null() for name in self._target.required if given[name].null_count]
        if missing:
            rows = np.logical_or.reduce([each.to_numpy(zero_copy_only=False) for each in missing])
            raise null_error(int(np.flatnonzero(rows)[0]), given, self._target)


def _require_span(values: pa.Array, column: ResultColumn, low: int, high: int) -> None:
    found = pc.min_max(values)
    least, greatest = found["min"].as_py(), found["max"].as_py()
    if least is not None and (least < low or greatest > high):
        raise FeatureNotSupported(
            f'column "{column.name}" cannot hold such a moment', hint="Lakehouse tables hold no infinite moments."
        )
