"""Holding a backend: taken when first needed, kept while something of the session lives there, given back clean.

What lives there: a block that has begun, suspended portals, temp tables, SQL-level prepared statements. A run that its
session leaves half-way is cancelled; the backend is given up, or, if something lives there, quiet before it is used
again.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping

from catalog.errors import FeatureNotSupported, InFailedSqlTransaction, SqlError
from gateway.relay.answers import read_cell
from gateway.relay.backend import FOREVER, IDLE, Backend, Identity
from gateway.relay.outcomes import changes_settings, error_of, forgets_statements, leaves_state
from gateway.relay.pool import Pool
from gateway.relay.requests import FLUSH, SYNC, Call, Request
from gateway.relay.run import Assignment, Kind, Run
from gateway.relay.settings import Settings

_STATE_HELD = Call(
    "SELECT EXISTS (SELECT FROM pg_catalog.pg_class WHERE relnamespace = pg_catalog.pg_my_temp_schema())"
    " OR EXISTS (SELECT FROM pg_catalog.pg_type WHERE typnamespace = pg_catalog.pg_my_temp_schema())"
    " OR EXISTS (SELECT FROM pg_catalog.pg_prepared_statements WHERE from_sql)"
    " OR EXISTS (SELECT FROM pg_catalog.pg_cursors WHERE is_holdable)"
)


class Conversation:
    """`suspended` are the names of open portals. `epoch` changes with what lives on the backend; 0: nothing does."""

    def __init__(self, identity: Identity, pool: Pool, settings: Settings, new_epoch: Callable[[], int]) -> None:
        self.backend: Backend | None = None
        self.holds_state = False
        self.suspended: set[str] = set()
        self.epoch = 0
        self._identity = identity
        self._pool = pool
        self._settings = settings
        self._new_epoch = new_epoch
        self._closing: list[str] = []
        self._unfinished: Run | None = None
        self._touched = False
        self._begin = ""
        self._begun = False
        self._block_lost = False

    # Requests

    def choose_end(self, *, suspends: bool = False) -> bytes:
        """How a request ends: outside a block, a Sync would close the suspended portals."""
        return FLUSH if (suspends or self.suspended) and not self._begin else SYNC

    async def hold(self) -> Backend:
        """The backend for the next request. Raises InFailedSqlTransaction when the block's own is lost."""
        if self._block_lost:
            raise InFailedSqlTransaction(
                "current transaction is aborted, commands ignored until end of transaction block",
                detail="The metastore ended the connection that the transaction block ran on.",
            )
        if self._unfinished is not None:
            await self._quieten(self._unfinished)
        if self.backend is None:
            self.backend = self._pool.take(self._identity) or await self._pool.acquire(self._identity)
        return self.backend

    def open_request(self, backend: Backend, *, executes: bool = True) -> Request:
        """A request that first brings the settings up to date, and begins the block if the request executes in it."""
        request = Request(backend.statements)
        while self._closing:
            request.close_portal(self._closing.pop())
        applied = self._settings.applied
        if backend.variables is not applied and backend.variables != applied:
            request.apply(backend.variables, applied)
        if self._begin and not self._begun and executes:
            self._begun = True
            request.command(self._begin)
        return request

    async def advance(self, run: Run) -> None:
        """Returns when an execution has rows, or the run is settled. Raises the run's error."""
        try:
            await run.advance()
            if run.answered:
                await self._settle(run)
        except asyncio.CancelledError:
            self.abandon(run)
            raise

    async def ask(self, call: Call, *, assigns: Assignment | None = None) -> str:
        """The one value that a statement of ours answers with. `assigns` is the variable that it sets."""
        backend = await self.hold()
        request = self.open_request(backend, executes=self._begun)
        end = self.choose_end()
        request.execute(call, None, end=end)
        run = Run(backend, request, Kind.QUESTION, end)
        run.assigns = assigns
        await self.advance(run)
        return run.cell

    def abandon(self, run: Run) -> None:
        """Nobody waits for the run any more: it is cancelled."""
        backend = run.backend
        if run.settled or backend is not self.backend:
            return
        if self.is_needed:
            backend.exchange.discard()
            self._unfinished = run
            self._pool.cancel(backend)
        else:
            self._let_go()
            self._pool.retire(backend)

    async def close_portal(self, name: str) -> None:
        """Drops a suspended portal; with the last one outside a block its implicit transaction ends."""
        if name not in self.suspended or self.backend is None:
            return
        self.suspended.discard(name)
        if self._begin:
            self._closing.append(name)
        elif not self.suspended:
            request = Request(self.backend.statements)
            request.end()
            await self.advance(Run(self.backend, request, Kind.DESCRIBE, SYNC))

    def cancel(self) -> None:
        """Cancels what runs."""
        if self.backend is not None and not self.backend.exchange.ended:
            self._pool.cancel(self.backend)

    def close(self) -> None:
        """Gives the backend back, or closes it if anything of the session lives there."""
        backend = self.backend
        if backend is None:
            return
        needed = self.is_needed or self._unfinished is not None
        self._let_go()
        if needed or not backend.exchange.ended:
            self._pool.retire(backend)
        else:
            self._pool.give_back(backend)

    # Blocks

    def begin(self, command: str) -> None:
        """A block begins. PostgreSQL hears of it with the first statement in it."""
        self._begin = self._begin or command

    async def end_block(self, command: str) -> None:
        """COMMIT or ROLLBACK, if the block ever began there."""
        if self._unfinished is not None:
            await self._quieten(self._unfinished)
        begun = self._begun
        self._begin = ""
        self._begun = self._block_lost = False
        if not begun or self.backend is None:
            return
        backend = self.backend
        self.suspended.clear()
        self._closing.clear()
        self._touched = self.holds_state
        request = Request(backend.statements)
        request.execute(Call(command), None)
        await self.advance(Run(backend, request, Kind.QUESTION, SYNC))

    # Settling

    async def _settle(self, run: Run) -> None:
        """Takes note of what was answered, gives the backend back if it may, and raises the run's error."""
        exchange, backend = run.exchange, run.backend
        self._note_portal(run)
        if not (exchange.ended or exchange.copying or self.suspended):
            await run.finish()
        if backend.cancelling is not None:
            await asyncio.wait([backend.cancelling])
            backend.cancelling = None
        error = error_of(exchange, overdue=backend.overdue)
        backend.deadline, backend.overdue = FOREVER, False
        for key in run.request.parses[exchange.parsed :]:
            backend.statements.forget(key)
        run.settled = True
        if error is None and self._has_strayed(exchange.status):
            error = FeatureNotSupported("transaction control cannot be relayed")
            self._lose(backend)
        elif exchange.lost or exchange.copying:
            self._lose(backend)
        elif error is not None:
            self._note_failure(run)
        else:
            self._note_success(run)
        if self.backend is backend and not (self._begun or self.suspended):
            await self._release(backend)
        if error is not None:
            raise error

    def _note_portal(self, run: Run) -> None:
        """An error ends every open portal, the last row its own."""
        if run.exchange.error or run.exchange.lost:
            self.suspended.clear()
        elif run.exchange.suspended:
            self.suspended.add(run.portal)
        elif run.portal:
            self.suspended.discard(run.portal)
            if self._begin:
                self._closing.append(run.portal)

    def _note_failure(self, run: Run) -> None:
        if run.request.sets:
            run.backend.variables = None
        self._begun = run.exchange.status not in (0, IDLE)

    def _note_success(self, run: Run) -> None:
        exchange, backend = run.exchange, run.backend
        if run.kind is Kind.QUESTION and exchange.description:
            run.cell = read_cell(exchange.take())
        backend.variables = self._variables_after(run)
        if exchange.complete and leaves_state(exchange):
            self._touched = self.holds_state = True
            self.epoch = self._new_epoch()
            if forgets_statements(exchange):
                backend.statements.clear()

    def _has_strayed(self, status: int) -> bool:
        """Whether the statement began or ended a block behind our back."""
        return status != 0 and (status != IDLE) is not self._begun

    def _variables_after(self, run: Run) -> Mapping[str, str] | None:
        """A rollback, or a statement that changed a setting behind our back, leaves them unknown."""
        applied = self._settings.applied
        if run.assigns is not None:
            others = {name: value for name, value in applied.items() if name != run.assigns.name}
            return others if run.assigns.value is None else {**others, run.assigns.name: run.cell}
        if changes_settings(run.exchange) or (run.exchange.changed and not run.request.sets):
            return None
        return applied

    def _lose(self, backend: Backend) -> None:
        """The backend is gone, and all that lived there."""
        self._block_lost = self._begun
        self._begun = False
        self._let_go()
        self._pool.retire(backend)

    def _let_go(self) -> None:
        self.backend = self._unfinished = None
        self.holds_state = self._touched = False
        self.suspended.clear()
        self._closing.clear()
        self.epoch = 0

    @property
    def is_needed(self) -> bool:
        """Whether something of the session lives on its backend."""
        return self._begun or self.holds_state or bool(self.suspended)

    async def _release(self, backend: Backend) -> None:
        """Gives the backend back, unless something lives there: PostgreSQL is asked when that may be."""
        if self._touched:
            request = Request(backend.statements)
            request.execute(_STATE_HELD, None)
            run = Run(backend, request, Kind.QUESTION, SYNC)
            try:
                await run.advance()
            except asyncio.CancelledError:
                self.abandon(run)
                raise
            self._touched = False
            self.epoch = self._new_epoch()
            if run.exchange.lost or run.exchange.error:
                self._lose(backend)
                return
            self.holds_state = read_cell(run.exchange.take()) == "t"
            backend.deadline = FOREVER
        if not self.holds_state:
            self._let_go()
            self._pool.give_back(backend)

    async def _quieten(self, run: Run) -> None:
        """Waits until the backend is done with a run that was left."""
        while not run.answered:
            await run.backend.wait()
        self._unfinished = None
        run.exchange.discard()
        with contextlib.suppress(SqlError):
            await self._settle(run)
