"""A lease: a machine's engine lent to one session, from its first statement until it lets go."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TypeVar

import pyarrow as pa

from catalog.errors import ObjectNotInPrerequisiteState, SqlError, UnreadableTable
from catalog.scans import Scan
from compute.connection import Connection, machine_lost
from compute.inspection import read_batch, read_count, read_error, read_schema, read_usage
from compute.ranges import RangeServer
from compute.statement import ScanShelf, Statement, pack_statement
from compute.transport import Frame, FrameError, Kind

LONGEST_KEPT_SCHEMA = 16 << 10
MOST_LEFT = 1024
"""Frames that may still come of statements that were given up."""
CANCEL_SECONDS = 5.0
"""How long a cancelled statement may take to end before its machine is given up."""
T = TypeVar("T")
log = logging.getLogger(__name__)


class Answer:
    """One statement's result, pulled batch by batch. Not pulling pauses the engine.

    `affected` counts rows written, known after the last batch. `handed_out` says whether a batch has left: a read that
    fails with MachineLost before that may be run again elsewhere. Close what is not read to its end.
    """

    def __init__(self, lease: "Lease", number: int, schema: pa.Schema) -> None:
        self.schema = schema
        self.affected: int | None = None
        self.handed_out = False
        self._lease = lease
        self._number = number
        self._over = False

    def __aiter__(self) -> AsyncIterator[pa.RecordBatch]:
        return self

    async def __anext__(self) -> pa.RecordBatch:
        """Raises SqlError: the engine's own, QueryCanceled after a cancel, MachineLost."""
        if self._over:
            raise StopAsyncIteration
        try:
            frame = await self._lease.receive(self._number, Kind.BATCH, Kind.DONE)
            if frame.kind is Kind.BATCH:
                batch = self._lease.believe(lambda: read_batch(frame.body, self.schema))
                self.handed_out = True
                return batch
            self.affected = self._lease.believe(lambda: read_count(frame.control))
        except SqlError:
            self._end()
            raise
        self._end()
        raise StopAsyncIteration

    async def close(self) -> None:
        """Stops the engine's work for it; the lease is then free for the next statement. Idempotent."""
        if self._over:
            return
        self._end()
        await self._lease.abandon(self._number)

    def _end(self) -> None:
        self._over = True
        self._lease.finish(self._number)


class Lease:
    """One connection to one guest. One statement at a time; `cancel` comes from anywhere on the same loop.

    `ranges` reads files for a guest that cannot.
    """

    def __init__(
        self, connection: Connection, give_back: Callable[["Lease"], None], ranges: RangeServer | None = None
    ) -> None:
        self._connection = connection
        self._ranges = ranges
        self._give_back = give_back
        self.leaving = False
        """Whether the machine ends soon: take another lease for the next statement."""
        self.woken_seconds: float | None = None
        """How long it took to get, where there was no machine at all; else None."""
        self._shelf = ScanShelf()
        self._number = 0
        self._running = 0
        self._released = False

    @property
    def lost(self) -> bool:
        """Whether the machine is gone: release this lease and take another."""
        return self._connection.lost

    @property
    def read_ahead(self) -> int:
        """Bytes received but not yet pulled: bounded, whatever the engine produces."""
        return self._connection.read_ahead

    async def execute(
        self,
        sql: str,
        *,
        parameters: pa.RecordBatch | None = None,
        scans: Sequence[Scan] = (),
        settings: Mapping[str, str] | None = None,
    ) -> Answer:
        """Starts a statement; returns when its schema is known.

        Raises SqlError, also while an earlier one still runs.
        """
        number = await self._begin(Kind.EXECUTE, Statement(sql, parameters, scans, settings or {}))
        return Answer(self, number, await self._receive_schema(number))

    async def describe(
        self,
        sql: str,
        *,
        parameters: pa.RecordBatch | None = None,
        scans: Sequence[Scan] = (),
        settings: Mapping[str, str] | None = None,
    ) -> pa.Schema:
        """The result's schema by the engine's analyser. Executes nothing. Raises SqlError."""
        number = await self._begin(Kind.DESCRIBE, Statement(sql, parameters, scans, settings or {}))
        schema = await self._receive_schema(number)
        await self.receive(number, Kind.DONE)
        self.finish(number)
        return schema

    async def cancel(self) -> None:
        """Asks the running statement to stop: its answer then raises QueryCanceled, or ends if it was done already."""
        if self._running and not self._connection.lost:
            self._connection.send(Frame(Kind.CANCEL, self._running))

    async def usage(self) -> Mapping[str, float]:
        """CPU seconds and peak memory (bytes) of the guest so far. Not while a statement runs."""
        number = self._next_number()
        self._connection.send(Frame(Kind.STATS, number))
        frame = await self.receive(number, Kind.STATS)
        self.finish(number)
        return self.believe(lambda: read_usage(frame.control))

    async def release(self) -> None:
        """Gives the machine back: it ends, or stays with its workspace. Idempotent."""
        if not self._released:
            self._released = True
            self._connection.abort()
            self._give_back(self)

    async def receive(self, number: int, *kinds: Kind) -> Frame:
        """The next frame of that statement, which must be of one of those kinds.

        What is left of earlier ones is dropped. Raises SqlError: the engine's own, or MachineLost, also for a guest
        that says what it should not.
        """
        for _ in range(MOST_LEFT):
            frame = await self._connection.receive()
            if frame.statement == number and frame.kind is Kind.ERROR:
                raise self._cause(read_error(frame.control))
            if frame.statement == number and frame.kind in kinds:
                return frame
            if frame.statement >= number:
                break
        self._connection.abort()
        raise machine_lost()

    def _cause(self, error: SqlError) -> SqlError:
        """What we know ourselves of a read that failed comes before what the guest makes of it."""
        known = self._ranges.failure if self._ranges is not None and isinstance(error, UnreadableTable) else None
        return known or error

    def believe(self, read: Callable[[], T]) -> T:
        """What `read` makes of a frame. A guest that is not to be believed is left: raises MachineLost."""
        try:
            return read()
        except FrameError as error:
            log.warning("a guest is left: %s", error)
            self._connection.abort()
            raise machine_lost() from error

    def finish(self, number: int) -> None:
        """The statement is over as far as the session is concerned."""
        if self._running == number:
            self._running = 0
            if self._ranges is not None:
                self._ranges.withdraw()

    async def abandon(self, number: int) -> None:
        """Cancels a statement and drops what still comes of it. A machine that doesn't stop in time is given up."""
        if self._connection.lost:
            return
        self._connection.send(Frame(Kind.CANCEL, number))
        try:
            async with asyncio.timeout(CANCEL_SECONDS):
                while (await self.receive(number, Kind.SCHEMA, Kind.BATCH, Kind.DONE)).kind is not Kind.DONE:
                    pass
        except TimeoutError:
            self._connection.abort()
        except asyncio.CancelledError:
            self._connection.abort()
            raise
        except SqlError:
            return

    def _next_number(self) -> int:
        if self._released:
            raise machine_lost()
        if self._running:
            raise ObjectNotInPrerequisiteState("another statement is still running on this lease")
        self._number += 1
        self._running = self._number
        return self._number

    async def _begin(self, kind: Kind, statement: Statement) -> int:
        number = self._next_number()
        if self._ranges is not None:
            statement = replace(statement, scans=self._ranges.offer(statement.scans))
        try:
            self._connection.send(pack_statement(kind, number, statement, self._shelf))
        except SqlError:
            self.finish(number)
            raise
        return number

    async def _receive_schema(self, number: int) -> pa.Schema:
        """A caller that is cancelled while it waits leaves no statement behind."""
        try:
            frame = await self.receive(number, Kind.SCHEMA)
            return self.believe(lambda: _read_schema(frame.body))
        except asyncio.CancelledError:
            self.finish(number)
            await self.abandon(number)
            raise
        except SqlError:
            self.finish(number)
            raise


def _read_schema(body: pa.Buffer | None) -> pa.Schema:
    if body is None or body.size > LONGEST_KEPT_SCHEMA:
        return read_schema(body)
    return _read_short_schema(body.to_pybytes())


@lru_cache(maxsize=256)
def _read_short_schema(message: bytes) -> pa.Schema:
    """A statement's schema comes again with every execution."""
    return read_schema(pa.py_buffer(message))
