"""Range reads on behalf of a guest that cannot open the host's files: exactly those of its running statement's scans.

A guest names a scan and a file's place in it, never a path. What lies outside such a file is refused; a guest that asks
for too much at once, or for what makes no sense, is left.
"""

import asyncio
import logging
import os
import stat
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import pyarrow as pa

from catalog.errors import MachineLost
from catalog.scans import DataFile, Scan
from compute.connection import Connection
from compute.transport import MOST_READS, READ_BYTES, Frame, FrameError, Kind

LARGEST_OFFSET = 1 << 62
READERS = ThreadPoolExecutor(4, "range-read")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Read:
    number: int
    scan: str
    file: int
    offset: int
    length: int


class RangeServer:
    """Answers the READs of one connection. `root` is the folder that its workspace's files lie below."""

    def __init__(self, connection: Connection, root: str) -> None:
        self._connection = connection
        self._root = root
        self._offered: Mapping[str, Sequence[DataFile]] = {}
        self._answering: set[asyncio.Task[None]] = set()
        connection.on_read = self._serve

    def offer(self, scans: Sequence[Scan]) -> Sequence[Scan]:
        """These files, and no others, may be read from now on. The scans as the guest gets them: without paths, unless
        its engine must find the files by them."""
        self._offered = {scan.digest: scan.files for scan in scans}
        return [scan if scan.by_path else _without_paths(scan) for scan in scans]

    def withdraw(self) -> None:
        """The statement is over: nothing may be read any more."""
        self._offered = {}

    def _serve(self, frame: Frame) -> None:
        """Raises FrameError on what no guest of ours would send."""
        wanted = _parse(frame)
        if len(self._answering) >= MOST_READS:
            raise FrameError("more reads under way than are allowed")
        task = asyncio.get_running_loop().create_task(self._answer(wanted))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, wanted: _Read) -> None:
        """Counts as under way until the guest has taken the bytes, so that what waits to be sent is bounded."""
        answer = Frame(Kind.DATA, control={"read": wanted.number})
        try:
            answer = replace(answer, body=pa.py_buffer(await self._read(wanted)))
        except OSError as error:
            log.info("a range read failed: %s", error)
            answer = replace(answer, control={"read": wanted.number, "refused": error.strerror or str(error)})
        with suppress(MachineLost):
            self._connection.send(answer)
            await self._connection.drain()

    async def _read(self, wanted: _Read) -> bytes:
        """Raises OSError, also for what was not offered."""
        files = self._offered.get(wanted.scan, ())
        if wanted.file >= len(files) or wanted.offset + wanted.length > files[wanted.file].size:
            raise PermissionError("not a part of the statement's files")
        path = files[wanted.file].path
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(READERS, read_range, self._root, path, wanted.offset, wanted.length)


def read_range(root: str, path: str, offset: int, length: int) -> bytes:
    """That part of a plain file below `root`. Raises OSError, also where the file is shorter."""
    with open(open_below(root, path), "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise PermissionError("not a plain file")
        content = os.pread(file.fileno(), length, offset)
    if len(content) < length:
        raise OSError("the file is shorter than its table says")
    return content


def open_below(root: str, path: str) -> int:
    """A descriptor to read `path`, reached from `root` without following any link: machines may write below it.

    Raises OSError.
    """
    try:
        *folders, name = PurePosixPath(path).relative_to(root).parts
    except ValueError as error:
        raise PermissionError("outside of the workspace's folder") from error
    if ".." in (*folders, name):
        raise PermissionError("a path that goes up")
    place = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for folder in folders:
            outer, place = (
                place,
                os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place),
            )
            os.close(outer)
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=place)
    finally:
        os.close(place)


def _parse(frame: Frame) -> _Read:
    """Raises FrameError."""
    control = frame.control
    try:
        numbers = [control[name] for name in ("read", "file", "offset", "length")]
        scan = control["scan"]
    except KeyError as error:
        raise FrameError("malformed read") from error
    whole = all(type(number) is int and 0 <= number < LARGEST_OFFSET for number in numbers)
    if not whole or not isinstance(scan, str) or frame.body is not None or not 0 < numbers[3] <= READ_BYTES:
        raise FrameError("malformed read")
    return _Read(numbers[0], scan, *numbers[1:])


def _without_paths(scan: Scan) -> Scan:
    return replace(scan, files=tuple(replace(file, path="") for file in scan.files))
