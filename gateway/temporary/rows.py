"""Rows that PostgreSQL relays, as Arrow record batches: a column at a time, by native code and Arrow's kernels."""

from collections.abc import Sequence

import pyarrow as pa

from catalog.errors import FeatureNotSupported, SqlError
from catalog.types import Oid, PgType
from gateway.copy.columns import arrow_type, read_column
from gateway.pgwire.calendar import Customs
from gateway.pgwire.encode import BINARY, TEXT, find_time_zone
from lakegate_native import CopyReader, CopyWriter
from planner.loans import LentColumn, stored_name

LONGEST_ROW = 64 << 20
_ZONE = "UTC"


class RowReader:
    """Takes DataRow messages with binary values of the columns; the batches have those of `schema`."""

    def __init__(self, columns: Sequence[LentColumn]) -> None:
        self.schema = pa.schema(
            [(stored_name(number), arrow_type(_stored(column))) for number, column in enumerate(columns)]
        )
        self._columns = columns
        self._writer = CopyWriter("binary", framed=False)
        self._reader = CopyReader("binary", [(column.name, False, False) for column in columns], longest=LONGEST_ROW)
        self._first = True

    def read(self, messages: bytes) -> pa.RecordBatch:
        """The rows of whole messages; others among them are passed over. Raises FeatureNotSupported for a value that a
        lakehouse's column cannot hold."""
        content = self._writer.rewrite(messages, first=self._first)
        self._first = self._first and not content
        rows = self._reader.feed(content)
        if not len(rows):
            return pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in self.schema], schema=self.schema)
        cells = pa.record_batch(rows).columns[: len(self._columns)]
        arrays = [self._read(column, cell) for column, cell in zip(self._columns, cells, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _read(self, column: LentColumn, cells: pa.Array) -> pa.Array:
        customs = Customs(find_time_zone(_ZONE))
        values, faults = read_column(cells, column.read, BINARY, customs, most=1)
        stored = _stored(column)
        if not faults and stored != column.read:
            values, faults = read_column(values, stored, TEXT, customs, most=1)
        for fault in faults.values():
            raise _unlendable(column, fault)
        return values


def _stored(column: LentColumn) -> PgType:
    """The type of what is kept: of a numeric the text is read on, everything else is as PostgreSQL gave it."""
    return column.type if column.type.oid == Oid.NUMERIC else column.read


def _unlendable(column: LentColumn, fault: SqlError) -> SqlError:
    return FeatureNotSupported(
        f'a value of column "{column.name}" cannot be read beside lakehouse tables: {fault.message}',
        hint="Lakehouse tables hold no infinite or very early or late moments, and no NaN in a numeric.",
    )
