"""Where a transaction begins and ends, how it runs, and what it goes back to: BEGIN, COMMIT, ROLLBACK, SET TRANSACTION
and savepoints.

The block is the session's; PostgreSQL hears of it, and of its savepoints, with the first statement that it answers in
it. Its savepoints have names by their places, so that PostgreSQL's rules on equal names are kept in one place, `Block`.
Reference: PostgreSQL documentation, SAVEPOINT; `xact.c`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog.errors import ActiveSqlTransaction, NoActiveSqlTransaction
from gateway import enlistment
from planner.plan import Begin, Commit, Modes, Release, Rollback, RollbackTo, Savepoint

if TYPE_CHECKING:
    from gateway.session import Session
    from gateway.transaction import Block
    from gateway.variables import Variables

Demarcation = Begin | Commit | Rollback | Savepoint | Release | RollbackTo


async def demarcate(session: Session, planned: Demarcation) -> str:
    """Carries it out; returns the command tag. Raises SqlError."""
    match planned:
        case Begin():
            return await _begin(session, planned)
        case Commit():
            return await _end(session, commit=True, chain=planned.chain)
        case Rollback():
            return await _end(session, commit=False, chain=planned.chain)
        case Savepoint():
            return await _save(session, planned.name)
        case Release():
            return await _release(session, planned.name)
        case RollbackTo():
            return await _go_back(session, planned.name)


async def set_modes(session: Session, modes: Modes) -> None:
    """SET TRANSACTION. An implicit block begins in PostgreSQL with it."""
    block = session.block
    if not block.explicit:
        block.modes = block.modes.over(_defaults(session.variables))
        await session.begin_implicit_block()
    block.admit_modes(modes)
    await session.relay.set_modes(modes)
    block.modes = modes.over(block.modes)


async def _begin(session: Session, planned: Begin) -> str:
    block = session.block
    if block.explicit:
        session.warn(ActiveSqlTransaction("there is already a transaction in progress"))
    if planned.modes != Modes():
        # A BEGIN whose modes are refused begins nothing.
        await set_modes(session, planned.modes)
    if not block.explicit:
        block.begin(block.modes.over(_defaults(session.variables)))
        await session.relay.begin(block.modes)
    return planned.tag


def _defaults(variables: Variables) -> Modes:
    """The session's own. PostgreSQL is told: it hears of the block later, when they may have changed."""
    deferrable = variables.effective.get("default_transaction_deferrable")
    return Modes(
        variables.effective.get("default_transaction_isolation"),
        variables.current("default_transaction_read_only") == "on",
        None if deferrable is None else deferrable == "on",
    )


async def _end(session: Session, *, commit: bool, chain: bool) -> str:
    if not session.block.explicit:
        if chain:
            command = "COMMIT" if commit else "ROLLBACK"
            raise NoActiveSqlTransaction(f"{command} AND CHAIN can only be used in transaction blocks")
        session.warn(NoActiveSqlTransaction("there is no transaction in progress"))
        await session.end_block(commit=commit)
        return "COMMIT" if commit else "ROLLBACK"
    commit = commit and not session.block.failed
    modes = session.block.modes
    await session.end_block(commit=commit)
    if chain:
        await _begin(session, Begin(modes))
    return "COMMIT" if commit else "ROLLBACK"


async def _save(session: Session, name: str) -> str:
    block = _block(session, "SAVEPOINT")
    await session.relay.save()
    block.save(name, session.variables.mark())
    return "SAVEPOINT"


async def _release(session: Session, name: str) -> str:
    block = _block(session, "RELEASE SAVEPOINT")
    place = block.find(name)
    await session.relay.release(place)
    block.release(place)
    session.portals.adopt(place)
    return "RELEASE"


async def _go_back(session: Session, name: str) -> str:
    block = _block(session, "ROLLBACK TO SAVEPOINT")
    place = block.find(name)
    await session.portals.go_back(place)
    await session.relay.go_back(place)
    point = block.go_back(place)
    session.variables.go_back(point.settings)
    await enlistment.go_back(block, point.drafts)
    return "ROLLBACK"


def _block(session: Session, command: str) -> Block:
    if not session.block.explicit:
        raise NoActiveSqlTransaction(f"{command} can only be used in transaction blocks")
    return session.block
