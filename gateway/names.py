"""What pg_prepared_statements and pg_cursors tell: the session's own names. Schema `lakegate` of a workspace shows them
out of the setting `VARIABLE`, which only the statement that asks comes with.

Reference: PostgreSQL documentation, `pg_prepared_statements`, `pg_cursors`.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from catalog.errors import ProgramLimitExceeded

if TYPE_CHECKING:
    from gateway.portal import Portal, PreparedStatement
    from gateway.session import Session
    from gateway.statements import Named

VARIABLE = "lakegate.names"


MOST_CHARACTERS = 16 << 20
"""Of all texts that are told at once."""


def list_names(session: Session, asking: Portal) -> str:
    """As JSON, with the columns of both views. The portal of no name is one that Bind has opened and that asks. Raises
    ProgramLimitExceeded."""
    statements = [_statement(name, named) for name, named in session.statements.named()]
    cursors = [_cursor(name, portal) for name, portal in session.portals if name or portal is asking]
    if sum(len(each["statement"]) for each in (*statements, *cursors)) > MOST_CHARACTERS:
        raise ProgramLimitExceeded(
            "the texts of all prepared statements and cursors are too long to be listed",
            hint="Close those that are not needed any more.",
        )
    return json.dumps({"statements": statements, "cursors": cursors}, ensure_ascii=False)


def _statement(name: str, named: Named) -> dict[str, Any]:
    description = named.prepared.description
    columns = description.columns
    return {
        "name": name,
        "statement": _source(named.prepared),
        "prepare_time": _moment(named.since),
        "parameter_types": description.parameters,
        "result_types": None if columns is None else [column.type.oid for column in columns],
        "from_sql": named.from_sql,
        "generic_plans": named.generic_plans,
        "custom_plans": named.custom_plans,
    }


def _cursor(name: str, portal: Portal) -> dict[str, Any]:
    options = portal.options
    return {
        "name": name,
        "statement": _source(portal.prepared),
        "is_holdable": options.hold,
        "is_binary": options.binary,
        "is_scrollable": options.scroll is not False,
        "creation_time": _moment(portal.since),
        "relayed": options.relayed,
    }


def _source(prepared: PreparedStatement) -> str:
    return "" if prepared.statement is None else prepared.statement.source


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
