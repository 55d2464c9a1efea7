"""Where spools keep rows: so many bytes of memory and of disk, for each session and for the whole gateway.

`Storage` is the gateway's, a `Vault` a session's. What goes to disk is encrypted with a key that only its session's
vault has, in files without a name: a gateway that is killed leaves nothing behind, and nothing that could be read.
"""

import asyncio
from pathlib import Path

from gateway.config import Limits
from gateway.segment import Cipher, Segment


class Room:
    """Bytes that may be in use at once; `around` bounds all that lie within it together."""

    def __init__(self, limit: int, around: "Room | None" = None) -> None:
        self.used = 0
        self._limit = limit
        self._around = around

    def take(self, size: int) -> bool:
        """Whether there was room; it is taken then."""
        if self.used + size > self._limit or (self._around is not None and not self._around.take(size)):
            return False
        self.used += size
        return True

    def force(self, size: int) -> None:
        """Takes what is needed to go on; below 0 gives back."""
        self.used += size
        if self._around is not None:
            self._around.force(size)


class Storage:
    """All spools' room, in files of `folder`, which is made when the first is needed."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder = folder
        self._limits = limits
        self._memory = Room(limits.spool_gateway_bytes)
        self._disk = Room(limits.spool_gateway_disk_bytes)
        self._waiting: set[asyncio.Event] = set()

    @property
    def memory_used(self) -> int:
        return self._memory.used

    @property
    def disk_used(self) -> int:
        return self._disk.used

    def open(self) -> "Vault":
        """A session's part."""
        memory = Room(self._limits.spool_bytes, self._memory)
        disk = Room(self._limits.spool_disk_bytes, self._disk)
        return Vault(self._folder, memory, disk, self._waiting)


class Vault:
    """One session's part of the storage. `waiting` are woken whenever anybody in the gateway gives room back."""

    def __init__(self, folder: Path, memory: Room, disk: Room, waiting: set[asyncio.Event]) -> None:
        self.memory = memory
        self.disk = disk
        self._folder = folder
        self._waiting = waiting
        self._cipher = Cipher()

    def open_segment(self) -> Segment:
        """A new file; nothing is made before the first write."""
        return Segment(self._folder, self._cipher)

    def give(self, room: Room, size: int) -> None:
        """Gives back what a spool had taken of `memory` or `disk`."""
        room.force(-size)
        for event in self._waiting:
            event.set()

    async def wait(self, event: asyncio.Event) -> None:
        """Returns when room was given back, or when the event was set for another reason."""
        self._waiting.add(event)
        try:
            await event.wait()
        finally:
            self._waiting.discard(event)
            event.clear()
