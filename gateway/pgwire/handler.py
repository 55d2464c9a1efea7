"""What a door needs of a session: the interface between the wire and all that lies behind it."""

import asyncio
from collections.abc import Awaitable
from typing import Protocol

from catalog.errors import SqlError
from gateway.pgwire.messages import FrontendMessage, StartupMessage

Replay = bytes | asyncio.Future[Awaitable[None] | None] | None
"""What `Handler.replay` returns."""


class Handler(Protocol):
    """One session, as its door sees it. Made by the listener's `make_handler(door)` when a StartupMessage comes.

    The door calls one method at a time and takes the next message only when the one before is done; only `disconnected`
    may come at any time. It answers errors and ends each cycle itself: a handler never sends ErrorResponse for what it
    raises, nor ReadyForQuery.
    """

    @property
    def status(self) -> bytes:
        """The byte of the next ReadyForQuery: ``I``, ``T`` or ``E``."""
        ...

    async def startup(self, startup: StartupMessage) -> None:
        """Authenticates (see `login.authenticate`), then sends ParameterStatus and BackendKeyData.

        What it raises is FATAL to the client, whatever its severity. ReadyForQuery follows.
        """
        ...

    def replay(self, cycle: bytes) -> Replay:
        """May answer bytes that came in one piece while nothing else was to be answered, without their being read.

        Returns the whole answer, ReadyForQuery too; or a future that is done when that has been said, or with what is
        still to be awaited before ReadyForQuery; or None: the messages in it follow by `handle`, one by one.
        """
        ...

    def handle(self, message: FrontendMessage) -> Awaitable[None] | None:
        """Answers Query, Parse, Bind, Describe, Execute, Close, Sync or FunctionCall by `door.send` and `door.write`.

        Return None when all is said: that costs no task switch. Otherwise return what the door shall await; the next
        message waits for it. Raise SqlError, from either, to answer with ErrorResponse; the door then skips to Sync
        where the protocol wants it. On Query and Sync the implicit transaction ends here; ReadyForQuery follows.
        """
        ...

    def failed(self, error: SqlError) -> None:
        """An error is about to be answered, raised here or found by the door: an open transaction block has failed."""
        ...

    def conclude(self) -> None:
        """A cycle is over; what is to be heard before its ReadyForQuery is sent now."""
        ...

    def disconnected(self) -> None:
        """The client is gone, or must go: cancel what runs. Called at most once, also while `handle` is awaited.

        What `handle` awaits goes on until it ends; its `door.drain` and `door.receive` raise ConnectionResetError.
        """
        ...

    async def close(self) -> None:
        """The last call, always made, when nothing runs any more: give back what the session holds."""
        ...
