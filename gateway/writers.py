"""One writer a table at a time.

On a local file system Delta's log store looks before it renames, so two machines that commit to one table at once could
lose a commit. Writers of a table therefore wait for each other, those of this gateway in the order in which they came,
those of others as the metastore's rows have it; readers never do. A block holds the table that it writes to its end.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from weakref import WeakValueDictionary

from catalog.errors import LockNotAvailable
from catalog.names import TableName

Rows = Callable[[str, TableName], AbstractAsyncContextManager[None]]
"""What holds a workspace's table against other gateways."""


class Writers:
    """The tables that are written now, over all sessions of a gateway; `rows` keeps those of other gateways away."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
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
        return self._held(lock, self._rows(workspace, table), seconds)

    @staticmethod
    @asynccontextmanager
    async def _held(
        lock: asyncio.Lock, row: AbstractAsyncContextManager[None], seconds: float | None
    ) -> AsyncIterator[None]:
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout(seconds):
                    await held.enter_async_context(lock)
                    await held.enter_async_context(row)
            except TimeoutError:
                raise LockNotAvailable("canceling statement due to lock timeout") from None
            yield
