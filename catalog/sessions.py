"""The gateway's sessions as clients see them: pg_stat_activity, and signals from one session to another."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

SIGNAL_CHANNEL = "lakegate_signal"


class SignalKind(StrEnum):
    CANCEL = "cancel"
    TERMINATE = "terminate"


@dataclass(frozen=True, slots=True)
class Signal:
    """What `asker` wants done to the session that its client knows as process `pid`; may he, decides the gateway."""

    kind: SignalKind
    pid: int
    asker: str


def read_signal(payload: str) -> Signal | None:
    """The signal of a notification; None for what is none."""
    try:
        kind, pid, asker = json.loads(payload)
        return Signal(SignalKind(kind), int(pid), str(asker))
    except (ValueError, TypeError):
        return None


async def publish(connection: AsyncConnection[Any], replica: str, activities: Sequence[dict[str, Any]]) -> None:
    """Replaces what the workspace's pg_stat_activity shows of this replica. Keys are that view's columns."""
    async with connection.transaction():
        await connection.execute("DELETE FROM lakegate.sessions WHERE replica = %s", (replica,))
        await connection.execute(
            "INSERT INTO lakegate.sessions SELECT %s, (a ->> 'pid')::integer, a FROM jsonb_array_elements(%s) a",
            (replica, Jsonb(list(activities))),
        )
