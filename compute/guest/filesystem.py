"""The file system from which an engine reads what only the host can open: names instead of paths, read-only.

An engine opens ``channel://<conversation>/<scan>/<file>``; sizes are known from the scan, bytes come over the
conversation's channel, or from the object store where the machine has a network to it (`reads`). Without one no socket
is involved, so a machine needs none.

Reference: fsspec's ``AbstractFileSystem``, of which this has what DuckDB calls.
"""

import io
import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from fsspec import AbstractFileSystem

from compute.guest.channel import Channel
from compute.guest.objects import StoreReader
from compute.guest.reads import RemoteFiles

PROTOCOL = "channel"
ORIGIN = f"{PROTOCOL}://"
"""What the name of each file begins with."""
_NAME = re.compile(rf"(?:{ORIGIN})?(?P<conversation>\d{{1,9}})/(?P<scan>[0-9a-f]{{32}})/(?P<file>\d{{1,9}})")
_EVER = datetime(2000, 1, 1, tzinfo=UTC)
"""What a name stands for never changes."""


class ChannelFiles(AbstractFileSystem):  # type: ignore[misc]
    """One for an engine, and good for its forks. Nobody else's files have names here."""

    protocol = PROTOCOL
    cachable = False

    def __init__(self) -> None:
        super().__init__()
        self._numbers = itertools.count(1)
        self._files: dict[int, RemoteFiles] = {}

    @contextmanager
    def serving(self, channel: Channel, store: StoreReader | None = None) -> Iterator[RemoteFiles]:
        """The files of a conversation, which have names as long as the context lasts."""
        number = next(self._numbers)
        files = self._files[number] = RemoteFiles(channel, f"{ORIGIN}{number}/", store)
        try:
            yield files
        finally:
            del self._files[number]
            files.close()

    def open(self, path: str, mode: str = "rb", **_options: object) -> "RemoteFile":
        """Raises OSError for what has no name, and for writing."""
        if mode != "rb":
            raise PermissionError("files of the host are only read")
        named, files = self._find(path)
        return RemoteFile(files, named["scan"], int(named["file"]), self.size(path))

    def size(self, path: str) -> int:
        """In bytes. Raises FileNotFoundError."""
        named, files = self._find(path)
        size = files.size(named["scan"], int(named["file"]))
        if size is None:
            raise FileNotFoundError("no file of the running statement")
        return size

    def modified(self, path: str) -> datetime:
        return _EVER

    def exists(self, path: str, **_options: object) -> bool:
        try:
            return self.size(path) >= 0
        except FileNotFoundError:
            return False

    def glob(self, path: str, **_options: object) -> list[str]:
        """Names have no patterns."""
        return [path]

    def _find(self, path: str) -> tuple[re.Match[str], RemoteFiles]:
        named = _NAME.fullmatch(path)
        files = self._files.get(int(named["conversation"])) if named else None
        if named is None or files is None:
            raise FileNotFoundError("no file of the running statement")
        return named, files


class RemoteFile(io.RawIOBase):
    """One file at a place of its own. An engine that reads with several threads opens it several times."""

    def __init__(self, files: RemoteFiles, scan: str, file: int, size: int) -> None:
        super().__init__()
        self._files = files
        self._named = scan, file
        self._size = size
        self._place = 0

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        return self._place

    def tell(self) -> int:
        return self._place

    def read(self, size: int = -1) -> bytes:
        """Raises OSError, also once the pool has gone."""
        end = self._size if size < 0 else min(self._size, self._place + size)
        content = b"".join(self._files.read(*self._named, self._place, end))
        self._place += len(content)
        return content
