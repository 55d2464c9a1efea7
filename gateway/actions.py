"""What statements do that change the session or the catalog instead of returning rows."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from catalog.changes import DropTable
from catalog.errors import (
    ActiveSqlTransaction,
    InternalError,
    InvalidSqlStatementName,
    NoActiveSqlTransaction,
    SqlError,
)
from catalog.names import quote_identifier
from planner.plan import (
    Begin,
    CatalogChange,
    Commit,
    Discard,
    Plan,
    Query,
    ResetVariable,
    Rollback,
    SetVariable,
)

if TYPE_CHECKING:
    from catalog.catalog import Catalog
    from gateway.session import Session


@dataclass(frozen=True, slots=True)
class Notice:
    """What goes to the client beside an answer; `severity` is NOTICE or WARNING."""

    content: SqlError
    severity: str


async def act(session: Session, catalog: Catalog, planned: Plan) -> str:
    """Carries out a plan that returns no rows; returns the command tag. Raises SqlError."""
    match planned:
        case Begin():
            return await _begin(session, planned)
        case Commit():
            return await _end(session, commit=True, chain=planned.chain)
        case Rollback():
            return await _end(session, commit=False, chain=planned.chain)
        case SetVariable():
            return await _set(session, planned)
        case ResetVariable():
            return await _reset(session, planned.name)
        case Discard():
            return await _discard(session, planned)
        case CatalogChange():
            return await _change(session, catalog, planned)
        case _:
            raise InternalError(f"no action for {type(planned).__name__}")


async def settle(session: Session, catalog: Catalog, query: Query) -> None:
    """Follows a write into the catalog."""
    if query.then is not None:
        await catalog.apply(query.then, session.principal, session.workspace)


async def _begin(session: Session, planned: Begin) -> str:
    if session.block.explicit:
        session.warn(ActiveSqlTransaction("there is already a transaction in progress"))
        return planned.tag
    session.block.begin(read_only=planned.read_only)
    await session.relay.begin(read_only=planned.read_only, isolation=planned.isolation)
    return planned.tag


async def _end(session: Session, *, commit: bool, chain: bool) -> str:
    if not session.block.explicit:
        if chain:
            command = "COMMIT" if commit else "ROLLBACK"
            raise NoActiveSqlTransaction(f"{command} AND CHAIN can only be used in transaction blocks")
        session.warn(NoActiveSqlTransaction("there is no transaction in progress"))
        return "COMMIT" if commit else "ROLLBACK"
    commit = commit and not session.block.failed
    read_only = session.block.read_only
    await session.end_block(commit=commit)
    if chain:
        await _begin(session, Begin(read_only=read_only))
    return "COMMIT" if commit else "ROLLBACK"


async def _set(session: Session, planned: SetVariable) -> str:
    if planned.local and not session.block.explicit:
        command = "SET TRANSACTION" if planned.name.startswith("transaction_") else "SET LOCAL"
        session.warn(NoActiveSqlTransaction(f"{command} can only be used in transaction blocks"))
    elif planned.value is None:
        session.variables.reset(planned.name)
    else:
        value = await session.verdicts.validate(session, planned.name, planned.value)
        session.variables.set(planned.name, value, local=planned.local)
    return "SET"


async def configure(session: Session, planned: SetVariable) -> str:
    """SELECT set_config(): the new value. A local one outside a block is over as soon as it is told."""
    if session.block.explicit or not planned.local:
        await _set(session, planned)
        return session.variables.current(planned.name)
    return await session.verdicts.validate(session, planned.name, planned.value or "")


async def _reset(session: Session, name: str | None) -> str:
    """PostgreSQL says whether there is a setting of that name, if the session has not set it."""
    if name is not None and name not in session.variables and "." not in name:
        await session.relay.set_variable(name, None, session.variables.effective)
    session.variables.reset(name)
    return "RESET"


async def _discard(session: Session, planned: Discard) -> str:
    if planned.what == "DEALLOCATE":
        return await _deallocate(session, planned.name)
    if planned.what == "ALL":
        if session.block.explicit:
            raise ActiveSqlTransaction("DISCARD ALL cannot run inside a transaction block")
        session.variables.reset(None)
        session.forget(None)
        await session.close_portals()
        await session.relay.close()
    else:
        await _relay(session, f"DISCARD {planned.what}")
    return f"DISCARD {planned.what}"


async def _deallocate(session: Session, name: str | None) -> str:
    """Prepared statements of the protocol are the session's, those of PREPARE live in PostgreSQL."""
    if name is None:
        session.forget(None)
        if session.relay.holds_state:
            await _relay(session, "DEALLOCATE ALL")
        return "DEALLOCATE ALL"
    if not session.forget(name):
        if not session.relay.holds_state:
            raise InvalidSqlStatementName(f'prepared statement "{name}" does not exist')
        await _relay(session, f"DEALLOCATE {quote_identifier(name)}")
    return "DEALLOCATE"


async def _relay(session: Session, sql: str) -> None:
    relayed = await session.relay.execute(sql, (), (), (), (), session.variables.effective)
    await relayed.close()


async def _change(session: Session, catalog: Catalog, planned: CatalogChange) -> str:
    session.admit_write(planned.tag, alone=True)
    change, folder = planned.change, None
    if isinstance(change, DropTable):
        folder = await catalog.managed_folder(session.workspace, change.name)
    await catalog.apply(change, session.principal, session.workspace)
    if folder is not None:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    return planned.tag
