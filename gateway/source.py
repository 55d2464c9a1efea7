"""The rows of one query, from its machine through the spool.

Lifecycle: nothing runs before the first read. Then one task pulls the machine's answer into the spool, as far as its
bounds let it, and gives the machine back the moment the engine is done, however slowly the client reads. A read that
fails before its first row left is run once more: on a new machine when the old one died, on the other lane when its own
refused it or ran out of memory. A write never is.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import TypeVar

import pyarrow as pa

from catalog.errors import (
    FeatureNotSupported,
    MachineLost,
    OutOfMemory,
    SqlError,
    StatementCompletionUnknown,
    UnreadableTable,
)
from compute.lease import Answer
from gateway.leases import Leases
from gateway.reserve import Reserve
from gateway.spool import Retention, Spool
from gateway.storage import Vault
from gateway.trees import find_scans
from planner.plan import Lane, Query

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Execution:
    """One query bound to its values: what a lane needs to run it."""

    query: Query
    parameters: pa.RecordBatch | None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a query needs of its session. `role` is who asks. `turn` is its place among the writers of its table, `room`
    keeps the folder of one that it makes; `settle` follows a write into the catalog; `reroute` plans for Spark; `trees`
    as `gateway.trees` has it. `undone`: a write that fails goes with its block, whether it was done or not. `reserve`
    stays free while a statement writes; None for one that reads."""

    leases: Leases
    role: str
    vault: Vault
    settle: Callable[[Query], Awaitable[None]]
    turn: AbstractAsyncContextManager[None]
    room: AbstractAsyncContextManager[None]
    reroute: Callable[[], Awaitable[Execution]] | None = None
    trees: bool = False
    undone: bool = False
    reserve: Reserve | None = None


class Source:
    """One execution of a `Query`; its rows as `gateway.scroll.Rows`. `affected` counts what a write has written, and
    `spent` the seconds until it had a machine, and on that."""

    def __init__(self, execution: Execution, surroundings: Surroundings, retention: Retention) -> None:
        self.affected = 0
        self.spent: dict[str, float] = {}
        self._execution = execution
        self._surroundings = surroundings
        self._retention = retention
        self._spool = Spool(surroundings.vault, retention)
        self._pump: asyncio.Task[None] | None = None
        self._handed_out = False
        self._repeated = False
        self._settling = False

    @property
    def tag(self) -> str:
        """The command tag, without a row count."""
        return self._execution.query.tag

    @property
    def held(self) -> bool:
        """Whether `close` has something to stop or to give back."""
        return self._spool.holds or (self._pump is not None and not self._pump.done())

    async def read(self, row: int) -> pa.RecordBatch | None:
        """Starts the statement the first time. Raises the engine's error after the rows before it."""
        return await self._ask(lambda spool: spool.read(row))

    async def read_back(self, row: int) -> pa.RecordBatch:
        return await self._ask(lambda spool: spool.read_back(row))

    async def complete(self) -> int:
        """Returns when the engine is done and its machine has gone back."""
        return await self._ask(lambda spool: spool.complete())

    async def close(self) -> None:
        """Stops the engine's work; a write that the engine has done is still completed in the catalog."""
        if self._pump is not None and not self._pump.done():
            if not self._settling:
                self._pump.cancel()
            await asyncio.wait([self._pump])
        self._spool.close()

    async def _ask(self, question: Callable[[Spool], Awaitable[T]]) -> T:
        while True:
            if self._pump is None:
                self._pump = asyncio.create_task(self._run(self._execution, self._spool))
            try:
                answer = await question(self._spool)
            except SqlError as error:
                if not await self._prepare_repeat(error):
                    raise
            else:
                self._handed_out = True
                return answer

    async def _prepare_repeat(self, error: SqlError) -> bool:
        """Whether the statement may run once more, with what it then runs set up."""
        query = self._execution.query
        if self._handed_out or self._repeated or query.changes:
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
        self._spool.close()
        self._spool = Spool(self._surroundings.vault, self._retention)
        self._pump = None
        return True

    async def _run(self, execution: Execution, spool: Spool) -> None:
        query = execution.query
        try:
            async with self._surroundings.room:
                async with self._surroundings.turn:
                    await self._drive(execution, spool)
                if query.then is not None or query.writes is not None:
                    self._settling = True
                    await self._surroundings.settle(query)
        except BaseException as error:
            spool.finish(_with_names(error, query) if isinstance(error, UnreadableTable) else error)
            if not isinstance(error, Exception):
                raise
        else:
            spool.finish()

    async def _drive(self, execution: Execution, spool: Spool) -> None:
        query, leases, reserve = execution.query, self._surroundings.leases, self._surroundings.reserve
        role = self._surroundings.role
        if reserve is not None:
            await asyncio.to_thread(reserve.require)
        scans = await find_scans(query, trees=self._surroundings.trees)
        began = time.perf_counter()
        lease = await leases.take(query.lane.value, role)
        leased = time.perf_counter()
        try:
            if query.before is not None:
                await _finish(await lease.execute(query.before))
            async with nullcontext() if reserve is None else reserve.kept(lease.cancel):
                answer = await lease.execute(query.sql, parameters=execution.parameters, scans=scans)
                try:
                    async for batch in answer:
                        await spool.put(batch)
                    self.affected = answer.affected or 0
                finally:
                    await answer.close()
            self.spent = {"Machine Wait": leased - began, "Engine": time.perf_counter() - leased}
        except (SqlError, asyncio.CancelledError) as error:
            await leases.give_back(query.lane.value, role, lease)
            if _is_in_doubt(error, query) and not self._surroundings.undone:
                raise StatementCompletionUnknown(
                    f"the machine was lost while it wrote to table {query.writes}",
                    hint="Look at the table before you run the statement again: it may have been done.",
                ) from error
            raise
        except BaseException:
            await leases.drop(lease)
            raise
        await leases.give_back(query.lane.value, role, lease)


async def _finish(answer: Answer) -> None:
    """Of a statement without rows."""
    try:
        async for _ in answer:
            pass
    finally:
        await answer.close()


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
