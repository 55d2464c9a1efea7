"""What a session does at the moment, which can be told to end from anywhere: one piece of work at a time."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from catalog.errors import QueryCanceled

T = TypeVar("T")


class Cancellable(Protocol):
    """Work that can be told to end."""

    def cancel(self) -> object: ...


class Interruption:
    """`abandoned`: nothing is done any more."""

    def __init__(self) -> None:
        self.abandoned = False
        self._working: Cancellable | None = None
        self._cancelled = False

    @property
    def working(self) -> bool:
        return self._working is not None

    async def run(self, work: Coroutine[Any, Any, T], seconds: float | None) -> T:
        """Awaits `work` such that `cancel`, and the end of the time, end it with QueryCanceled.

        Raises ConnectionResetError, and starts nothing, when the client has left.
        """
        if self.abandoned:
            work.close()
            raise ConnectionResetError("the client is gone")
        task = asyncio.current_task()
        assert task is not None, "sessions run in tasks"
        self.begin(task)
        timer = asyncio.timeout(seconds)
        try:
            async with timer:
                return await work
        except TimeoutError:
            if timer.expired():
                raise QueryCanceled("canceling statement due to statement timeout") from None
            raise
        except asyncio.CancelledError:
            if not self._cancelled:
                raise
            raise QueryCanceled("canceling statement due to user request") from None
        finally:
            self.end()
            if self._cancelled:
                task.uncancel()

    def begin(self, work: Cancellable) -> None:
        """From now on that is done, until `end`."""
        self._working, self._cancelled = work, False

    def end(self) -> None:
        self._working = None

    def cancel(self) -> None:
        """Ends what is done now; nothing happens when nothing is."""
        if self._working is not None and not self._cancelled:
            self._cancelled = True
            self._working.cancel()
