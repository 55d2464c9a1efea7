"""Results whose rows a machine makes: a portal's own, and what FETCH takes from it. Batches are encoded here."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping

import pyarrow as pa

from catalog.types import ResultColumn
from gateway.pgwire.encode import ResultEncoder
from gateway.scroll import Scroll
from gateway.source import Source
from planner.plan import ALL_ROWS, Direction, Movement

COUNTED_TAGS = frozenset({"COPY", "SELECT", "INSERT 0", "UPDATE", "DELETE", "MERGE"})
_INLINE_ROWS = 128


class QueryResult:
    """One execution of a `Query`, read forward from where `scroll` stands. `columns` and `encoder` are None where no
    rows come."""

    def __init__(
        self,
        source: Source,
        scroll: Scroll,
        row_description: bytes,
        columns: tuple[ResultColumn, ...] | None = None,
        encoder: ResultEncoder | None = None,
    ) -> None:
        self.row_description = row_description
        self.columns = columns
        self.scroll = scroll
        self.tag: str | None = None
        self._source = source
        self._encoder = encoder

    @property
    def held(self) -> bool:
        return self._source.held

    @property
    def spent(self) -> Mapping[str, float]:
        """Seconds, by what they were spent on."""
        return self._source.spent

    async def fetch(self, max_rows: int) -> AsyncIterator[bytes]:
        """Starts the statement the first time. Raises the engine's error after the rows before it."""
        self.tag, rows = None, 0
        async for batch in self.scroll.fetch(Movement(Direction.FORWARD, max_rows or ALL_ROWS)):
            assert self._encoder is not None, "rows came from a statement that was described without any"
            rows += batch.num_rows
            yield await _encode(self._encoder, batch)
        if not max_rows or rows < max_rows:
            self.tag = self._final_tag(rows)

    async def persist(self) -> None:
        """Returns when every row is in the spool, and the engine done. Raises the engine's error."""
        await self._source.complete()

    async def close(self) -> None:
        await self._source.close()

    def _final_tag(self, rows: int) -> str:
        tag = self._source.tag
        if tag not in COUNTED_TAGS:
            return tag
        return f"{tag} {rows if self._encoder is not None else self._source.affected}"


class FetchResult:
    """What one FETCH takes from a cursor, in formats of its own."""

    held = False

    def __init__(
        self,
        batches: AsyncGenerator[pa.RecordBatch, None],
        row_description: bytes,
        encoder: ResultEncoder,
        fail: Callable[[], None],
    ) -> None:
        """`fail` is told when the rows cannot be had."""
        self.row_description = row_description
        self.tag: str | None = None
        self._batches = batches
        self._rest: pa.RecordBatch | None = None
        self._encoder = encoder
        self._fail = fail

    async def fetch(self, max_rows: int) -> AsyncIterator[bytes]:
        """Raises the engine's error after the rows before it, and 55000 where the cursor does not go back."""
        rows = 0
        while not max_rows or rows < max_rows:
            batch = self._rest if self._rest is not None else await self._next()
            if batch is None:
                self.tag = f"FETCH {rows}"
                return
            most = max_rows - rows if max_rows else batch.num_rows
            self._rest = batch.slice(most) if batch.num_rows > most else None
            batch = batch.slice(0, most)
            rows += batch.num_rows
            yield await _encode(self._encoder, batch)

    async def _next(self) -> pa.RecordBatch | None:
        try:
            return await anext(self._batches, None)
        except (Exception, asyncio.CancelledError):
            self._fail()
            raise

    async def close(self) -> None:
        """The rows are the cursor's."""
        self._rest = None
        await self._batches.aclose()


async def _encode(encoder: ResultEncoder, batch: pa.RecordBatch) -> bytes:
    if batch.num_rows <= _INLINE_ROWS:
        return encoder.encode(batch)
    return await asyncio.to_thread(encoder.encode, batch)
