"""Definitions that a block changes: made, renamed and dropped on its own backend, seen by it alone until COMMIT.

`catalog.definitions` has what they are; here is how a session comes to have them, and when a statement's are a block's.

PostgreSQL knows its locks and nothing of writers' turns, so it finds no deadlock that goes over both. Whoever has
locked definitions, or is about to, therefore waits for neither without an end.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from catalog.changes import (
    AlterRole,
    Change,
    CreateRole,
    DropRole,
    DropTable,
    GrantMembership,
    RenameTable,
)
from catalog.control import LOCK_SECONDS
from catalog.names import TableName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog.catalog import Catalog
    from catalog.definitions import Definitions
    from catalog.errors import SqlError
    from gateway.services import Services
    from gateway.session import Session
    from gateway.transaction import Block

_APART = AlterRole | CreateRole | DropRole | GrantMembership
"""What commits by itself: roles are the account's."""


class _Backend:
    """The session's, which its block is begun on. See `catalog.sealed.Backend`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def carry_out(self, statement: str, seal: bytes, *, answers: bool, written: bool) -> list[str]:
        session, variables = self._session, self._session.settings
        if session.lock_seconds is None:
            variables = {**variables, "lock_timeout": f"{LOCK_SECONDS}s"}
        return await session.relay.carry_out(statement, seal, variables, answers=answers, written=written)

    async def save(self) -> int:
        return await self._session.relay.save()

    async def go_back(self, place: int) -> None:
        await self._session.relay.go_back(place)

    async def release(self, place: int) -> None:
        await self._session.relay.release(place)


def patience(session: Session) -> float | None:
    """The seconds that the block waits for a table's writers; None where it has no end."""
    own = session.lock_seconds
    return own if own is not None or session.block.definitions is None else LOCK_SECONDS


async def joins(block: Block, *, alone: bool) -> bool:
    """Whether what a statement changes is its block's to commit. One that is `alone`, and in no block, commits by
    itself."""
    return block.changes or block.explicit or not alone or bool(block.goes_on and await block.goes_on())


async def change(session: Session, services: Services, wanted: Change, *, alone: bool) -> None:
    """Carries it out, in the block or by itself; the client hears of what was skipped. Raises SqlError."""
    remark = await _carry_out(session, services, wanted, alone=alone)
    if remark is not None:
        session.inform(remark)


async def _carry_out(session: Session, services: Services, wanted: Change, *, alone: bool) -> SqlError | None:
    """DROP and RENAME wait for the table's writers, whose turns go by names."""
    block, catalog, who, workspace = session.block, services.catalog, session.principal, session.workspace
    joining, taken = await joins(block, alone=alone), _names_taken(wanted)
    if isinstance(wanted, _APART):
        block.admit_alone(alone=not joining)
    elif joining:
        for name in taken:
            await _keep_from_others(session, services, name)
        return await catalog.define(await open_definitions(session, catalog), wanted, who, workspace)
    async with AsyncExitStack() as turns:
        for name in taken:
            await turns.enter_async_context(services.writers.turn(workspace, name, session.lock_seconds))
        return await catalog.apply(wanted, who, workspace)


def _names_taken(wanted: Change) -> Sequence[TableName]:
    """Those that mean another table afterwards, or none, in the order in which everybody takes them."""
    if isinstance(wanted, RenameTable):
        return sorted((wanted.name, TableName(wanted.name.schema, wanted.new)), key=lambda name: name.parts)
    return (wanted.name,) if isinstance(wanted, DropTable) else ()


async def _keep_from_others(session: Session, services: Services, table: TableName) -> None:
    """To the block's end, unless it has the table for itself already."""
    block, workspace = session.block, session.workspace
    location = services.catalog.find_location(workspace, table, block.definitions)
    if location in block.made or location in block.drafts or table in block.turns:
        return
    await block.held.enter_async_context(services.writers.turn(workspace, table, patience(session)))
    block.turns.add(table)


async def make_room(session: Session, catalog: Catalog, location: str, *, alone: bool) -> None:
    """Before a machine makes a table there. Raises SqlError."""
    if await joins(session.block, alone=alone):
        await (await open_definitions(session, catalog)).make_room(location)


async def settle(session: Session, catalog: Catalog, wanted: Change) -> None:
    """What a machine has made becomes a table."""
    definitions = session.block.definitions
    if definitions is None:
        await catalog.apply(wanted, session.principal, session.workspace)
    else:
        await catalog.define(definitions, wanted, session.principal, session.workspace)


async def open_definitions(session: Session, catalog: Catalog) -> Definitions:
    """The block's. An implicit block begins in PostgreSQL with them."""
    block = session.block
    if block.definitions is None:
        if not block.explicit:
            await session.begin_implicit_block()
        backend = _Backend(session)
        block.definitions = await catalog.open_definitions(session.principal, session.workspace, backend)
    return block.definitions
