"""The spool: record batches between the machine that makes them and the client that reads them.

Bounded in bytes: `put` waits while the spool is full, and that wait is the engine's back-pressure, because nobody
then pulls the machine's answer. `get` never waits for more than one batch. Its partner is `gateway.portal`.
"""

import asyncio
from collections import deque

import pyarrow as pa


class Spool:
    """One result's batches, in order; `limit` is in bytes of Arrow buffers. One writer, one reader."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._batches: deque[tuple[pa.RecordBatch, int]] = deque()
        self._held = 0
        self._finished = False
        self._error: BaseException | None = None
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    @property
    def held(self) -> int:
        """Bytes waiting for the reader."""
        return self._held

    async def put(self, batch: pa.RecordBatch) -> None:
        """Adds a batch; waits first while the spool is full. One batch above the limit is taken when it is empty."""
        await self._writable.wait()
        size = batch.get_total_buffer_size()
        self._batches.append((batch, size))
        self._held += size
        if self._held >= self._limit:
            self._writable.clear()
        self._readable.set()

    def finish(self, error: BaseException | None = None) -> None:
        """No batch follows. The reader gets what is held, then `error` if there is one."""
        self._finished = True
        self._error = error
        self._readable.set()

    async def get(self) -> pa.RecordBatch | None:
        """The next batch, None at the end. Raises the error with which the writer finished."""
        while not self._batches:
            if self._finished:
                if self._error is not None:
                    raise self._error
                return None
            self._readable.clear()
            await self._readable.wait()
        batch, size = self._batches.popleft()
        self._held -= size
        if self._held < self._limit:
            self._writable.set()
        return batch
