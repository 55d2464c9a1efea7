"""A conversation's reads of files that only the host can open: asked for by scan and number, never by path.

Those are the files that come without one.
"""

import hashlib
import itertools
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from threading import BoundedSemaphore, Lock

import pyarrow as pa

from catalog.scans import Scan
from compute.guest.channel import Channel
from compute.guest.tree import Tree, TreeFile
from compute.transport import MOST_READS, READ_BYTES, Frame, Kind

AHEAD = 3
"""Pieces of one read that are under way at once."""
_STOPPED = "the statement that read it has ended"


class RemoteFiles:
    """READs go out from whichever thread needs one; DATA comes in on the thread that hears.

    At most `MOST_READS` are under way: the host leaves a guest that asks for more.
    """

    def __init__(self, channel: Channel, origin: str) -> None:
        self._channel = channel
        self._origin = origin
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Future[pa.Buffer]] = {}
        self._lock = Lock()
        self._free = BoundedSemaphore(MOST_READS)
        self._offered: dict[str, Scan] = {}
        self._trees: dict[str, Tree] = {}
        self._stopped = False

    def offer(self, scans: Sequence[Scan]) -> Sequence[Scan]:
        """The scans with a name where a file has no path, those aside that an engine reads by path. These files, and no
        others, may be asked for from now on."""
        self._offered = {_name(scan): scan for scan in scans}
        trees = {name: scan for name, scan in self._offered.items() if scan.by_path}
        self._trees = {name: self._trees.get(name) or Tree(scan.files) for name, scan in trees.items()}
        self._stopped = False
        return [scan if scan.by_path else self._located(scan) for scan in scans]

    def find(self, path: str) -> tuple[str, TreeFile] | None:
        """A file that was offered by its path: the scan that it is of, and its place there."""
        for scan, tree in list(self._trees.items()):
            if (file := tree.find(path)) is not None:
                return scan, file
        return None

    def children(self, folder: str) -> Mapping[str, TreeFile | None] | None:
        """What of such files and folders lies in a folder; None where there is no such folder."""
        found = [children for tree in list(self._trees.values()) if (children := tree.children(folder)) is not None]
        return {name: file for children in found for name, file in children.items()} if found else None

    def size(self, scan: str, file: int) -> int | None:
        """Bytes of a file that was offered, else None."""
        offered = self._offered.get(scan)
        return offered.files[file].size if offered is not None and file < len(offered.files) else None

    def read(self, scan: str, file: int, start: int, end: int) -> Iterator[pa.Buffer]:
        """The bytes from `start` up to `end`, piece by piece. Raises OSError, also once the pool has gone."""
        ahead: deque[Future[pa.Buffer]] = deque()
        for offset in range(start, end, READ_BYTES):
            ahead.append(self._ask(scan, file, offset, min(READ_BYTES, end - offset)))
            if len(ahead) == AHEAD:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()

    def deliver(self, frame: Frame) -> None:
        """Hands DATA to who waits for it."""
        with self._lock:
            future = self._waiting.pop(int(frame.control.get("read", 0)), None)
            if future is None:
                return
            self._free.release()
            if future.done():
                return
            if refusal := frame.control.get("refused"):
                future.set_exception(OSError(str(refusal)))
            else:
                future.set_result(frame.body if frame.body is not None else pa.py_buffer(b""))

    def stop(self) -> None:
        """No read of what was offered succeeds any more: an engine that is to end does not wait for one."""
        with self._lock:
            self._stopped = True
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(OSError(_STOPPED))

    def _located(self, scan: Scan) -> Scan:
        origin = f"{self._origin}{_name(scan)}"
        files = (
            file if file.path else replace(file, path=f"{origin}/{number}") for number, file in enumerate(scan.files)
        )
        return replace(scan, files=tuple(files))

    def _ask(self, scan: str, file: int, offset: int, length: int) -> "Future[pa.Buffer]":
        self._free.acquire()
        future: Future[pa.Buffer] = Future()
        number = next(self._numbers)
        with self._lock:
            if self._stopped or scan not in self._offered:
                self._free.release()
                raise OSError(_STOPPED)
            self._waiting[number] = future
            digest = self._offered[scan].digest
        control = {"read": number, "scan": digest, "file": file, "offset": offset, "length": length}
        self._channel.send(Frame(Kind.READ, control=control))
        return future


def _name(scan: Scan) -> str:
    """A digest may hold any character; a URL may not."""
    return hashlib.sha256(scan.digest.encode()).hexdigest()[:32]
