"""Holding a backend: taken when first needed, kept while something of the session lives there, given back clean.

A run that its session leaves half-way is cancelled. Its backend is given up, or, if something lives there, awaited
before it is used again.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from catalog.errors import FeatureNotSupported, InFailedSqlTransaction, InvalidCursorName, SqlError
from gateway.pgwire.codec import encode
from gateway.pgwire.messages import CopyFail
from gateway.relay.answers import read_cell, read_values
from gateway.relay.backend import FOREVER, IDLE, Backend, Identity
from gateway.relay.holdings import Holdings, savepoint
from gateway.relay.outcomes import changes_settings, error_of, is_plain, leaves_state, listens
from gateway.relay.pool import Pool
from gateway.relay.requests import SYNC, Call, Request
from gateway.relay.run import Assignment, Kind, Run
from gateway.relay.settings import Scope, Settings, modes_of
from planner.plan import Modes

if TYPE_CHECKING:
    from gateway.relay.notifications import Subscriber

# What PostgreSQL itself drops a session's temporary objects by, and an index of it: a workspace has many relations.
_STATE_HELD = Call(
    "SELECT CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_depend WHERE refobjid = pg_catalog.pg_my_temp_schema()"
    " AND refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass)"
    " OR EXISTS (SELECT FROM pg_catalog.pg_cursors WHERE is_holdable)"
    " OR EXISTS (SELECT FROM pg_catalog.pg_listening_channels()) THEN 'held'"
    " WHEN pg_catalog.pg_my_temp_schema() <> 0 THEN 'marked' ELSE 'none' END"
)

_COPY_FAIL = encode(CopyFail("the rows could not be had"))


class Conversation:
    """One session's; `holdings` says why the backend is kept, `subscriber` hears what is notified there. Used by one
    task, but for `cancel`."""

    def __init__(self, identity: Identity, pool: Pool, settings: Settings, new_epoch: Callable[[], int]) -> None:
        self.holdings = Holdings(new_epoch)
        self.subscriber: Subscriber | None = None
        self._identity = identity
        self._pool = pool
        self._settings = settings
        self._backend: Backend | None = None
        self._unfinished: Run | None = None

    async def hold(self, *, keeps: bool = False) -> Backend:
        """The backend for the next request, or for what it begins. Raises InFailedSqlTransaction when the block's own
        is lost."""
        if self._unfinished is not None:
            await self._quieten(self._unfinished)
        if self.holdings.block_lost:
            raise InFailedSqlTransaction(
                "current transaction is aborted, commands ignored until end of transaction block",
                detail="The metastore ended the connection that the transaction block ran on.",
            )
        if self._backend is None:
            self._backend = await self._pool.acquire(self._identity, keeps=keeps)
            self._backend.subscriber = self.subscriber
        return self._backend

    async def hold_to_begin(self) -> Backend:
        """As `hold`, with the settings up to date where the next request begins a transaction that would not be what
        they say: it takes its modes over as it begins, and setting one in a block takes a snapshot, after which that
        cannot change to any isolation level."""
        keeps = bool(self.holdings.begin)
        backend = await self.hold(keeps=keeps)
        while self._begins_late(backend):
            request = self.open_request(backend, begins=False)
            request.end()
            await self.advance(Run(backend, request, Kind.QUESTION, SYNC))
            backend = await self.hold(keeps=keeps)
        return backend

    def _begins_late(self, backend: Backend) -> bool:
        """Whether settings that differ would come after the beginning that they matter to."""
        holdings, old, new = self.holdings, backend.variables, self._settings.applied
        if holdings.begun or holdings.portals or old is new or old == new:
            return False
        return bool(holdings.begin) or old is None or modes_of(old) != modes_of(new)

    def open_request(self, backend: Backend, *, begins: bool = True) -> Request:
        """A request that first begins the block if there is one and it may, and brings the settings up to date."""
        holdings, request = self.holdings, Request(backend.statements, goes_on=self.holdings.goes_on)
        while holdings.closing:
            request.close_portal(holdings.closing.pop())
        if begins and holdings.begin and not holdings.begun:
            holdings.begun = True
            begin, *savepoints = holdings.opening()
            request.command(begin)
            for each in savepoints:
                request.once(each)
        request.apply(backend.variables, self._settings.applied, in_block=holdings.begun)
        return request

    async def ask(self, call: Call, *, assigns: Assignment | None = None, begins: bool = False, after: str = "") -> str:
        """The one value that a statement of ours answers with, `after` a command. `assigns` is the variable that is
        set."""
        backend = await (self.hold_to_begin() if begins else self.hold())
        request = self.open_request(backend, begins=begins)
        if after:
            request.once(after)
        end = self.holdings.choose_end()
        request.execute(call, None, end=end)
        run = Run(backend, request, Kind.QUESTION, end)
        run.assigns = assigns
        await self.advance(run)
        return run.cell

    async def evaluate(self, arguments: str, types: tuple[int, ...]) -> tuple[bytes | None, ...]:
        """The values, in binary, of the arguments of an EXECUTE, a list in parentheses, for parameters of these types.
        Positions of errors count in that list."""
        backend = await self.hold_to_begin()
        request = self.open_request(backend)
        end = self.holdings.choose_end()
        before = request.evaluate(arguments, types, end)
        run = Run(backend, request, Kind.QUESTION, end)
        try:
            await self.advance(run)
        except SqlError as error:
            if error.position is not None:
                error.position -= before
            raise
        return read_values(run.exchange.take())

    def launch(self, call: Call, scope: Scope, *, custom: bool) -> Run | None:
        """Executes at once what an idle backend has prepared already; settings that it has otherwise go before in the
        same write. None where something has to be awaited, or where anything of the session lives on a backend."""
        if self._backend is not None or self._unfinished is not None or self.holdings.begin or self.holdings.block_lost:
            return None
        backend = self._pool.take(self._identity)
        if backend is None:
            return None
        if self._begins_late(backend) or not backend.statements.find((call.text, call.types, scope)):
            self._pool.give_back(backend)
            return None
        self._backend = backend
        request = self.open_request(backend)
        request.execute(call, scope, custom=custom)
        return Run(backend, request, Kind.EXECUTE, SYNC)

    def land(self, run: Run) -> bytes | None:
        """The whole answer of a launched run, whose backend is given back; None if `advance` has to see to it."""
        backend = run.backend
        if not is_plain(run.exchange, run.request) or backend.cancelling is not None or backend.overdue:
            return None
        run.settled = True
        backend.variables = run.request.variables
        self._let_go(backend, clean=True)
        return run.exchange.take() + run.exchange.complete

    async def start_copy(self, copy: Call, kind: Kind, end: bytes) -> Run:
        """Sends a COPY: an execution that gives data, or a question that takes them."""
        backend = await self.hold_to_begin()
        request = self.open_request(backend)
        request.execute(copy, None, end=end)
        run = Run(backend, request, kind, end)
        run.exchange.copies = True
        return run

    async def end_load(self, run: Run) -> None:
        """It has all its rows, or has failed. Raises SqlError."""
        await run.finish()
        await self._settle(run)

    def break_off(self, run: Run) -> None:
        """Leaves a COPY FROM STDIN half-way. One that waits for more does not hear a cancel: it is told, and its end
        awaited before the next use."""
        if run.synced:
            self.abandon(run)
            return
        run.synced, run.flushed = True, False
        run.backend.end_copy(_COPY_FAIL + SYNC)
        self._unfinished = run

    async def advance(self, run: Run) -> None:
        """Returns when an execution has rows, or the run is settled. Raises the run's error, if it came first."""
        try:
            await run.advance()
            if run.answered:
                await self._settle(run)
        except asyncio.CancelledError:
            self.abandon(run)
            raise

    async def resume(self, run: Run, max_rows: int) -> Run:
        """The next run of a suspended portal. Raises InvalidCursorName if an error or the block's end has closed it."""
        if run.portal not in self.holdings.portals:
            raise InvalidCursorName("the portal does not exist any more")
        backend = await self.hold()
        request = self.open_request(backend)
        end = self.holdings.choose_end(suspends=True)
        request.resume(run.portal, max_rows, end)
        resumed = Run(backend, request, Kind.EXECUTE, end, run.portal)
        await self.advance(resumed)
        return resumed

    async def drop(self, run: Run) -> None:
        """Stops a run half-way, or closes the portal that it left suspended.

        With the last portal outside a block, its implicit transaction ends.
        """
        if not run.settled:
            self.abandon(run)
        elif run.portal in self.holdings.portals:
            self.holdings.close_portal(run.portal)
            if not self.holdings.begin and not self.holdings.portals:
                request = Request(run.backend.statements)
                request.end()
                await self.advance(Run(run.backend, request, Kind.QUESTION, SYNC))

    async def read_back(self, call: Call) -> str:
        """The one value that a statement of ours answers with, under the settings as the one before has left them."""
        return await self._say(call)

    async def set_modes(self, modes: Modes) -> None:
        """SET TRANSACTION, or a part of BEGIN where that is not said yet."""
        command, holdings = Call(f"SET TRANSACTION {modes}"), self.holdings
        if holdings.begun or holdings.block_lost:
            await self._say(command)
        elif holdings.depth:
            await self.ask(command, begins=True)
        else:
            holdings.begin += f" {modes}"

    async def save(self) -> int:
        """A savepoint; its place. PostgreSQL hears of it now, or with its block."""
        place = self.holdings.depth
        await self._command(savepoint(place))
        self.holdings.depth += 1
        return place

    async def release(self, place: int) -> None:
        """The savepoints from that place on are forgotten."""
        await self._command(f"RELEASE {savepoint(place)}")
        self.holdings.depth = place

    async def go_back(self, place: int) -> None:
        """ROLLBACK TO the savepoint of that place. Raises InFailedSqlTransaction when the block's backend is lost."""
        await self._command(f"ROLLBACK TO {savepoint(place)}")
        self.holdings.go_back(place)

    async def _command(self, text: str) -> None:
        """Says it inside the block, if PostgreSQL has ever heard of that."""
        if self.holdings.begun or self.holdings.block_lost:
            await self._say(Call(text))

    async def _say(self, call: Call) -> str:
        """Asks in the open block, and leaves the settings as they are."""
        backend = await self.hold()
        request = Request(backend.statements)
        request.execute(call, None)
        run = Run(backend, request, Kind.QUESTION, SYNC)
        await self.advance(run)
        return run.cell

    async def end_block(self, command: str) -> None:
        """COMMIT or ROLLBACK, if PostgreSQL ever heard of the block."""
        if self._unfinished is not None:
            await self._quieten(self._unfinished)
        if self.holdings.end_block() and self._backend is not None:
            await self._say(Call(command))

    def cancel(self) -> None:
        """Cancels what runs."""
        if self._backend is not None and self._backend.is_busy:
            self._pool.cancel(self._backend)

    def close(self) -> None:
        """Gives the backend back, or closes it if anything of the session lives or runs there."""
        backend = self._backend
        if backend is None:
            return
        clean = self.holdings.is_empty and self._unfinished is None and not backend.is_busy
        self.holdings.lose()
        self._let_go(backend, clean=clean)

    async def _settle(self, run: Run) -> None:
        """Takes note of what was answered, gives the backend back if it may, and raises the run's error, or leaves it
        there for whoever hands out what came before it."""
        exchange, backend, holdings = run.exchange, run.backend, self.holdings
        holdings.note_portal(run.portal, exchange)
        if not (exchange.ended or exchange.copying or holdings.portals):
            await run.finish()
        if backend.cancelling is not None:
            await asyncio.wait([backend.cancelling])
            backend.cancelling = None
        error = error_of(exchange, overdue=backend.overdue)
        backend.deadline, backend.overdue = FOREVER, False
        for key in filter(None, run.request.parses[exchange.parsed :]):
            backend.statements.forget(key)
        run.settled = True
        if error is None and holdings.has_strayed(exchange.status):
            error = FeatureNotSupported("transaction control cannot be relayed")
            self._lose(backend)
        elif exchange.lost or exchange.copying:
            self._lose(backend)
        elif error is None:
            self._note_success(run)
        else:
            # What was set in a transaction that has failed was not, whichever request set it.
            backend.variables = None
            holdings.begun = exchange.status not in (0, IDLE)
        if self._backend is backend and not (holdings.begun or holdings.portals):
            await self._release(backend)
        if self._backend is backend and (refusal := self._pool.keep(backend)) is not None:
            self._lose(backend)
            error = error or refusal
        run.error = error
        if error is not None and not run.has_answered:
            raise error

    def _note_success(self, run: Run) -> None:
        exchange, backend = run.exchange, run.backend
        if run.kind is Kind.QUESTION and exchange.description:
            run.cell = read_cell(exchange.take())
        backend.variables = _variables_after(run)
        if exchange.complete and leaves_state(exchange, run.request.call):
            self.holdings.touch()
            backend.listening = backend.listening or listens(exchange)

    async def _release(self, backend: Backend) -> None:
        """Gives the backend back unless something lives there; PostgreSQL is asked where that may have changed."""
        if self.holdings.touched:
            await self._ask_for_state(backend)
        if not self.holdings.state and self._backend is backend:
            self.holdings.forget()
            self._let_go(backend, clean=True)

    async def _ask_for_state(self, backend: Backend) -> None:
        request = Request(backend.statements)
        request.execute(_STATE_HELD, None)
        run = Run(backend, request, Kind.QUESTION, SYNC)
        try:
            await run.advance()
        except asyncio.CancelledError:
            self.abandon(run)
            raise
        backend.deadline = FOREVER
        if run.exchange.lost or run.exchange.error:
            self._lose(backend)
        else:
            found = read_cell(run.exchange.take())
            backend.marked = found == "marked"
            self.holdings.settle(state=found == "held")

    def abandon(self, run: Run) -> None:
        """Nobody waits for the run any more."""
        backend = run.backend
        if run.settled or backend is not self._backend:
            return
        if self.holdings.is_empty:
            self._lose(backend)
        else:
            run.exchange.discard()
            self._unfinished = run
            self._pool.cancel(backend)

    async def _quieten(self, run: Run) -> None:
        """Waits until the backend is done with a run that was abandoned."""
        while not run.answered:
            await run.backend.wait()
        self._unfinished = None
        with contextlib.suppress(SqlError):
            await self._settle(run)

    def _lose(self, backend: Backend) -> None:
        """The backend is gone or of no use any more, and with it all that lived there."""
        self.holdings.lose()
        self._let_go(backend, clean=False)

    def _let_go(self, backend: Backend, *, clean: bool) -> None:
        self._backend = self._unfinished = None
        backend.subscriber, backend.listening = None, False
        if clean:
            self._pool.give_back(backend)
        else:
            self._pool.retire(backend)


def _variables_after(run: Run) -> Mapping[str, str] | None:
    """The backend's variables after a success. None: a rollback, or a setting changed behind our back."""
    applied = run.request.variables
    if run.alters:
        return None
    if applied is None:
        return None if changes_settings(run.exchange) else run.backend.variables
    if run.assigns is not None:
        others = {name: value for name, value in applied.items() if name != run.assigns.name}
        return others if run.assigns.value is None else {**others, run.assigns.name: run.cell}
    if changes_settings(run.exchange) or (run.exchange.changed and not run.request.sets):
        return None
    return applied
