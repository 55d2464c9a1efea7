"""A relayed execution: hands out PostgreSQL's own messages as they come."""

from collections.abc import AsyncIterator

from gateway.relay.answers import read_tag
from gateway.relay.conversation import Conversation
from gateway.relay.requests import Call
from gateway.relay.run import Run


class RelayPortal:
    """Made by `RelaySession.execute`, which has executed it for the first time already.

    `description` is the portal's RowDescription message, formats applied, or empty. `tag` is the command tag once the
    last row has been handed out; None before, and while suspended.
    """

    def __init__(self, conversation: Conversation, run: Run) -> None:
        self.tag: str | None = None
        self._conversation = conversation
        self._run = run

    @property
    def call(self) -> Call | None:
        """What was executed, for `RelaySession.launch`."""
        return self._run.request.call

    @property
    def description(self) -> bytes:
        return self._run.exchange.description

    @property
    def suspended(self) -> bool:
        """More rows may follow the ones handed out: the next `fetch` asks for them."""
        return self._run.settled and self._run.exchange.suspended and not self._run.exchange.buffered

    def take_answer(self) -> bytes | None:
        """Rows and CommandComplete, if all is here already and nothing was handed out; it counts as handed out then.

        Spares the door an asynchronous step for what fits one read.
        """
        exchange = self._run.exchange
        if not self._run.settled or self._run.error or exchange.suspended or self.tag is not None:
            return None
        self.tag = read_tag(exchange.complete)
        return exchange.take() + exchange.complete

    async def fetch(self, max_rows: int = 0) -> AsyncIterator[bytes]:
        """Runs of whole DataRow and NoticeResponse messages.

        The first call hands out what `execute` asked for; each later one, while suspended, asks for `max_rows` more (0:
        all). Not pulling pauses the backend. Raises SqlError; the portal is over then.
        """
        if self.suspended:
            self._run = await self._conversation.resume(self._run, max_rows)
        while self.tag is None:
            if run := self._run.exchange.take():
                yield run
            elif self._run.settled:
                break
            else:
                await self._conversation.advance(self._run)
        if self._run.error is not None:
            raise self._run.error
        if not self._run.exchange.suspended and self.tag is None:
            self.tag = read_tag(self._run.exchange.complete)

    async def close(self) -> None:
        """Stops what still runs and drops what waits. May be called twice."""
        self._run.exchange.discard()
        await self._conversation.drop(self._run)
