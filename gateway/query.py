"""A result from a machine: leases it, spools its batches, encodes them for the client.

Lifecycle: nothing runs before the first `fetch`. Then one task pulls the machine's answer into the spool, as far as
its bound lets it, and gives the machine back the moment the engine is done, however slowly the client reads. A read
that fails before its first row left is run once more: on a new machine when the old one died, on the other lane when
its own refused it or ran out of memory. A write never is.
"""

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import pyarrow as pa

from catalog.errors import (
    FeatureNotSupported,
    MachineLost,
    OutOfMemory,
    SqlError,
    StatementCompletionUnknown,
    UnreadableTable,
)
from gateway.leases import Leases
from gateway.pgwire.encode import ResultEncoder
from gateway.spool import Spool
from gateway.trees import find_scans
from planner.plan import Lane, Query

log = logging.getLogger(__name__)

COUNTED_TAGS = frozenset({"SELECT", "INSERT 0", "UPDATE", "DELETE", "MERGE"})
_INLINE_ROWS = 128
_ROWS_A_SLICE = 16_384
_BYTES_A_SLICE = 1 << 20


@dataclass(frozen=True, slots=True)
class Execution:
    """One query bound to its values: what a lane needs to run it."""

    query: Query
    parameters: pa.RecordBatch | None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a query needs of its session. `turn` is its place among the writers of its table; `settle` completes a
    write in the catalog; `reroute` plans for Spark; `trees` as `gateway.trees` has it."""

    leases: Leases
    spool_bytes: int
    settle: Callable[[Query], Awaitable[None]]
    turn: AbstractAsyncContextManager[None]
    reroute: Callable[[], Awaitable[Execution]] | None = None
    trees: bool = False


class QueryResult:
    """One execution of a `Query`. `encoder` is None where no rows come."""

    def __init__(
        self, execution: Execution, surroundings: Surroundings, row_description: bytes, encoder: ResultEncoder | None
    ) -> None:
        self.row_description = row_description
        self.tag: str | None = None
        self._execution = execution
        self._surroundings = surroundings
        self._encoder = encoder
        self._spool = Spool(surroundings.spool_bytes)
        self._pump: asyncio.Task[None] | None = None
        self._rest: pa.RecordBatch | None = None
        self._affected = 0
        self._handed_out = False
        self._repeated = False
        self._settling = False

    async def fetch(self, max_rows: int) -> AsyncIterator[bytes]:
        """Starts the statement the first time. Raises the engine's error after the rows before it."""
        rows = 0
        while not max_rows or rows < max_rows:
            batch = await self._next_slice(max_rows - rows if max_rows else _ROWS_A_SLICE)
            if batch is None:
                self.tag = self._final_tag(rows)
                return
            rows += batch.num_rows
            yield await self._encode(batch)

    @property
    def held(self) -> bool:
        return self._pump is not None and not self._pump.done()

    async def close(self) -> None:
        """Stops the engine's work; a write that the engine has done is still completed in the catalog."""
        self._rest = None
        if self._pump is not None and not self._pump.done():
            if not self._settling:
                self._pump.cancel()
            await asyncio.wait([self._pump])

    def _final_tag(self, rows: int) -> str:
        tag = self._execution.query.tag
        if tag not in COUNTED_TAGS:
            return tag
        return f"{tag} {rows if self._encoder is not None else self._affected}"

    async def _encode(self, batch: pa.RecordBatch) -> bytes:
        assert self._encoder is not None, "rows came from a statement that was described without any"
        self._handed_out = True
        if batch.num_rows <= _INLINE_ROWS:
            return self._encoder.encode(batch)
        return await asyncio.to_thread(self._encoder.encode, batch)

    async def _next_slice(self, most: int) -> pa.RecordBatch | None:
        batch, self._rest = self._rest, None
        while batch is None or batch.num_rows == 0:
            batch = await self._next_batch()
            if batch is None:
                return None
        most = min(most, _ROWS_A_SLICE)
        if batch.get_total_buffer_size() > _BYTES_A_SLICE:
            most = min(most, max(1, batch.num_rows * _BYTES_A_SLICE // max(1, batch.nbytes)))
        if batch.num_rows > most:
            batch, self._rest = batch.slice(0, most), batch.slice(most)
        return batch

    async def _next_batch(self) -> pa.RecordBatch | None:
        while True:
            if self._pump is None:
                self._pump = asyncio.create_task(self._run(self._execution, self._spool))
            try:
                return await self._spool.get()
            except SqlError as error:
                if not await self._prepare_repeat(error):
                    raise

    async def _prepare_repeat(self, error: SqlError) -> bool:
        """Whether the statement may run once more, with what it then runs set up."""
        query = self._execution.query
        if self._handed_out or self._repeated or query.writes is not None or query.then is not None:
            return False
        if isinstance(error, OutOfMemory | FeatureNotSupported) and query.lane is Lane.DUCKDB:
            if self._surroundings.reroute is None:
                return False
            try:
                self._execution = await self._surroundings.reroute()
            except FeatureNotSupported:
                return False
        elif not isinstance(error, MachineLost):
            return False
        self._repeated = True
        self._spool = Spool(self._surroundings.spool_bytes)
        self._pump = None
        return True

    async def _run(self, execution: Execution, spool: Spool) -> None:
        query = execution.query
        try:
            async with self._surroundings.turn:
                await self._drive(execution, spool)
            if query.then is not None:
                self._settling = True
                await self._surroundings.settle(query)
        except BaseException as error:
            if query.location is not None:
                await asyncio.to_thread(shutil.rmtree, query.location, ignore_errors=True)
            spool.finish(_with_names(error, query) if isinstance(error, UnreadableTable) else error)
            if not isinstance(error, Exception):
                raise
        else:
            spool.finish()

    async def _drive(self, execution: Execution, spool: Spool) -> None:
        query, leases = execution.query, self._surroundings.leases
        scans = await find_scans(query, trees=self._surroundings.trees)
        lease = await leases.take(query.lane.value)
        try:
            answer = await lease.execute(query.sql, parameters=execution.parameters, scans=scans)
            try:
                async for batch in answer:
                    await spool.put(batch)
                self._affected = answer.affected or 0
            finally:
                await answer.close()
        except (SqlError, asyncio.CancelledError) as error:
            await leases.give_back(query.lane.value, lease)
            if _is_in_doubt(error, query):
                raise StatementCompletionUnknown(
                    f"the machine was lost while it wrote to table {query.writes}",
                    hint="Look at the table before you run the statement again: it may have been done.",
                ) from error
            raise
        except BaseException:
            await leases.drop(lease)
            raise
        await leases.give_back(query.lane.value, lease)


def _is_in_doubt(error: BaseException, query: Query) -> bool:
    """Whether a write may have been done although it failed. One to a new place is undone."""
    return isinstance(error, MachineLost) and query.writes is not None and query.location is None


def _with_names(error: UnreadableTable, query: Query) -> UnreadableTable:
    """An engine knows files, a client tables: paths go to the log only."""
    log.warning("unreadable table: %s (%s)", error.message, error.detail)
    names = sorted(str(name) for name in {name for name, _ in query.reads} | {query.writes} if name is not None)
    which = f"table {names[0]}" if len(names) == 1 else f"one of the tables {', '.join(names)}"
    usual = "They may have been vacuumed, moved or damaged: restore them."
    return UnreadableTable(f"could not read the files of {which}", hint=error.hint or usual)
