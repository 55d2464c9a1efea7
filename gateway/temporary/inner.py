"""Statements of ours within a client's: described, opened and read as the session's own."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from catalog.errors import SqlError
from gateway.portal import Binding
from planner.parse import parse
from planner.plan import Dialect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.portal import Portal, PreparedStatement
    from gateway.session import Session
    from planner.plan import Modes

_UNBOUND = Binding()


async def prepare(session: Session, text: str, types: tuple[int, ...] = ()) -> PreparedStatement:
    """Raises SqlError without a position: the client knows another text."""
    try:
        (statement,) = parse(text, Dialect.POSTGRES)
        return await session.prepare(statement, types)
    except SqlError as error:
        error.position = None
        raise


@asynccontextmanager
async def opened(session: Session, prepared: PreparedStatement, binding: Binding = _UNBOUND) -> AsyncIterator[Portal]:
    """A portal of it, closed at the end whatever happens."""
    portal = session.make_portal(prepared, binding)
    try:
        await portal.open()
        yield portal
    finally:
        await portal.close()


@asynccontextmanager
async def transaction(session: Session, modes: Modes, *, joins: bool = False) -> AsyncIterator[None]:
    """What PostgreSQL is asked inside is one transaction there: the session's block, the one that another has begun
    round this, that of an implicit block which it `joins`, or one of its own, with these modes."""
    if joins and not session.block.explicit:
        await session.begin_implicit_block()
    if session.block.explicit or session.relay.in_block:
        yield
        return
    await session.relay.begin(modes)
    try:
        yield
    except BaseException:
        await session.relay.end(commit=False)
        raise
    await session.relay.end(commit=True)
