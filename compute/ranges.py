"""Range reads on behalf of a guest that cannot open the host's files: exactly those of its running statement's scans.

A guest names a scan and a file's place in it, never a path. What lies outside such a file is refused; a guest that asks
for too much at once, for what it is refused again and again, or for what makes no sense, is left. Files lie on this
host, or in an object store, whose credentials stay here: a guest with a network to it gets links to files.
"""

import asyncio
import logging
import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from catalog.beneath import open_below
from catalog.errors import MachineLost, SqlError
from catalog.locations import is_object
from catalog.scans import DataFile, Scan
from compute.connection import Connection
from compute.objects import LINK_SECONDS, ObjectReader, StoredTable, replaced_object
from compute.transport import MOST_READS, READ_BYTES, Frame, FrameError, Kind

LARGEST_OFFSET = 1 << 62
MOST_TAGS = 1 << 16
"""Objects of a lease whose tags are known: some 300 bytes each."""
MOST_REFUSALS = 100
"""Of a statement and of what comes after it: reads may be under way when it ends."""
_NOT_OFFERED = "not a part of the statement's files"
READERS = ThreadPoolExecutor(4, "range-read")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A link to a file; a part of it, where there is a `length`, and of the object with that `tag`, if it has one."""

    read: int
    scan: str
    file: int
    offset: int = 0
    length: int = 0
    tag: str | None = None


class RangeServer:
    """Answers the READs of one connection. `root` is the folder that its `workspace`'s files lie below, `objects` reads
    those in a store. A `remote` guest opens no file itself; one that is `linked` has a
    network to the store.

    `failure` is why a read of the running statement failed, where that is for the client to know: the guest is told
    nothing of stores.
    """

    def __init__(
        self,
        connection: Connection,
        workspace: str,
        root: str,
        objects: ObjectReader | None = None,
        *,
        remote: bool = True,
        linked: bool = False,
    ) -> None:
        self._connection = connection
        self._workspace = workspace
        self._root = root
        self._objects = objects
        self._remote = remote
        self._linked = linked
        self._offered: Mapping[str, Scan] = {}
        self._tags: OrderedDict[str, str] = OrderedDict()
        self.failure: SqlError | None = None
        self._refusals = 0
        self._answering: set[asyncio.Task[None]] = set()
        connection.on_read = self._serve

    def offer(self, scans: Sequence[Scan]) -> Sequence[Scan]:
        """These files, and no others, may be read from now on. The scans as the guest gets them: without the paths of
        what it cannot open, unless its engine must find the files by them."""
        self.failure = None
        self._refusals = 0
        self._offered = {scan.digest: scan for scan in scans if self._remote or is_object(scan.location)}
        hidden = [scan.digest in self._offered and not scan.by_path for scan in scans]
        return [_without_paths(scan) if hides else scan for scan, hides in zip(scans, hidden, strict=True)]

    def withdraw(self) -> None:
        """The statement is over: nothing may be read any more."""
        self._offered = {}

    def _serve(self, frame: Frame) -> None:
        """Raises FrameError on what no guest of ours would send."""
        wanted = _parse(frame)
        if not wanted.length and not self._linked:
            raise FrameError("it has no network")
        if len(self._answering) >= MOST_READS:
            raise FrameError("more reads under way than are allowed")
        if self._refusals >= MOST_REFUSALS:
            raise FrameError("more reads that are refused than are allowed")
        task = asyncio.get_running_loop().create_task(self._answer(wanted))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, wanted: _Wanted) -> None:
        """Counts as under way until the guest has taken the bytes, so that what waits to be sent is bounded."""
        answer = Frame(Kind.DATA, control={"read": wanted.read})
        try:
            scan, file = self._find(wanted)
            if wanted.length:
                answer = replace(answer, body=await self._read(scan, file, wanted))
            else:
                answer = replace(answer, control={**answer.control, **await self._link(scan, file)})
        except (OSError, SqlError) as error:
            if not self._refusals:
                log.info("a range read failed: %s", error)
            self._refusals += 1
            answer = replace(answer, control={"read": wanted.read, "refused": self._refusal(error)})
        except Exception:
            log.exception("a range read failed unexpectedly: its guest is left")
            self._connection.abort()
            return
        with suppress(MachineLost):
            self._connection.send(answer)
            await self._connection.drain()

    def _refusal(self, error: OSError | SqlError) -> str:
        if isinstance(error, OSError):
            return error.strerror or str(error)
        self.failure = self.failure or error
        return error.message

    def _find(self, wanted: _Wanted) -> tuple[Scan, DataFile]:
        """Raises PermissionError for what was not offered."""
        scan = self._offered.get(wanted.scan)
        if scan is None or wanted.file >= len(scan.files):
            raise PermissionError(_NOT_OFFERED)
        file = scan.files[wanted.file]
        if wanted.offset + wanted.length > file.size:
            raise PermissionError(_NOT_OFFERED)
        return scan, file

    async def _link(self, scan: Scan, file: DataFile) -> Mapping[str, Any]:
        """Raises OSError, SqlError."""
        if self._objects is None or not is_object(file.path):
            raise PermissionError("not in the object store")
        url = await self._objects.link(StoredTable(self._workspace, scan.location), file.path)
        return {"url": url, "seconds": LINK_SECONDS // 2, "tag": self._tags.get(file.path)}

    async def _read(self, scan: Scan, file: DataFile, wanted: _Wanted) -> pa.Buffer:
        """Raises OSError, and SqlError for what a store has against it."""
        if is_object(file.path):
            if self._linked and file.path not in self._tags:
                log.info("an object is read for a machine that could not read it itself")
            part = range(wanted.offset, wanted.offset + wanted.length)
            return await self._read_object(scan.location, file, part, wanted.tag)
        loop = asyncio.get_running_loop()
        content = loop.run_in_executor(READERS, read_range, self._root, file.path, wanted.offset, wanted.length)
        return pa.py_buffer(await content)

    async def _read_object(self, location: str, file: DataFile, part: range, seen: str | None) -> pa.Buffer:
        """A path stays the same object for the whole lease, as long as its engine keeps what it has read: the one that
        was `seen` there, if any was."""
        if self._objects is None:
            raise PermissionError("there is no object store")
        known = self._tags.get(file.path, seen)
        if seen not in (None, known):
            raise replaced_object()
        table = StoredTable(self._workspace, location)
        content, tag = await self._objects.read(table, file.path, file.size, part, known)
        if self._tags.setdefault(file.path, tag) != tag:
            raise replaced_object()
        if len(self._tags) > MOST_TAGS:
            self._tags.popitem(last=False)
        return content


def read_range(root: str, path: str, offset: int, length: int) -> bytes:
    """That part of a plain file below `root`, by no link. Raises OSError, also where the file is shorter."""
    with open(open_below(root, path), "rb", buffering=0) as file:
        content = os.pread(file.fileno(), length, offset)
    if len(content) < length:
        raise OSError("the file is shorter than its table says")
    return content


def _parse(frame: Frame) -> _Wanted:
    """Raises FrameError."""
    control, is_read = frame.control, frame.kind is Kind.READ
    names = ("read", "file", "offset", "length") if is_read else ("read", "file")
    try:
        numbers = {name: control[name] for name in names}
        scan, tag = control["scan"], control.get("tag")
    except KeyError as error:
        raise FrameError("malformed read") from error
    whole = all(type(number) is int and 0 <= number < LARGEST_OFFSET for number in numbers.values())
    if not whole or not isinstance(scan, str) or not isinstance(tag, str | None) or frame.body is not None:
        raise FrameError("malformed read")
    if is_read and not 0 < numbers["length"] <= READ_BYTES:
        raise FrameError("malformed read")
    return _Wanted(scan=scan, tag=tag, **numbers)


def _without_paths(scan: Scan) -> Scan:
    return replace(scan, files=tuple(replace(file, path="") for file in scan.files))
