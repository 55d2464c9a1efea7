"""A statement on its way that no task waits for: its whole answer is taken where it arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.relay.portal import RelayPortal

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from gateway.relay.conversation import Conversation
    from gateway.relay.run import Run


class Flight:
    """Launched by `RelaySession.launch`. `landed` is called once, when PostgreSQL has answered, or does at length."""

    def __init__(self, conversation: Conversation, run: Run, landed: Callable[[Flight], None]) -> None:
        self._conversation = conversation
        self._run = run
        self._landed = landed
        run.backend.watch(self._notice)

    def answer(self) -> bytes | None:
        """Rows and CommandComplete, if all is here and is nothing more; otherwise `open` it."""
        return self._conversation.land(self._run)

    async def open(self) -> RelayPortal:
        """As `RelaySession.execute`: returns when the first rows are there."""
        await self._conversation.advance(self._run)
        return RelayPortal(self._conversation, self._run)

    def cancel(self) -> None:
        """Cancels the statement; its answer is an error then."""
        self._conversation.cancel()

    def release(self, waiting: asyncio.Future[Any]) -> None:
        """To be called when nobody waits any more: one that was left half-way is given up."""
        if waiting.cancelled():
            self._conversation.abandon(self._run)

    def _notice(self) -> None:
        if self._run.advanced:
            self._landed(self)
        else:
            self._run.backend.watch(self._notice)
