"""One request on its way: written, and awaited until PostgreSQL has answered all of it."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

from gateway.relay.requests import FLUSH, Request

if TYPE_CHECKING:
    from catalog.errors import SqlError
    from gateway.relay.backend import Backend


class Kind(Enum):
    """What the request asks for in the end. A question's answer is one value, and `Run.cell` has it."""

    DESCRIBE = auto()
    EXECUTE = auto()
    QUESTION = auto()


class Assignment(NamedTuple):
    """A variable that a question sets; `value` None: to its default."""

    name: str
    value: str | None


class Run:
    """`end` is SYNC or FLUSH. `portal` names one that may stay open. `assigns` is what the statement sets,
    `alters` says that it sets what only the backend knows. `error` follows what an execution has answered before it
    failed.
    """

    __slots__ = (
        "alters",
        "assigns",
        "backend",
        "cell",
        "error",
        "exchange",
        "flushed",
        "kind",
        "portal",
        "request",
        "settled",
        "synced",
    )

    def __init__(self, backend: Backend, request: Request, kind: Kind, end: bytes, portal: str = "") -> None:
        self.backend = backend
        self.request = request
        self.kind = kind
        self.flushed = end is FLUSH
        self.portal = portal
        self.assigns: Assignment | None = None
        self.alters = False
        self.error: SqlError | None = None
        self.cell = ""
        self.settled = False
        self.synced = not self.flushed
        self.exchange = backend.send(request)

    @property
    def answered(self) -> bool:
        """All has been answered that was asked for; after Flush, PostgreSQL is not ready for another cycle yet."""
        exchange = self.exchange
        if exchange.status or exchange.lost or exchange.copying:
            return True
        return self.flushed and (exchange.described if self.kind is Kind.DESCRIBE else exchange.executed)

    @property
    def has_answered(self) -> bool:
        """Columns or rows of an execution have come, which the client hears even if it fails then."""
        return self.kind is Kind.EXECUTE and bool(self.exchange.description or self.exchange.buffered)

    @property
    def advanced(self) -> bool:
        """All has been answered, or an execution has a run of rows to hand on."""
        return self.answered or (self.kind is Kind.EXECUTE and self.exchange.buffered > 0 and self.backend.has_run)

    async def advance(self) -> None:
        while not self.advanced:
            await self.backend.wait()

    async def finish(self) -> None:
        """Ends the cycle of a flushed request, so that its backend becomes ready. When interrupted, call it again."""
        if not self.synced:
            self.synced = True
            self.backend.send_sync()
        while not self.exchange.ended:
            await self.backend.wait()
