"""A conversation's reads of files that only the host can open: asked for by scan and number, never by path.

Those are the files that come without one. With a network to the object store, the host is only asked for a link to what
lies there; what the store does not give by it the host reads after all, and knows why.
"""

import hashlib
import itertools
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from http.client import HTTPException
from threading import BoundedSemaphore, Lock
from typing import Any

import pyarrow as pa

from catalog.locations import is_object
from catalog.scans import Scan
from compute.guest.channel import Channel
from compute.guest.objects import StoreReader
from compute.guest.tree import Tree, TreeFile
from compute.transport import MOST_READS, READ_BYTES, Frame, Kind

AHEAD = 3
"""Pieces of one read that are under way at once."""
_STOPPED = "the statement that read it has ended"


@dataclass(frozen=True, slots=True)
class _Link:
    """`until` is by the monotonic clock."""

    url: str
    until: float

    @property
    def object(self) -> str:
        """Which it leads to: what is signed changes."""
        return self.url.partition("?")[0]


class RemoteFiles:
    """READs go out from whichever thread needs one; DATA comes in on the thread that hears.

    At most `MOST_READS` are under way: the host leaves a guest that asks for more. `store` reads by links.
    """

    def __init__(self, channel: Channel, origin: str, store: StoreReader | None = None) -> None:
        self._channel = channel
        self._origin = origin
        self._store = store
        self._links: dict[tuple[str, int], _Link] = {}
        self._tags: dict[str, str] = {}
        self._failed = False
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Future[Frame]] = {}
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
        self._links.clear()
        self._stopped = self._failed = False
        if self._store is not None:
            self._store.resume()
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
        content = self._read_linked(scan, file, range(start, end))
        if content is not None:
            yield content
            return
        ahead: deque[Future[Frame]] = deque()
        for offset in range(start, end, READ_BYTES):
            ahead.append(self._ask_bytes(scan, file, offset, min(READ_BYTES, end - offset)))
            if len(ahead) == AHEAD:
                yield _content(ahead.popleft().result())
        while ahead:
            yield _content(ahead.popleft().result())

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
                future.set_result(frame)

    def stop(self) -> None:
        """No read of what was offered succeeds any more: an engine that is to end does not wait for one."""
        with self._lock:
            self._stopped = True
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(OSError(_STOPPED))
        if self._store is not None:
            self._store.stop()

    def close(self) -> None:
        """Once nobody reads any more."""
        if self._store is not None:
            self._store.close()

    def _located(self, scan: Scan) -> Scan:
        origin = f"{self._origin}{_name(scan)}"
        files = (
            file if file.path else replace(file, path=f"{origin}/{number}") for number, file in enumerate(scan.files)
        )
        return replace(scan, files=tuple(files))

    def _read_linked(self, scan: str, file: int, part: range) -> pa.Buffer | None:
        """From the store. None where the host has to be asked: also once the store failed the running statement."""
        offered = self._offered.get(scan)
        if self._store is None or offered is None or self._failed or not part or not is_object(offered.location):
            return None
        try:
            link = self._link(scan, file)
            content, tag = self._store.read(link.url, part, offered.files[file].size)
        except (OSError, HTTPException, ValueError):
            self._failed = True
            return None
        return content if self._tags.setdefault(link.object, tag) == tag else None

    def _link(self, scan: str, file: int) -> _Link:
        """Raises OSError."""
        known, now = self._links.get((scan, file)), time.monotonic()
        if known is not None and now < known.until:
            return known
        told = self._ask(Kind.LINK, scan, {"file": file}).result().control
        link = self._links[scan, file] = _Link(told["url"], now + told["seconds"])
        if told["tag"] is not None:
            self._tags.setdefault(link.object, told["tag"])
        return link

    def _ask_bytes(self, scan: str, file: int, offset: int, length: int) -> "Future[Frame]":
        """Of the object that was seen there, if any was."""
        link = self._links.get((scan, file))
        tag = None if link is None else self._tags.get(link.object)
        return self._ask(Kind.READ, scan, {"file": file, "offset": offset, "length": length, "tag": tag})

    def _ask(self, kind: Kind, scan: str, wanted: Mapping[str, Any]) -> "Future[Frame]":
        """Raises OSError."""
        self._free.acquire()
        future: Future[Frame] = Future()
        number = next(self._numbers)
        with self._lock:
            if self._stopped or scan not in self._offered:
                self._free.release()
                raise OSError(_STOPPED)
            self._waiting[number] = future
            digest = self._offered[scan].digest
        self._channel.send(Frame(kind, control={"read": number, "scan": digest, **wanted}))
        return future


def _content(frame: Frame) -> pa.Buffer:
    return frame.body if frame.body is not None else pa.py_buffer(b"")


def _name(scan: Scan) -> str:
    """A digest may hold any character; a URL may not."""
    return hashlib.sha256(scan.digest.encode()).hexdigest()[:32]
