"""A place among the rows of a query, which moves as PostgreSQL's cursors do."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Protocol

import numpy as np
import pyarrow as pa

from gateway.position import Stretch, goes_back, locate, needs_total
from gateway.spool import only_forward
from planner.plan import Movement

_ROWS_A_SLICE = 16_384
_BYTES_A_SLICE = 1 << 20


class Rows(Protocol):
    """Rows by number, from 0: see `gateway.spool.Spool`, which they come from."""

    async def read(self, row: int) -> pa.RecordBatch | None: ...
    async def read_back(self, row: int) -> pa.RecordBatch: ...
    async def complete(self) -> int: ...


class Scroll:
    """`at` is the row that was given last, 0 before the first; `scrolls`: backwards too."""

    def __init__(self, rows: Rows, *, scrolls: bool) -> None:
        self.at = 0
        self._rows = rows
        self._scrolls = scrolls
        self._total: int | None = None

    @property
    def on_row(self) -> bool:
        return self.at > 0 and (self._total is None or self.at <= self._total)

    async def fetch(self, movement: Movement) -> AsyncGenerator[pa.RecordBatch, None]:
        """The rows of a FETCH, in slices that are small enough to be encoded at once. Raises SqlError."""
        stretch = await self._locate(movement, silent=False)
        read = self._descend if stretch.back else self._ascend
        if stretch.count == 0:
            self.at = stretch.lands
            return
        async for batch in read(stretch):
            yield batch

    async def move(self, movement: Movement) -> int:
        """As a MOVE; the number of rows that a FETCH would have given."""
        stretch = await self._locate(movement, silent=True)
        last = stretch.first + stretch.count - 1
        if stretch.back or stretch.count == 0 or await self._rows.read(last - 1) is not None:
            self.at = stretch.lands
            return stretch.count
        passed = await self._end() - stretch.first
        return max(passed, 0)

    async def _locate(self, movement: Movement, *, silent: bool) -> Stretch:
        if not self._scrolls and goes_back(movement, self.at, on_row=self.on_row, silent=silent):
            raise only_forward()
        if needs_total(movement):
            self._total = await self._rows.complete()
        return locate(movement, self.at, on_row=self.on_row, total=self._total or 0)

    async def _end(self) -> int:
        """There was no such row: the cursor stands behind the last one."""
        self._total = await self._rows.complete()
        self.at = self._total + 1
        return self.at

    async def _ascend(self, stretch: Stretch) -> AsyncIterator[pa.RecordBatch]:
        row, left = stretch.first, stretch.count
        while left:
            batch = await self._rows.read(row - 1)
            if batch is None:
                await self._end()
                return
            batch = batch.slice(0, min(left, _count_of_slice(batch)))
            row, left = row + batch.num_rows, left - batch.num_rows
            self.at = row - 1
            yield batch

    async def _descend(self, stretch: Stretch) -> AsyncIterator[pa.RecordBatch]:
        row, left = stretch.first, stretch.count
        while left:
            batch = await self._rows.read_back(row - 1)
            count = min(left, _count_of_slice(batch))
            order = pa.array(np.arange(batch.num_rows - 1, batch.num_rows - 1 - count, -1))
            row, left = row - count, left - count
            self.at = row + 1 if left else stretch.lands
            yield batch.take(order)


def _count_of_slice(batch: pa.RecordBatch) -> int:
    """How many of its rows make a slice."""
    most: int = min(batch.num_rows, _ROWS_A_SLICE)
    if batch.get_total_buffer_size() > _BYTES_A_SLICE:
        most = min(most, max(1, batch.num_rows * _BYTES_A_SLICE // max(1, batch.nbytes)))
    return most
