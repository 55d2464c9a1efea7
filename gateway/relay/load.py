"""A COPY FROM STDIN that PostgreSQL carries out, with rows that somebody else gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.pgwire.codec import HEADER_SIZE, LAYOUTS, encode
from gateway.pgwire.messages import CopyDone, CopyFail, CopyInResponse
from gateway.relay.answers import read_tag
from gateway.relay.requests import FLUSH, Call
from gateway.relay.run import Kind, Run

if TYPE_CHECKING:
    import asyncio

    from gateway.relay.conversation import Conversation

_DONE = CopyDone()


async def begin_load(conversation: Conversation, copy: Call) -> RelayLoad:
    """Returns when PostgreSQL wants the rows. Raises SqlError."""
    load = RelayLoad(conversation, await conversation.start_copy(copy, Kind.QUESTION, FLUSH))
    try:
        await load.await_invitation()
    except BaseException:
        load.close()
        raise
    return load


class RelayLoad:
    """`close` leaves none of the rows unless `finish` has returned."""

    def __init__(self, conversation: Conversation, run: Run) -> None:
        self._conversation = conversation
        self._run = run

    @property
    def invitation(self) -> CopyInResponse:
        """What PostgreSQL expects."""
        response: CopyInResponse = LAYOUTS[CopyInResponse].decode(self._run.exchange.invitation[HEADER_SIZE:])
        return response

    @property
    def over(self) -> bool:
        """It has failed, and takes no more: `finish` raises why."""
        return self._run.answered

    async def await_invitation(self) -> None:
        """Raises SqlError where there is none."""
        while not (self._run.exchange.invitation or self.over):
            await self.wait()
        if self.over:
            await self.finish()

    async def give(self, content: bytes) -> None:
        """Passes CopyData messages on, and returns when there is room for more. Raises SqlError where no more is
        taken."""
        if self.over:
            await self.finish()
        self._run.backend.pass_on(content)
        while self._run.backend.congested and not self.over:
            await self.wait()

    def wait(self) -> asyncio.Future[None]:
        """To be awaited: done when PostgreSQL has said something, or takes more."""
        return self._run.backend.wait()

    def take_notices(self) -> bytes:
        """What it has said beside its answer, as whole messages."""
        return self._run.exchange.take()

    async def finish(self, end: CopyDone | CopyFail = _DONE) -> str:
        """The command tag. Raises SqlError."""
        if not self.over:
            self._run.backend.end_copy(encode(end))
        await self._conversation.end_load(self._run)
        return read_tag(self._run.exchange.complete)

    def close(self) -> None:
        """May be called twice."""
        if not self._run.settled:
            self._conversation.break_off(self._run)
