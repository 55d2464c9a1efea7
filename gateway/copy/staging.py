"""Rows of a load on their way: one Parquet file in a folder of the workspace, where its Spark machine may read.

A folder is held by a lock as long as its load lives. One that nobody holds was left by a gateway that is no more, and
whoever comes next removes it. All of this blocks.
"""

import fcntl
import os
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from catalog.errors import ProgramLimitExceeded

_LOCK = "_lock"
"""Spark reads no file whose name begins so."""
_UNLOCKED = "."
"""So begins a folder's name until its lock is held."""
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
        self._schema = schema
        self._limit = limit
        self._refusal, self._hint = refusal, hint
        self._held: list[pa.RecordBatch] = []
        self._size = 0
        self._writer: pq.ParquetWriter | None = None
        self._lock: Any = None

    def open(self) -> None:
        """Makes the folder, and removes what others have abandoned beside it. Raises OSError."""
        folder = Path(self.path)
        folder.parent.mkdir(mode=0o755, exist_ok=True)
        sweep(folder.parent)
        unlocked = folder.with_name(f"{_UNLOCKED}{folder.name}")
        unlocked.mkdir(mode=0o755)
        self._lock = (unlocked / _LOCK).open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unlocked.rename(folder)

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
        """Removes the folder."""
        if self._lock is None:
            return
        if self._writer is not None:
            self._writer.close()
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()
        self._lock = None

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


def sweep(parent: Path) -> None:
    """Removes the folders below it whose load is no more."""
    for folder in parent.iterdir():
        if folder.name.startswith(_UNLOCKED):
            continue
        try:
            with (folder / _LOCK).open("rb+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except (BlockingIOError, FileNotFoundError):
            # It lives, or somebody is removing it.
            continue


def sweep_all(root: Path, name: str) -> None:
    """`sweep` in every workspace's staging folder of that name below the warehouse's root."""
    for workspace in os.scandir(root):
        parent = Path(workspace.path, name)
        if parent.is_dir():
            sweep(parent)
