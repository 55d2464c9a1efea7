"""Rows of a load on their way: one Parquet file in a folder of the workspace, where its Spark machine may read. All of
this blocks."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from catalog.errors import ProgramLimitExceeded
from gateway.scratch import Scratch

_HELD_BYTES = 32 * 2**20
_ROWS_A_GROUP = 1 << 20


class Staging:
    """One load's folder. `path` is its place; `rows` is what was added."""

    def __init__(
        self,
        path: str,
        schema: pa.Schema,
        limit: int,
        refusal: str = "a COPY loads {} bytes of Parquet at most",
        hint: str = "Load the rows in several parts.",
    ) -> None:
        """Beyond `limit` bytes of Parquet `refusal` is raised."""
        self.path = path
        self.rows = 0
        self._scratch = Scratch(path)
        self._schema = schema
        self._limit = limit
        self._refusal, self._hint = refusal, hint
        self._held: list[pa.RecordBatch] = []
        self._size = 0
        self._writer: pq.ParquetWriter | None = None

    def open(self) -> None:
        """Makes the folder, and removes what others have abandoned beside it. Raises OSError."""
        self._scratch.open()

    def add(self, batch: pa.RecordBatch) -> None:
        """Raises ProgramLimitExceeded beyond the bound of the whole load, and OSError."""
        self._held.append(batch)
        self._size += batch.nbytes
        self.rows += batch.num_rows
        if self._size >= _HELD_BYTES:
            self._write()

    def finish(self) -> None:
        """The file is whole."""
        self._write()
        if self._writer is not None:
            self._writer.close()

    def discard(self) -> None:
        """Removes the folder, also where the file cannot be ended. Raises OSError."""
        try:
            if self._writer is not None:
                self._writer.close()
        finally:
            self._scratch.discard()

    def _write(self) -> None:
        if not self._held:
            return
        file = Path(self.path, "rows.parquet")
        if self._writer is None:
            self._writer = pq.ParquetWriter(file, self._schema, compression="zstd")
        self._writer.write_table(pa.Table.from_batches(self._held, self._schema), row_group_size=_ROWS_A_GROUP)
        self._held, self._size = [], 0
        if file.stat().st_size > self._limit:
            raise ProgramLimitExceeded(self._refusal.format(self._limit), hint=self._hint)
