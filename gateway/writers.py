"""One writer a table at a time.

On a local file system Delta's log store looks before it renames, so two machines that commit to one table at once could
lose a commit. Writers of a table therefore wait for each other; readers never do.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from weakref import WeakValueDictionary

from catalog.errors import LockNotAvailable
from catalog.names import TableName


class Writers:
    """The tables that are written now, over all sessions of a gateway."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[tuple[str, TableName], asyncio.Lock] = WeakValueDictionary()

    def turn(
        self, workspace: str, table: TableName | None, seconds: float | None = None
    ) -> AbstractAsyncContextManager[None]:
        """A context that holds the table; entering it waits for the writer before. None needs no turn.

        Entering raises LockNotAvailable when that takes longer than `seconds`.
        """
        if table is None:
            return nullcontext()
        lock = self._locks.get((workspace, table))
        if lock is None:
            lock = self._locks[workspace, table] = asyncio.Lock()
        return _held(lock, seconds)


@asynccontextmanager
async def _held(lock: asyncio.Lock, seconds: float | None) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            await lock.acquire()
    except TimeoutError:
        raise LockNotAvailable("canceling statement due to lock timeout") from None
    try:
        yield
    finally:
        lock.release()
