"""DECLARE, FETCH, MOVE and CLOSE: statements about the session's portals.

A cursor is a portal under the name that DECLARE gives it. Where PostgreSQL answers the query it has the cursor too, and
what is said about it is relayed. Reference: PostgreSQL `src/backend/commands/portalcmds.c`.
"""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING

from catalog.errors import (
    FeatureNotSupported,
    InvalidCursorName,
    NoActiveSqlTransaction,
    SqlError,
)
from catalog.names import quote_identifier
from gateway.pgwire.encode import ResultEncoder, spread_formats
from gateway.portal import Binding, CursorOptions, Portal
from gateway.query import FetchResult, QueryResult
from gateway.result import ActionResult
from gateway.rows import with_formats
from planner.plan import ALL_ROWS, CloseCursor, DeclareCursor, Direction, FetchCursor, Metadata

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from gateway.executor import Executor
    from gateway.relay import RelayPortal
    from gateway.result import Result
    from gateway.session import Session
    from planner.parse import Statement
    from planner.plan import Movement


async def open_result(
    executor: Executor,
    session: Session,
    planned: DeclareCursor | FetchCursor | CloseCursor,
    portal: Portal,
    max_rows: int,
) -> Result:
    """The result of a statement about a cursor. Raises SqlError."""
    if isinstance(planned, CloseCursor):
        return ActionResult(functools.partial(close, session, planned.name, portal))
    if isinstance(planned, DeclareCursor):
        relay = None if planned.relayed is None else functools.partial(executor.relay, planned.relayed, portal, 0)
        return ActionResult(functools.partial(declare, session, planned, portal, relay))
    cursor = find(session, planned.name)
    if cursor.options.relayed:
        assert portal.prepared.statement is not None
        return await executor.relay(Metadata(portal.prepared.statement.parsed_text), portal, max_rows)
    await cursor.open()
    return fetch(session, planned, cursor, portal.binding.result_formats)


class RelayedCursor:
    """A cursor that PostgreSQL has, executed as a portal of the protocol. `ask` relays a statement."""

    row_description = b""
    held = False

    def __init__(self, name: str, ask: Callable[[str], Awaitable[RelayPortal]]) -> None:
        self.tag: str | None = None
        self._name = quote_identifier(name)
        self._ask = ask

    async def fetch(self, max_rows: int) -> AsyncIterator[bytes]:
        """As Execute of a portal: the next rows, and SELECT's tag with the last of them."""
        self.tag = None
        relayed = await self._ask(f"FETCH FORWARD {max_rows or 'ALL'} FROM {self._name}")
        async for rows in relayed.fetch():
            yield rows
        count = int((relayed.tag or "0").rpartition(" ")[2])
        if not max_rows or count < max_rows:
            self.tag = f"SELECT {count}"

    async def close(self) -> None:
        await (await self._ask(f"CLOSE {self._name}")).close()


class ForwardResult:
    """FETCH, or MOVE if it is `silent`, from a portal of the protocol whose rows PostgreSQL gives: the next `count`."""

    held = False

    def __init__(self, portal: Portal, count: int, row_description: bytes, *, silent: bool) -> None:
        self.row_description = b"" if silent else row_description
        self.tag: str | None = None
        self._portal = portal
        self._left = count
        self._silent = silent

    async def fetch(self, max_rows: int) -> AsyncIterator[bytes]:
        """Takes from the portal what is left of `count`, `max_rows` at most."""
        asked, given = min(self._left, max_rows or ALL_ROWS), 0
        if self._portal.tag is None:
            async for rows in self._portal.fetch(0 if asked == ALL_ROWS else asked):
                if not self._silent:
                    yield rows
            tag = self._portal.tag
            given = asked if tag is None else int(tag.rpartition(" ")[2])
        self._left -= given
        if not max_rows or given < max_rows:
            self.tag = f"{'MOVE' if self._silent else 'FETCH'} {given}"

    async def close(self) -> None:
        """The rows are the portal's."""


def find(session: Session, name: str) -> Portal:
    """The cursor of that name. Raises 34000, and 55000 for one that has failed."""
    portal = session.portals.find(name)
    if portal is None:
        raise InvalidCursorName(f'cursor "{name}" does not exist')
    portal.admit(name)
    return portal


def formats(session: Session, statement: Statement) -> tuple[int, ...]:
    """The result formats of a simple Query: text, but for what is fetched from a BINARY cursor."""
    portal = None if statement.fetches is None else session.portals.find(statement.fetches)
    return (1,) if portal is not None and portal.options.binary else ()


async def declare(
    session: Session, planned: DeclareCursor, declaring: Portal, relay: Callable[[], Awaitable[Result]] | None
) -> str:
    """Opens the cursor; `relay` has PostgreSQL open its own, where it answers the query. One WITH HOLD outside a block
    is made whole at once."""
    if not planned.hold and not session.block.shared:
        # PostgreSQL may be told this behind settings of ours: to it there would be a block.
        raise NoActiveSqlTransaction("DECLARE CURSOR can only be used in transaction blocks")
    session.portals.check(planned.name)
    statement = declaring.prepared.statement
    assert statement is not None, "a DECLARE has a text"
    if relay is not None:
        if session.block.implicit and not session.block.explicit:
            # PostgreSQL is told each statement by itself: to it there would be no block.
            await session.relay.begin()
        await _read_out(await relay())
    try:
        await _open(session, planned, declaring)
    except SqlError as error:
        if error.position is not None:
            error.position += planned.query.offset - statement.offset
        raise
    return "DECLARE CURSOR"


async def _read_out(result: Result) -> None:
    async for _ in result.fetch(0):
        pass
    await result.close()


async def _open(session: Session, planned: DeclareCursor, declaring: Portal) -> None:
    scroll = (None if planned.scans else False) if planned.scroll is None else planned.scroll
    options = CursorOptions(scroll, planned.hold, planned.binary, relayed=planned.relayed is not None)
    prepared = await session.prepare(planned.query, declaring.prepared.description.parameters)
    binding = Binding(declaring.binding.formats, declaring.binding.values)
    if options.relayed:
        portal = Portal(prepared, binding, functools.partial(_open_relayed, session, planned.name), options)
    else:
        portal = session.make_portal(prepared, binding, options=options)
    await portal.open()
    session.portals.add(planned.name, portal, session.block.depth)
    session.cursors += 1
    if planned.hold and not session.block.explicit:
        await portal.keep()


async def _open_relayed(session: Session, name: str, _: Portal, __: int) -> RelayedCursor:
    return RelayedCursor(name, session.relay_statement)


async def close(session: Session, name: str | None, closing: Portal) -> str:
    """CLOSE of a cursor or portal, or of all but that which executes it. Raises 34000."""
    session.cursors += 1
    if name is None:
        await session.portals.close_all(but=closing)
        return "CLOSE CURSOR ALL"
    if session.portals.find(name) is None:
        raise InvalidCursorName(f'cursor "{name}" does not exist')
    await session.portals.close(name)
    return "CLOSE CURSOR"


def fetch(session: Session, planned: FetchCursor, cursor: Portal, codes: tuple[int, ...]) -> Result:
    """A FETCH or MOVE in an open portal of ours; rows come in the formats `codes`."""
    result, message = cursor.result, with_formats(cursor.prepared.row_description, codes)
    if not isinstance(result, QueryResult):
        return _fetch_forward(planned, cursor, message)
    if result.columns is None:
        raise FeatureNotSupported("a statement that gives no rows is no cursor")
    if planned.silent:
        return ActionResult(functools.partial(_move, cursor, result, planned.movement))
    encoder = ResultEncoder(result.columns, spread_formats(codes, len(result.columns)), session.variables)
    return FetchResult(result.scroll.fetch(planned.movement), message, encoder, cursor.fail)


async def _move(cursor: Portal, result: QueryResult, movement: Movement) -> str:
    try:
        return f"MOVE {await result.scroll.move(movement)}"
    except (Exception, asyncio.CancelledError):
        cursor.fail()
        raise


def _fetch_forward(planned: FetchCursor, cursor: Portal, message: bytes) -> ForwardResult:
    movement, statement = planned.movement, cursor.prepared.statement
    forward = movement.direction is Direction.FORWARD and movement.count > 0
    if not forward or statement is None or statement.verb != "Select":
        raise FeatureNotSupported(
            "such a FETCH from a portal of the protocol is not supported", hint="DECLARE a cursor for its statement."
        )
    if not planned.silent and message != cursor.row_description:
        raise FeatureNotSupported(
            "FETCH from a portal of the protocol gives rows in its formats", hint="Bind both with the same formats."
        )
    return ForwardResult(cursor, movement.count, message, silent=planned.silent)
