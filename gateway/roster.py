"""What pg_stat_activity tells, and whom pg_cancel_backend and its kin find: the sessions of all gateways, as the one
that asks may see them. Schema `lakegate` of a workspace shows them out of two settings, which only the statement that
asks comes with.

Reference: PostgreSQL documentation, `pg_stat_activity`.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from catalog.principals import Principal
from gateway.activity import may_act_as

SESSIONS, OWNERS = "lakegate.sessions", "lakegate.owners"
_HIDDEN = frozenset(
    {
        "state", "client_addr", "client_port", "backend_start", "xact_start", "query_start", "state_change",
        "wait_event_type", "wait_event", "backend_type", "ssl", "version", "cipher", "bits", "client_dn",
        "client_serial", "issuer_dn",
    }
)  # fmt: skip
"""What somebody without the session's privileges is not told."""


def tell_sessions(rows: Iterable[Mapping[str, Any]], asker: Principal) -> dict[str, str]:
    """The settings: rows of pg_stat_activity as JSON, and a line for each, of process id and owner."""
    shown = [row if may_act_as(asker, row["usename"]) else _hide(row) for row in rows]
    owners = "".join(f"\n{row['pid']} {json.dumps(row['usename'])}" for row in shown)
    return {SESSIONS: json.dumps(shown, ensure_ascii=False), OWNERS: owners}


def _hide(row: Mapping[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in row.items() if name not in _HIDDEN}
    return {**rest, "query": "<insufficient privilege>"}
