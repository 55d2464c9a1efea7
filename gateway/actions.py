"""What statements do that change the session or the catalog instead of returning rows."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from catalog.changes import SyncTable
from catalog.errors import (
    ActiveSqlTransaction,
    InternalError,
    NoActiveSqlTransaction,
    SqlError,
)
from gateway import definitions, enlistment
from gateway.demarcation import Demarcation, demarcate, set_modes
from gateway.preparation import deallocate
from gateway.roles import AUTHORIZATION, ROLE
from planner.plan import CatalogChange, Deallocate, Discard, Plan, Query, ResetVariable, SetModes, SetVariable

if TYPE_CHECKING:
    from catalog.catalog import Catalog
    from gateway.services import Services
    from gateway.session import Session


@dataclass(frozen=True, slots=True)
class Notice:
    """What goes to the client beside an answer; `severity` is NOTICE or WARNING."""

    content: SqlError
    severity: str


async def act(session: Session, services: Services, planned: Plan, *, alone: bool) -> str:
    """Carries out a plan that returns no rows; returns the command tag. `alone` says that no statement follows in the
    same simple Query. Raises SqlError."""
    if isinstance(planned, Demarcation):
        return await demarcate(session, planned)
    match planned:
        case SetModes():
            return await _set_modes(session, planned)
        case SetVariable():
            return await _set(session, planned)
        case ResetVariable():
            return await _reset(session, planned.name)
        case Deallocate():
            return await deallocate(session, planned)
        case Discard():
            return await _discard(session, planned)
        case CatalogChange():
            session.admit_write(planned.tag)
            await definitions.change(session, services, planned.change, alone=alone)
            return planned.tag
        case _:
            raise InternalError(f"no action for {type(planned).__name__}")


def find_assigned(planned: Plan) -> tuple[str, ...]:
    """The settings that a plan gives values to, of its own, for the session; empty where it does anything else, and
    where a value has to be admitted each time."""
    if isinstance(planned, SetVariable) and not (planned.value is None or planned.local or planned.keeps):
        return () if planned.name.lower() in (ROLE, AUTHORIZATION) else (planned.name,)
    if isinstance(planned, SetModes) and planned.for_session:
        return tuple(f"default_{name}" for name, _ in planned.modes.settings())
    return ()


async def settle(session: Session, catalog: Catalog, query: Query) -> None:
    """Follows a write into the catalog, that of a block with its COMMIT. Statistics that cannot be had now are those of
    the next read."""
    draft = enlistment.find(catalog, session, query.writes)
    if isinstance(query.then, SyncTable) and draft is not None:
        await enlistment.show_columns(session, catalog, draft, query.then.name)
    elif query.then is not None:
        await definitions.settle(session, catalog, query.then)
    elif query.writes is not None and not session.block.drafts:
        with suppress(SqlError):
            await catalog.observe(session.workspace, query.writes)


async def _set(session: Session, planned: SetVariable) -> str:
    name, value = planned.name, planned.value
    if planned.keeps:
        value = await session.relay.show(name, session.variables.effective)
    if value is None:
        name = await session.verdicts.admit_reset(session, name)
    else:
        name, value = await session.verdicts.validate(session, name, value)
    if planned.local and not session.block.shared:
        session.warn(NoActiveSqlTransaction("SET LOCAL can only be used in transaction blocks"))
    session.variables.set(name, value, local=planned.local)
    return "SET"


async def _set_modes(session: Session, planned: SetModes) -> str:
    if planned.for_session:
        for name, value in planned.modes.settings():
            await _set(session, SetVariable(f"default_{name}", value))
    else:
        if not planned.by_name and not session.block.shared:
            session.warn(NoActiveSqlTransaction("SET TRANSACTION can only be used in transaction blocks"))
        await set_modes(session, planned.modes)
    return "SET"


async def _reset(session: Session, name: str | None) -> str:
    session.variables.reset(name and await session.verdicts.admit_reset(session, name))
    return "RESET"


async def _discard(session: Session, planned: Discard) -> str:
    if planned.what == "ALL":
        if session.block.shared:
            raise ActiveSqlTransaction("DISCARD ALL cannot run inside a transaction block")
        if session.relay.holds_state:
            # A backend that is closed drops what lived there, but later.
            await _relay(session, "DISCARD TEMP")
        session.variables.reset(None)
        session.variables.reset(ROLE)
        session.statements.clear()
        await session.portals.abandon()
        await session.relay.close()
        session.variables.end(commit=True)  # Nothing that follows in a pipeline takes it back.
    else:
        await _relay(session, f"DISCARD {planned.what}")
    return f"DISCARD {planned.what}"


async def _relay(session: Session, sql: str) -> None:
    relayed = await session.relay.execute(sql, (), (), (), (), session.variables.effective)
    await relayed.close()
