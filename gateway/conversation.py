"""The conversation of one connection: messages of the protocol become calls of its session, results become messages.

The partner of `gateway.pgwire.door`, which owns the socket, hands in one message after another, and answers errors
and ReadyForQuery. Everything here knows the protocol's sequences and nothing of SQL.

Reference: PostgreSQL protocol, "Message Flow".
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from catalog.errors import AdminShutdown, FeatureNotSupported, SqlError, SqlSyntaxError, UndefinedParameter
from gateway import cursors
from gateway.cycles import Cycles
from gateway.entry import enter
from gateway.pgwire import messages
from gateway.pgwire.codec import encode
from gateway.pgwire.errors import notice_response
from gateway.pgwire.recoding import check_parameters, find_recoding, raw_columns
from gateway.pgwire.startup import has_long_secrets
from gateway.portal import Binding, Portal, PreparedStatement
from gateway.relay import Subscriber
from gateway.result import RelayedResult
from gateway.shortcuts import Shortcuts
from gateway.timeouts import Timeouts
from gateway.variables import read_duration
from planner.encodings import python_codec, single_byte

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from gateway.entry import Reception
    from gateway.pgwire.door import Door
    from gateway.pgwire.handler import Replay
    from gateway.relay import Flight
    from gateway.session import Session
    from planner.parse import Statement


_MOST_UNHEARD = 1024 * 1024
"""Bytes of notifications that wait for the end of a cycle and of its block, as PostgreSQL's do; more do not."""
_KEEPALIVES = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count")
_NO_KEEPALIVES = ("0", "0", "0")


class Conversation:
    """Answers the messages of one client: a `gateway.pgwire.handler.Handler`."""

    def __init__(self, reception: Reception, door: Door) -> None:
        self._reception = reception
        self._door = door
        self._session: Session | None = None
        self._shortcuts: Shortcuts
        self._cycles: Cycles
        self._timeouts: Timeouts
        self._keepalives: tuple[str, ...] = _NO_KEEPALIVES
        self._resting = False
        self._encoding = ""
        self._unheard = bytearray()
        self._answers: dict[type[messages.FrontendMessage], Callable[..., Awaitable[None]]] = {
            messages.Query: self._query,
            messages.Parse: self._parse,
            messages.Bind: self._bind,
            messages.Execute: self._execute,
            messages.Close: self._close,
            messages.Sync: self._sync,
            messages.FunctionCall: self._call_function,
        }

    @property
    def status(self) -> bytes:
        return b"I" if self._session is None else self._session.block.status

    @property
    def session(self) -> Session:
        assert self._session is not None, "the door hands in no message before the log-in"
        return self._session

    async def startup(self, startup: messages.StartupMessage) -> None:
        """Logs in; the client hears the settings and its backend key."""
        self._session = await enter(self._reception, self._door, startup)
        door, session = self._door, self._session
        self._shortcuts = Shortcuts(session, door)
        self._cycles = Cycles(session, door, self._reception.services.learned, self._resume, self._report)
        self._timeouts = Timeouts(session, door.evict)
        long_key = has_long_secrets(door.version)
        secret = self._reception.activity.enter(
            session,
            long_key=long_key,
            address=door.peer,
            cipher=door.cipher,
            certificate=door.certificate,
            terminate=door.evict,
        )
        session.ends = door.ends
        session.hurry = self._hurry_notices
        session.relay.hear(Subscriber(session.pid, self._notify, self._signal))
        door.write(self._report())
        door.send(messages.BackendKeyData(session.pid, secret))

    def replay(self, cycle: bytes) -> Replay:
        # While one is in force nothing is learned either, so no replay sets one.
        stays = self._timeouts.in_force or self._door.recoding is not None
        return None if stays else self._cycles.replay(cycle)

    def handle(self, message: messages.FrontendMessage) -> Awaitable[None] | None:
        """See `gateway.pgwire.handler.Handler`. Raises SqlError."""
        self._cycles.note(message)
        self._timeouts.wake()
        self._resting = False
        if self._door.recoding is not None:
            self._door.raw = ()
            if isinstance(message, messages.Bind):
                self._check_formats(message)
        return None if self._shortcuts.answer(message) else self._answers[type(message)](message)

    def conclude(self) -> None:
        if self.session.variables.pending:
            self._door.write(self._report())
        self._resting = not self.session.block.explicit
        if self._resting and self._unheard:
            self._door.write(bytes(self._unheard))
            self._unheard.clear()
        self._timeouts.rest()

    def failed(self, error: SqlError) -> None:
        if self._session is not None:
            self._cycles.spoil()
            self._session.fail()
            self._send_notices()

    def disconnected(self) -> None:
        if self._session is not None:
            self._timeouts.close()
            self._session.abandon()

    async def close(self) -> None:
        if self._session is not None:
            self._reception.activity.leave(self._session)
            await self._session.close()

    async def _query(self, message: messages.Query) -> None:
        session = self.session
        try:
            statements = session.split(message.sql)
            if not statements:
                self._door.send(messages.EmptyQueryResponse())
            several = len(statements) > 1
            for statement in statements:
                session.block.implicit |= several  # Anew after a COMMIT among them.
                self._timeouts.wake()  # The one before may have set them.
                alone = statement is statements[-1]
                binding = Binding(result_formats=cursors.formats(session, statement))
                portal = session.make_portal(PreparedStatement(statement), binding, alone=alone)
                with _placed(statement):
                    _refuse_parameters(statement)
                    await session.interruptible(self._run(portal))
        except BaseException:
            await self._end_implicit_block(commit=False)
            raise
        await self._end_implicit_block(commit=True)

    async def _run(self, portal: Portal) -> None:
        """One statement of a simple Query."""
        try:
            await portal.open()
            columns = portal.row_description
            if portal.planned:
                self._door.write(columns)
                columns = b""
            await self._send_rows(portal, 0, columns)
        finally:
            await portal.close()

    async def _parse(self, message: messages.Parse) -> None:
        statements = self.session.split(message.sql)
        if len(statements) > 1:
            raise SqlSyntaxError("cannot insert multiple commands into a prepared statement")
        statement = statements[0] if statements else None
        with _placed(statement):
            prepared = await self.session.interruptible(self.session.prepare(statement, message.types))
        self.session.statements.store(message.statement, prepared)
        self._door.send(messages.ParseComplete())

    async def _bind(self, message: messages.Bind) -> None:
        binding = Binding(message.formats, message.parameters, message.result_formats)
        await self.session.bind(message.portal, message.statement, binding)
        self._door.send(messages.BindComplete())

    async def _execute(self, message: messages.Execute) -> None:
        portal = self.session.portal(message.portal)
        statement = portal.prepared.statement
        assert statement is not None, "the empty query is answered at once"
        self.session.query = statement.text
        self.session.block.admit(ends_block=statement.ends_block)
        portal.admit(message.portal)
        if portal.tag_again is not None:
            self._door.send(messages.CommandComplete(portal.tag_again))
            return
        self.session.block.goes_on = self._door.goes_on
        with _placed(statement):
            await self.session.interruptible(self._send_rows_or_close(portal, max(message.max_rows, 0)))
        self.session.block.implicit = statement.verb != "Transaction"

    async def _close(self, message: messages.Close) -> None:
        if message.kind == "S":
            self.session.statements.forget(message.name)
        else:
            await self.session.close_portal(message.name)
        self._door.send(messages.CloseComplete())

    async def _sync(self, message: messages.Sync) -> None:
        await self._end_implicit_block(commit=True)

    async def _call_function(self, message: messages.FunctionCall) -> None:
        raise FeatureNotSupported(
            "the function call message is not supported", hint="Call the function in a SELECT statement."
        )

    async def _send_rows_or_close(self, portal: Portal, max_rows: int) -> None:
        """A portal that failed gives its machine back now, not when its block ends."""
        try:
            await self._send_rows(portal, max_rows)
        except BaseException:
            portal.fail()
            await portal.close()
            raise

    async def _send_rows(self, portal: Portal, max_rows: int, columns: bytes = b"") -> None:
        """`columns` is the RowDescription where it comes with the rows: not if there are none to be had."""
        if self._door.recoding is not None:
            self._door.raw = raw_columns(portal.prepared.description.columns, portal.binding.result_formats)
        await portal.open(max_rows)
        await portal.receive(self._door)
        answer = portal.take_answer()
        if answer is not None:
            self._door.write(columns)
            self._cycles.relay(portal, answer)
            self._follow_encoding()
            await self._door.drain()
            return
        assigns = portal.assigns
        if not assigns:
            self._cycles.spoil()
        async for rows in portal.fetch(max_rows):
            self._door.write(columns + rows)
            columns = b""
            await self._door.drain()
        self._door.write(columns)
        self._send_notices()
        if portal.tag is None:
            self._door.send(messages.PortalSuspended())
        else:
            self._door.send(messages.CommandComplete(portal.tag))
        self._follow_encoding()
        if assigns:
            self._cycles.assign(assigns)

    def _check_formats(self, bind: messages.Bind) -> None:
        """Raises 0A000 for what is not converted."""
        description = self.session.statements.get(bind.statement).description
        check_parameters(description.parameters, bind.formats)
        raw_columns(description.columns, bind.result_formats)

    def _follow_encoding(self) -> None:
        """What is said next is in the encoding that the client has just asked for."""
        name = self.session.variables.current("client_encoding")
        if name == self._encoding:
            return
        self._encoding = name
        self._cycles.spoil()
        codec = python_codec(name) if single_byte(name) else None
        self._door.speak(None if codec is None else find_recoding(name, codec))

    async def _resume(self, statement: Statement, flight: Flight) -> None:
        """Goes on with a relayed statement that was launched without waiting for it."""

        async def open_result(_: Portal, __: int) -> RelayedResult:
            return RelayedResult(await flight.open())

        portal = Portal(PreparedStatement(statement), Binding(), open_result)
        with _placed(statement):
            await self.session.interruptible(self._send_rows_or_close(portal, 0))
        await self._end_implicit_block(commit=True)

    async def _end_implicit_block(self, *, commit: bool) -> None:
        session = self.session
        if not session.end_implicit_block_at_once() and not session.block.explicit:
            await session.end_block(commit=commit)

    def _report(self) -> bytes:
        """What the client is to hear of settings that have changed; its socket follows them."""
        settings = self.session.settings
        self._follow_encoding()
        reported = [messages.ParameterStatus(name, value) for name, value in self.session.variables.unreported()]
        keepalives = tuple(settings.get(name, "0") for name in _KEEPALIVES)
        if keepalives != self._keepalives:
            self._keepalives = keepalives
            self._door.keep_alive(*(round(read_duration(value, "s") or 0) for value in keepalives))
        return b"".join(map(encode, reported))

    def _notify(self, notification: bytes | None) -> Awaitable[None]:
        """See `gateway.relay.Subscriber.tell`."""
        self._cycles.spoil()
        if notification is None:
            self._door.evict(
                AdminShutdown(
                    "terminating connection because the metastore has ended the one that listens for it",
                    hint="Connect again, and LISTEN.",
                )
            )
        elif self._resting or len(self._unheard) > _MOST_UNHEARD:
            self._door.write(notification)
            self._door.flush()
        else:
            self._unheard += notification
        return self._door.drain()

    def _signal(self, payload: str) -> None:
        self._reception.services.catalog.attendance.send_signal(self.session.workspace, payload)

    def _hurry_notices(self) -> None:
        self._cycles.spoil()
        self._send_notices()
        self._door.flush()

    def _send_notices(self) -> None:
        for notice in self.session.notices:
            self._door.send(notice_response(notice.content, notice.severity))
        self.session.notices.clear()


def _refuse_parameters(statement: Statement) -> None:
    """A simple query has no values to give, and PREPARE needs none. Raises UndefinedParameter."""
    if statement.parameter is not None and statement.verb != "Prepare":
        raise UndefinedParameter(f"there is no parameter ${statement.parameter[0]}", position=statement.parameter[1])


@contextmanager
def _placed(statement: Statement | None) -> Iterator[None]:
    """Positions of errors count in the whole text that the client sent, from which the statement was cut."""
    try:
        yield
    except SqlError as error:
        if error.position is not None and statement is not None:
            error.position += statement.offset
        raise
