"""A statement that PostgreSQL itself answers: handed over under the session's own role, with what it asks of us."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from catalog.errors import InsufficientPrivilege
from gateway.briefing import brief

if TYPE_CHECKING:
    from catalog.catalog import Catalog
    from gateway.portal import Portal
    from gateway.relay import RelayPortal
    from gateway.session import Session
    from planner.plan import Metadata

_DENIED = re.compile(r"permission denied for table (.+)")
"""What PostgreSQL's own fence says to a statement that should never have come to it."""


async def hand_over(
    session: Session, catalog: Catalog, planned: Metadata, portal: Portal, max_rows: int
) -> RelayPortal:
    """PostgreSQL's answer, begun. Raises SqlError."""
    statement, binding = portal.prepared.statement, portal.binding
    variables = await brief(session, catalog, planned, portal)
    try:
        return await session.relay.execute(
            planned.text,
            portal.prepared.types,
            binding.formats,
            binding.values,
            binding.result_formats,
            variables,
            max_rows=max_rows,
            immutable=statement is not None and statement.immutable,
            alters=bool(planned.assigns),
            custom=not portal.prepared.named,
        )
    except InsufficientPrivilege as error:
        denied = _DENIED.fullmatch(error.message)
        if denied and catalog.has_table_called(session.workspace, denied[1]):
            raise RuntimeError("a statement that reads a lakehouse table was relayed") from error
        raise
