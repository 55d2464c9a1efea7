"""The gateways' sessions as clients see them: pg_stat_activity over all replicas, and signals from one to another.

The replica that is asked knows its own. Where there are others, it has them write theirs down by a notification in the
account's database, and waits for their word a moment. Who is dead by the table of gateways is forgotten.
"""

import asyncio
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from catalog.errors import SqlError
from catalog.principals import Principal

log = logging.getLogger(__name__)

SIGNAL_CHANNEL = "lakegate_signal"
SIGNAL_SQLSTATE = "LG001"
"""Of the notice by which a statement asks for a signal: a notification would only be sent at its block's COMMIT."""
CENSUS_CHANNEL = "lakegate_census"
_ANSWER_SECONDS = 3.0
"""How long the other replicas may take; what they have told before is shown otherwise."""


class SignalKind(StrEnum):
    CANCEL = "cancel"
    TERMINATE = "terminate"


@dataclass(frozen=True, slots=True)
class Signal:
    """What `asker` wants done to the session that its client knows as process `pid`; may he, decides the gateway."""

    kind: SignalKind
    pid: int
    asker: str


class Sessions(Protocol):
    """What the catalog needs of this gateway's sessions. `replica` is its name among the gateways."""

    @property
    def replica(self) -> str: ...

    def describe(self, workspace: str) -> list[dict[str, Any]]:
        """The rows of pg_stat_activity for its sessions in a workspace."""
        ...

    def signal(self, signal: Signal, asker: Principal | None) -> None:
        """What a pg_cancel_backend or pg_terminate_backend asks for, anywhere. `asker` None: dropped meanwhile."""
        ...


def read_signal(payload: str) -> Signal | None:
    """The signal of a notification; None for what is none."""
    try:
        kind, pid, asker = json.loads(payload)
        return Signal(SignalKind(kind), int(pid), str(asker))
    except (ValueError, TypeError):
        return None


class Signals:
    """Sends them to whichever gateway has the session, at once; equal ones that wait are one. `connect` reaches a
    workspace's database."""

    def __init__(self, connect: Callable[[str], AbstractAsyncContextManager[AsyncConnection[Any]]]) -> None:
        self._connect = connect
        self._waiting: dict[str, set[str]] = {}
        self._sending: asyncio.Task[None] | None = None

    def send(self, workspace: str, payload: str) -> None:
        """What cannot be sent is logged, as whoever asked has his answer."""
        self._waiting.setdefault(workspace, set()).add(payload)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_all())

    async def close(self) -> None:
        """Returns when all are sent."""
        if self._sending is not None:
            await self._sending

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                await self._send(*self._waiting.popitem())
        finally:
            self._sending = None

    async def _send(self, workspace: str, payloads: set[str]) -> None:
        notify = "SELECT pg_notify(%s, payload) FROM unnest(%s::text[]) AS payload"
        try:
            async with self._connect(workspace) as connection:
                await connection.execute(notify, (SIGNAL_CHANNEL, list(payloads)))
        except SqlError as error:
            log.warning("signals to sessions were not sent: %s", error)


async def publish(
    connection: AsyncConnection[Any], replica: str, activities: Sequence[dict[str, Any]], living: Collection[str]
) -> None:
    """Writes this replica's sessions down for the others; keys are the columns of pg_stat_activity and pg_stat_ssl.

    What was written of replicas that are not among the `living` goes.
    """
    async with connection.transaction():
        await connection.execute("LOCK TABLE lakegate.sessions IN SHARE ROW EXCLUSIVE MODE")
        delete = "DELETE FROM lakegate.sessions WHERE replica = %s OR NOT replica = ANY (%s)"
        await connection.execute(delete, (replica, list(living)))
        await connection.execute(
            "INSERT INTO lakegate.sessions SELECT %s, (a ->> 'pid')::integer, a FROM jsonb_array_elements(%s) a",
            (replica, Jsonb(list(activities))),
        )


async def read_sessions(connection: AsyncConnection[Any], replicas: Collection[str]) -> list[dict[str, Any]]:
    """What these have written down."""
    query = "SELECT activity FROM lakegate.sessions WHERE replica = ANY (%s)"
    return [activity for (activity,) in await (await connection.execute(query, (list(replicas),))).fetchall()]


class Census:
    """Has the other replicas write their sessions down. `publish` does so for this one, if it knows the workspace."""

    def __init__(
        self,
        replica: str,
        connection: Callable[[], AbstractAsyncContextManager[AsyncConnection[Any]]],
        publish: Callable[[str], Awaitable[None]],
    ) -> None:
        self._replica = replica
        self._connection = connection
        self._publish = publish
        self._questions: dict[str, tuple[set[str], asyncio.Future[None]]] = {}
        self._answers: set[asyncio.Task[None]] = set()

    async def take(self, workspace: str, others: frozenset[str]) -> None:
        """Returns when these have published, or have taken too long."""
        question, told = secrets.token_hex(8), asyncio.get_running_loop().create_future()
        self._questions[question] = set(others), told
        try:
            await self._notify("ask", question, workspace)
            await asyncio.wait([told], timeout=_ANSWER_SECONDS)
        finally:
            del self._questions[question]

    def hear(self, payload: str) -> None:
        """A notification of the channel."""
        kind, replica, question, workspace = json.loads(payload)
        if kind == "ask" and replica != self._replica:
            answer = asyncio.create_task(self._answer(question, workspace))
            self._answers.add(answer)
            answer.add_done_callback(self._answers.discard)
        elif kind == "told" and question in self._questions:
            missing, told = self._questions[question]
            missing.discard(replica)
            if not missing and not told.done():
                told.set_result(None)

    async def close(self) -> None:
        """Ends the answers that are under way."""
        for answer in self._answers:
            answer.cancel()
        await asyncio.gather(*self._answers, return_exceptions=True)

    async def _answer(self, question: str, workspace: str) -> None:
        try:
            await self._publish(workspace)
            await self._notify("told", question, workspace)
        except SqlError as error:
            log.warning("another gateway was not told of the sessions here: %s", error)

    async def _notify(self, kind: str, question: str, workspace: str) -> None:
        payload = json.dumps([kind, self._replica, question, workspace])
        async with self._connection() as connection:
            await connection.execute("SELECT pg_notify(%s, %s)", (CENSUS_CHANNEL, payload))
