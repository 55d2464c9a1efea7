"""The reserve of the tables' volume: free space that no statement may take, so that the gateway's own files, and what
other workspaces' blocks have yet to put in its place, find room.

Statements write as their machines do, of which the gateway sees nothing: while one runs that writes, it looks how much
is free, and has the statement end where that is less than the reserve, whoever has taken it.

Reference: statvfs(3).
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from catalog.errors import DiskFull, QueryCanceled

USUAL_BYTES = 1 << 30
LOOK_SECONDS = 0.25
END_SECONDS = 2.0
"""How long a statement may take to stop writing before its machine is left."""


@dataclass(frozen=True, slots=True)
class Reserve:
    """`least_bytes` stay free on the volumes of these folders."""

    folders: tuple[Path, ...]
    least_bytes: int = USUAL_BYTES

    def with_workspace(self, workspace: str) -> "Reserve":
        """Of a workspace's folder too, below the first: an administrator may have put it on a volume of its own."""
        return replace(self, folders=(*self.folders, self.folders[0] / workspace))

    def require(self) -> None:
        """Raises DiskFull where a volume has less. Blocking."""
        if any(_free_bytes(folder) < self.least_bytes for folder in self.folders):
            raise DiskFull(
                "the volume of the tables is full",
                detail=f"Less than {self.least_bytes >> 20} MiB are free, which are kept for what is under way.",
                hint="Drop tables that are not needed, or ask the operator for a larger volume.",
            )

    @asynccontextmanager
    async def kept(self, stop: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
        """While a statement writes, which `stop` tells to end. Raises DiskFull where it has been told so and was not
        done by then."""
        try:
            async with asyncio.timeout(None) as bound:
                watch = asyncio.create_task(self._watch(stop, bound))
                try:
                    yield
                finally:
                    watch.cancel()
        except (QueryCanceled, TimeoutError) as error:
            if watch.done() and not watch.cancelled():
                raise watch.result() from error
            raise

    async def _watch(self, stop: Callable[[], Awaitable[None]], bound: asyncio.Timeout) -> DiskFull:
        """Returns why it has stopped the statement."""
        while True:
            try:
                await asyncio.to_thread(self.require)
            except DiskFull as error:
                bound.reschedule(asyncio.get_running_loop().time() + END_SECONDS)
                await stop()
                return error
            await asyncio.sleep(LOOK_SECONDS)


def _free_bytes(place: Path) -> float:
    """Without end where nothing is yet, or nobody can look: who writes there hears of it."""
    with suppress(OSError):
        found = os.statvfs(place)
        return found.f_bavail * found.f_frsize
    return float("inf")
