"""A lease: a machine's engine lent to one session, from its first statement until it lets go."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import lru_cache

import pyarrow as pa

from catalog.errors import ObjectNotInPrerequisiteState, SqlError, error_class
from catalog.scans import Scan
from compute.connection import Connection, machine_lost
from compute.statement import ScanShelf, Statement, pack_statement
from compute.transport import Frame, Kind

LONGEST_KEPT_SCHEMA = 16 << 10
CANCEL_SECONDS = 5.0
"""How long a cancelled statement may take to end before its machine is given up."""


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
            frame = await self._lease.receive(self._number)
        except SqlError:
            self._end()
            raise
        if frame.kind is Kind.BATCH:
            self.handed_out = True
            return pa.ipc.read_record_batch(frame.body, self.schema)
        self.affected = frame.control.get("affected")
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
    """One connection to one guest. One statement at a time; `cancel` comes from anywhere on the same loop."""

    def __init__(self, connection: Connection, give_back: Callable[[], None]) -> None:
        self._connection = connection
        self._give_back = give_back
        self.leaving = False
        """Whether the machine ends soon: take another lease for the next statement."""
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
        await self.receive(number)
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
        usage = (await self.receive(number)).control
        self.finish(number)
        return usage

    async def release(self) -> None:
        """Gives the machine back: it ends, or stays with its workspace. Idempotent."""
        if not self._released:
            self._released = True
            self._connection.abort()
            self._give_back()

    async def receive(self, number: int) -> Frame:
        """The next frame of that statement; what is left of earlier ones is dropped. Raises SqlError."""
        while True:
            frame = await self._connection.receive()
            if frame.statement != number:
                continue
            if frame.kind is Kind.ERROR:
                raise _error(frame)
            return frame

    def finish(self, number: int) -> None:
        """The statement is over as far as the session is concerned."""
        if self._running == number:
            self._running = 0

    async def abandon(self, number: int) -> None:
        """Cancels a statement and drops what still comes of it. A machine that doesn't stop in time is given up."""
        if self._connection.lost:
            return
        self._connection.send(Frame(Kind.CANCEL, number))
        try:
            async with asyncio.timeout(CANCEL_SECONDS):
                while (await self.receive(number)).kind is not Kind.DONE:
                    pass
        except TimeoutError:
            self._connection.abort()
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
        try:
            self._connection.send(pack_statement(kind, number, statement, self._shelf))
        except SqlError:
            self.finish(number)
            raise
        return number

    async def _receive_schema(self, number: int) -> pa.Schema:
        """A caller that is cancelled while it waits leaves no statement behind."""
        try:
            frame = await self.receive(number)
        except asyncio.CancelledError:
            self.finish(number)
            await asyncio.shield(self.abandon(number))
            raise
        except SqlError:
            self.finish(number)
            raise
        if frame.body is None or frame.body.size > LONGEST_KEPT_SCHEMA:
            return pa.ipc.read_schema(frame.body)
        return _read_short_schema(frame.body.to_pybytes())


@lru_cache(maxsize=256)
def _read_short_schema(message: bytes) -> pa.Schema:
    """A statement's schema comes again with every execution."""
    return pa.ipc.read_schema(pa.py_buffer(message))


def _error(frame: Frame) -> SqlError:
    control = frame.control
    return error_class(str(control.get("sqlstate", "XX000")))(
        str(control.get("message", "the engine failed")),
        detail=control.get("detail"),
        hint=control.get("hint"),
        position=control.get("position"),
    )
