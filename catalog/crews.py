"""Threads for reads that another's files may hold up: each workspace has a few of its own, so that what hangs costs
nobody else any."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from catalog.errors import UnreadableTable

_THREADS = 8
"""Of a workspace."""
_MOST_SECONDS = 120.0
"""For a read: logs of millions of files take some ten."""
T = TypeVar("T")


class Crews:
    def __init__(self, most_seconds: float = _MOST_SECONDS) -> None:
        self._most_seconds = most_seconds
        self._threads: dict[str, ThreadPoolExecutor] = {}

    def close(self) -> None:
        for threads in self._threads.values():
            threads.shutdown(wait=False, cancel_futures=True)

    async def run(self, workspace: str, work: Callable[[], T]) -> T:
        """Raises UnreadableTable when it takes too long. Its thread stays with it, whoever has stopped waiting."""
        if (threads := self._threads.get(workspace)) is None:
            threads = self._threads[workspace] = ThreadPoolExecutor(_THREADS, thread_name_prefix="delta-log")
        try:
            async with asyncio.timeout(self._most_seconds) as bound:
                return await asyncio.get_running_loop().run_in_executor(threads, work)
        except TimeoutError:
            if not bound.expired():
                raise
            raise UnreadableTable(
                f"a Delta log could not be read within {self._most_seconds:g} seconds",
                hint="Run the statement again, when fewer tables are read or their storage answers.",
            ) from None
