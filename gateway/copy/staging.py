"""Rows on their way: one Parquet file in a folder of the workspace, where its machines may read. All of this blocks."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from catalog.errors import ProgramLimitExceeded
from gateway.reserve import Reserve
from gateway.scratch import Scratch, leave

FILE = "rows.parquet"
_HELD_BYTES = 32 * 2**20
_ROWS_A_GROUP = 1 << 20


@dataclass(frozen=True, slots=True)
class Limit:
    """Bytes of Parquet, and what is said of more."""

    size: int
    refusal: str = "a COPY loads {} bytes of Parquet at most"
    hint: str = "Load the rows in several parts."


class Staging:
    """One load's folder. `path` is its place; `rows` is what was added, `size` the bytes of Parquet so far. A column
    that a batch lacks is NULL."""

    def __init__(
        self,
        path: str,
        schema: pa.Schema,
        limit: Limit,
        clear: Callable[[Path], None] = leave,
        watch: Callable[[pa.RecordBatch], None] | None = None,
        reserve: Reserve | None = None,
    ) -> None:
        """Beyond the `limit` its refusal is raised; the `reserve` is kept. `clear` is `Scratch`'s; `watch`
        sees each batch."""
        self.path = path
        self.rows = self.size = 0
        self._scratch = Scratch(path, clear)
        self._watch = watch
        self._schema = schema
        self._limit, self._reserve = limit, reserve
        self._held: list[pa.RecordBatch] = []
        self._held_size = 0
        self._file: BinaryIO | None = None
        self._writer: pq.ParquetWriter

    def open(self) -> None:
        """Makes the folder, and removes what others have abandoned beside it. Raises OSError."""
        self._scratch.open()

    def create(self, path: Path) -> BinaryIO:
        """A new file beside the rows, for writing. Raises OSError."""
        return self._scratch.create(path)

    def add(self, batch: pa.RecordBatch) -> None:
        """Raises ProgramLimitExceeded beyond the bound of the whole load, DiskFull, OSError."""
        batch = self._fill_up(batch)
        if self._watch is not None:
            self._watch(batch)
        self._held.append(batch)
        self._held_size += batch.nbytes
        self.rows += batch.num_rows
        if self._held_size >= _HELD_BYTES:
            self._write()

    def finish(self) -> None:
        """The file is whole. Raises what `add` does."""
        self._write()
        if self._file is not None:
            self._writer.close()
            self.size = self._file.tell()
            self._file.close()

    def _fill_up(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if batch.num_columns == len(self._schema):
            return batch
        given = set(batch.schema.names)
        arrays = [
            batch.column(field.name) if field.name in given else pa.nulls(batch.num_rows, field.type)
            for field in self._schema
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def discard(self) -> None:
        """Removes the folder, also where the file cannot be ended. Raises OSError."""
        with ExitStack() as leaving:
            leaving.callback(self._scratch.discard)
            if self._file is not None:
                leaving.callback(self._file.close)
                self._writer.close()

    def _write(self) -> None:
        if not self._held:
            return
        if self._reserve is not None:
            self._reserve.require()
        if self._file is None:
            self._file = self._scratch.create(FILE)
            self._writer = pq.ParquetWriter(self._file, self._schema, compression="zstd")
        self._writer.write_table(pa.Table.from_batches(self._held, self._schema), row_group_size=_ROWS_A_GROUP)
        self._held, self._held_size = [], 0
        self.size = self._file.tell()
        if self.size > self._limit.size:
            raise ProgramLimitExceeded(self._limit.refusal.format(self._limit.size), hint=self._limit.hint)
