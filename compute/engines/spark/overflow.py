"""What a statement has produced and nobody has read yet: in memory up to a bound, then in a file of the scratch folder.

A Spark server keeps every batch that its client has not taken on its heap. A slow reader would fill the heap that all
sessions of the machine share. Hence the engine takes batches as fast as they come and keeps them here.
"""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import pyarrow as pa


class Overflow:
    """Batches in order between one producing thread and one reading thread.

    Memory holds about `memory_bytes`; what comes on top goes to a nameless file until the reader has caught up.
    """

    def __init__(self, folder: Path, memory_bytes: int) -> None:
        self._folder = folder
        self._memory_bytes = memory_bytes
        self._changed = threading.Condition()
        self._batches: deque[pa.RecordBatch] = deque()
        self._held_bytes = 0
        self._file: IO[bytes] | None = None
        self._written = 0
        self._read = 0
        self._ended = False
        self._closed = False
        self._error: Exception | None = None

    def fill(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Takes all batches, or as many as come before `close`. An exception of theirs is raised to the reader."""
        error: Exception | None = None
        try:
            for batch in batches:
                if not self._put(batch):
                    return
        except Exception as raised:
            error = raised
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """The batches in their order. Ends early after `close`."""
        while (batch := self._take()) is not None:
            yield batch

    def close(self) -> None:
        """Drops what is held; the producer stops at its next batch. Idempotent."""
        with self._changed:
            self._closed = True
            self._batches.clear()
            if self._file is not None:
                self._file.close()
                self._file = None
            self._changed.notify_all()

    def _put(self, batch: pa.RecordBatch) -> bool:
        with self._changed:
            if self._closed:
                return False
            if self._file is None and self._held_bytes < self._memory_bytes:
                self._batches.append(batch)
                self._held_bytes += batch.nbytes
            else:
                self._spill(batch)
            self._changed.notify_all()
            return True

    def _take(self) -> pa.RecordBatch | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._ended or self._available())
            if self._closed:
                return None
            if self._batches:
                batch = self._batches.popleft()
                self._held_bytes -= batch.nbytes
                return batch
            if self._file is not None:
                return self._unspill(self._file)
            if self._error is not None:
                raise self._error
            return None

    def _available(self) -> bool:
        return bool(self._batches) or self._file is not None

    def _spill(self, batch: pa.RecordBatch) -> None:
        if self._file is None:
            self._file = TemporaryFile(dir=self._folder)  # noqa: SIM115 (closed once it has been read, or by close)
            self._written = self._read = 0
        self._file.seek(self._written)
        with pa.ipc.new_stream(self._file, batch.schema) as writer:
            writer.write_batch(batch)
        self._written = self._file.tell()

    def _unspill(self, file: IO[bytes]) -> pa.RecordBatch:
        file.seek(self._read)
        with pa.ipc.open_stream(file) as reader:
            batch = reader.read_next_batch()
            reader.read_all()
        self._read = file.tell()
        if self._read == self._written:
            file.close()
            self._file = None
        return batch
