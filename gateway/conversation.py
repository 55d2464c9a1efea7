"""The conversation of one connection: messages of the protocol become calls of its session, results become messages.

The partner of `gateway.pgwire.door`, which owns the socket, hands in one message after another, and answers errors
and ReadyForQuery. Everything here knows the protocol's sequences and nothing of SQL.

Reference: PostgreSQL protocol, "Message Flow".
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from catalog.errors import (
    FeatureNotSupported,
    ObjectNotInPrerequisiteState,
    SqlError,
    SqlSyntaxError,
    UndefinedParameter,
)
from gateway.cycles import Cycles
from gateway.entry import enter
from gateway.pgwire import messages
from gateway.pgwire.errors import notice_response
from gateway.pgwire.startup import secret_length
from gateway.portal import Binding, Portal, PreparedStatement
from gateway.result import RelayedResult
from gateway.shortcuts import Shortcuts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from gateway.entry import Reception
    from gateway.pgwire.door import Door
    from gateway.pgwire.handler import Replay
    from gateway.relay import Flight
    from gateway.session import Session
    from planner.parse import Statement


_COUNT = re.compile(r"\d+$")


class Conversation:
    """Answers the messages of one client: a `gateway.pgwire.handler.Handler`."""

    def __init__(self, reception: Reception, door: Door) -> None:
        self._reception = reception
        self._door = door
        self._session: Session | None = None
        self._shortcuts: Shortcuts
        self._cycles: Cycles
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
        self._cycles = Cycles(session, door, self._resume)
        length = secret_length(door.version)
        secret = self._reception.activity.enter(session, secret_length=length, address=door.peer, terminate=door.evict)
        self._report()
        door.send(messages.BackendKeyData(session.pid, secret))

    def replay(self, cycle: bytes) -> Replay:
        return self._cycles.replay(cycle)

    def handle(self, message: messages.FrontendMessage) -> Awaitable[None] | None:
        self._cycles.note(message)
        if self._shortcuts.answer(message):
            return None
        return self._answers[type(message)](message)

    def failed(self, error: SqlError) -> None:
        if self._session is not None:
            self._cycles.spoil()
            self._session.fail()
            self._send_notices()

    def disconnected(self) -> None:
        if self._session is not None:
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
            for statement in statements:
                alone = statement is statements[-1]
                portal = session.make_portal(PreparedStatement(statement), Binding(), alone=alone)
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
            if portal.row_description and (portal.planned or not portal.failed):
                self._door.write(portal.row_description)
            await self._send_rows(portal, 0)
        finally:
            await portal.close()

    async def _parse(self, message: messages.Parse) -> None:
        statements = self.session.split(message.sql)
        if len(statements) > 1:
            raise SqlSyntaxError("cannot insert multiple commands into a prepared statement")
        statement = statements[0] if statements else None
        with _placed(statement):
            prepared = await self.session.interruptible(self.session.prepare(statement, message.types))
        self.session.store(message.statement, prepared)
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
        if portal.tag is not None:
            self._door.send(messages.CommandComplete(_repeated_tag(portal, message.portal)))
            return
        with _placed(statement):
            await self.session.interruptible(self._send_rows_or_close(portal, max(message.max_rows, 0)))

    async def _close(self, message: messages.Close) -> None:
        if message.kind == "S":
            self.session.forget(message.name)
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
            await portal.close()
            raise

    async def _send_rows(self, portal: Portal, max_rows: int) -> None:
        await portal.open(max_rows)
        answer = portal.take_answer()
        if answer is not None:
            self._cycles.relay(portal, answer)
            await self._door.drain()
            return
        self._cycles.spoil()
        async for rows in portal.fetch(max_rows):
            self._door.write(rows)
            await self._door.drain()
        self._send_notices()
        if portal.tag is None:
            self._door.send(messages.PortalSuspended())
        else:
            self._door.send(messages.CommandComplete(portal.tag))

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
        if session.end_implicit_block_at_once():
            return
        if not session.block.explicit:
            await session.end_block(commit=commit)
        self._report()

    def _report(self) -> None:
        for name, value in self.session.variables.unreported():
            self._door.send(messages.ParameterStatus(name, value))

    def _send_notices(self) -> None:
        for notice in self.session.notices:
            self._door.send(notice_response(notice.content, notice.severity))
        self.session.notices.clear()


def _refuse_parameters(statement: Statement) -> None:
    """A simple query has no values to give, and PREPARE needs none. Raises UndefinedParameter."""
    if statement.parameter is not None and statement.verb != "Prepare":
        raise UndefinedParameter(f"there is no parameter ${statement.parameter[0]}", position=statement.parameter[1])


def _repeated_tag(portal: Portal, name: str) -> str:
    """What a portal that has given all its rows answers when it is executed again: no rows. Raises
    ObjectNotInPrerequisiteState for one that had none to give, as it would act twice."""
    if portal.tag is None or not portal.row_description:
        raise ObjectNotInPrerequisiteState(f'portal "{name}" cannot be run')
    return _COUNT.sub("0", portal.tag)


@contextmanager
def _placed(statement: Statement | None) -> Iterator[None]:
    """Positions of errors count in the whole text that the client sent, from which the statement was cut."""
    try:
        yield
    except SqlError as error:
        if error.position is not None and statement is not None:
            error.position += statement.offset
        raise
