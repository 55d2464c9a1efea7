"""The spool: record batches between the machine that makes them and the client that reads them.

Rows are read by number, in any direction as far as they are kept. Batches beyond the session's share of memory go to
encrypted files, so that a machine is free while a slow client reads. When the disk's share is used up as well `put`
waits, and that wait is the engine's back-pressure, because nobody then pulls the machine's answer. One batch is always
taken while the reader has nothing left to read.
"""

import asyncio
from bisect import bisect_right
from dataclasses import dataclass
from enum import Enum, auto
from operator import attrgetter

import pyarrow as pa

from catalog.errors import DiskFull, ObjectNotInPrerequisiteState
from gateway.segment import Place, Segment
from gateway.storage import Vault
from planner.plan import ALL_ROWS

_SEGMENT_BYTES = 256 << 20
_LEAST_BYTES = 1024
"""What a batch counts at least, for the note of where it is."""
_FULL = "the rows of this result do not fit into the spool"
_FULL_HINT = "Close other cursors, read it by a NO SCROLL cursor WITHOUT HOLD, or select fewer rows."
_FORWARD = "cursor can only scan forward"
_FORWARD_HINT = "Declare it with SCROLL option to enable backward scan."


def only_forward() -> ObjectNotInPrerequisiteState:
    """What PostgreSQL says to a move backwards that the cursor does not do."""
    return ObjectNotInPrerequisiteState(_FORWARD, hint=_FORWARD_HINT)


class Retention(Enum):
    """What becomes of rows that were read: gone at once, kept while nothing else needs the room, or kept."""

    NONE = auto()
    SPARE = auto()
    ALL = auto()

    @classmethod
    def by_scroll(cls, scroll: bool | None) -> "Retention":
        """What a cursor's option to scroll asks for; None says neither SCROLL nor NO SCROLL."""
        return {True: cls.ALL, None: cls.SPARE, False: cls.NONE}[scroll]


@dataclass(slots=True)
class _Frame:
    """A batch from row `first` up to row `end`: itself, or its place in a segment. `size` is what it takes of room."""

    first: int
    end: int
    size: int
    batch: pa.RecordBatch | None = None
    segment: "_Open | None" = None
    place: Place | None = None


@dataclass(slots=True)
class _Open:
    """A segment with what it takes of the disk's room, and how many of its frames are needed or being written."""

    segment: Segment
    size: int = 0
    frames: int = 0


class Spool:
    """One result's rows, counted from 0. One writer, one reader. What it holds it gives back by `close`."""

    def __init__(self, vault: Vault, retention: Retention = Retention.NONE) -> None:
        self.rows = 0
        self._vault = vault
        self._retention = retention
        self._frames: list[_Frame] = []
        self._writing: _Open | None = None
        self._loaded: tuple[int, pa.RecordBatch] | None = None
        self._wanted = 0
        self._awaited = -1
        self._finished = False
        self._error: BaseException | None = None
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()

    @property
    def holds(self) -> bool:
        """Whether there is anything to give back."""
        return bool(self._frames)

    async def put(self, batch: pa.RecordBatch) -> None:
        """Adds a batch; waits first while there is no room. Raises DiskFull where waiting could never end."""
        if not batch.num_rows:
            return
        size = max(batch.get_total_buffer_size(), _LEAST_BYTES)
        while (room := self._find_room(size)) is None:
            await self._vault.wait(self._writable)
        frame = _Frame(self.rows, self.rows + batch.num_rows, size)
        if room is self._vault.memory:
            frame.batch = batch
        else:
            await self._write(frame, batch)
        self._frames.append(frame)
        self.rows = frame.end
        self._readable.set()

    def finish(self, error: BaseException | None = None) -> None:
        """No batch follows. The reader gets what is held, then `error` if there is one."""
        self._finished = True
        self._error = error
        self._readable.set()

    async def read(self, row: int) -> pa.RecordBatch | None:
        """Rows from `row` on, to the end of its batch; None past the last. Those before are passed over.

        Raises the error with which the writer finished, 55000 for a row that is kept no more.
        """
        self._pass_over(row)
        while row >= self.rows and not self._finished:
            await self._wait(row)
            self._pass_over(row)
        if row < self.rows:
            frame = self._frame(row)
            return (await self._load(frame)).slice(row - frame.first)
        if self._error is not None:
            raise self._error
        return None

    async def read_back(self, row: int) -> pa.RecordBatch:
        """Rows up to `row`, which was there, from the start of its batch. Raises 55000 if they are kept no more."""
        frame = self._frame(row)
        return (await self._load(frame)).slice(0, row - frame.first + 1)

    async def complete(self) -> int:
        """The number of rows, once all are here. Raises the error with which the writer finished."""
        while not self._finished:
            await self._wait(ALL_ROWS)
        if self._error is not None:
            raise self._error
        return self.rows

    def close(self) -> None:
        """Drops all rows. The writer must have ended."""
        self._drop(len(self._frames))
        self._loaded = None

    async def _wait(self, row: int) -> None:
        """For more rows; a writer without room is told that nothing will be read before `row` is there."""
        self._awaited = row
        self._writable.set()
        try:
            self._readable.clear()
            await self._readable.wait()
        finally:
            self._awaited = -1

    def _find_room(self, size: int) -> object | None:
        """Of the vault's rooms the one where `size` bytes have been taken. None: wait."""
        vault = self._vault
        while True:
            for room in (vault.memory, vault.disk):
                if room.take(size):
                    return room
            if self._retention is Retention.ALL or not self._drop_read():
                break
        if self._retention is not Retention.ALL and self._wanted >= self.rows:
            vault.memory.force(size)
            return vault.memory
        if self._awaited >= self.rows:
            raise DiskFull(_FULL, hint=_FULL_HINT)
        return None

    def _pass_over(self, row: int) -> None:
        self._wanted = max(self._wanted, row)
        if self._retention is Retention.NONE:
            self._drop_read()

    def _drop_read(self) -> bool:
        """Drops the batches that have been read whole; whether there were any."""
        count = bisect_right(self._frames, self._wanted, key=attrgetter("end"))
        self._drop(count)
        return count > 0

    def _drop(self, count: int) -> None:
        for frame in self._frames[:count]:
            if frame.segment is None:
                self._vault.give(self._vault.memory, frame.size)
            else:
                self._leave(frame.segment)
        del self._frames[:count]

    def _leave(self, opened: _Open) -> None:
        """One frame less needs the segment; with the last one it goes."""
        opened.frames -= 1
        if not opened.frames:
            self._vault.give(self._vault.disk, opened.size)
            if self._writing is opened:
                self._writing = None

    async def _write(self, frame: _Frame, batch: pa.RecordBatch) -> None:
        """Into a segment; what was taken of the disk's room is put right when the size is known."""
        if self._writing is None or self._writing.size > _SEGMENT_BYTES:
            self._writing = _Open(self._vault.open_segment())
        opened = self._writing
        opened.frames += 1
        opened.size += frame.size
        try:
            frame.place = await asyncio.to_thread(opened.segment.append, batch)
        except OSError as error:
            self._leave(opened)
            raise DiskFull(f"could not write to the spool: {error.strerror}", hint=_FULL_HINT) from error
        except BaseException:
            self._leave(opened)
            raise
        frame.segment = opened
        opened.size += frame.place.size - frame.size
        self._vault.disk.force(frame.place.size - frame.size)

    def _frame(self, row: int) -> _Frame:
        at = bisect_right(self._frames, row, key=attrgetter("end"))
        if at == len(self._frames) or row < self._frames[at].first:
            raise only_forward()
        return self._frames[at]

    async def _load(self, frame: _Frame) -> pa.RecordBatch:
        """A frame's batch; that of the last one read from disk is remembered."""
        if frame.segment is None:
            return frame.batch
        if self._loaded is None or self._loaded[0] != frame.first:
            assert frame.place is not None
            self._loaded = frame.first, await asyncio.to_thread(frame.segment.segment.read, frame.place)
        return self._loaded[1]
