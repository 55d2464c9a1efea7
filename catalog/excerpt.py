"""A private copy of what a read of a local log takes: machines write the log, and could put another file in a place
between a look at it, or a rehearsal of its read, and the read. Blocking.

It lasts as long as the read, and costs a copy of the newest checkpoint and of the commits behind it, or of the new
commits alone. Logs whose checkpoints come in newer forms, of which a name does not say all that belongs to them, are
copied with all of their checkpoints.
"""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from catalog.logfiles import LocalLog, find_checkpoint, is_classic, version_of

MOST_BYTES = 4 << 30
"""Of one excerpt."""
MOST_VERSION = 10**20 - 1
_CHUNK = 1 << 20


class Piece(NamedTuple):
    """A file of an excerpt, by its path in the log and its content's hash."""

    name: str
    size: int
    digest: bytes

    @property
    def is_checkpoint(self) -> bool:
        """Whether it says of any number of bytes that they are there, in few."""
        return version_of(self.name) < 0


@dataclass(frozen=True, slots=True)
class Excerpt:
    """`log` is as the library finds it."""

    log: LocalLog
    pieces: Sequence[Piece]

    @property
    def size(self) -> int:
        return sum(piece.size for piece in self.pieces)

    def reword(self, text: str) -> str:
        """A library's words without where the excerpt lies, which is nobody's business and soon gone."""
        return text.replace(str(self.log.location), "")


@contextmanager
def read_excerpt(log: LocalLog, version: int | None = None) -> Iterator[Excerpt]:
    """Of the log at `version`, or as it is now. Raises OSError, PermissionError among them for a log with what is
    neither file nor folder; a version that is not there only misses its commit."""
    with tempfile.TemporaryDirectory(prefix="lakegate-log-") as folder:
        yield _copy(log, _select(log.list_files(), version), folder)


@contextmanager
def read_news(log: LocalLog, seen: int, folder: str) -> Iterator[Excerpt]:
    """Of the commits after the version `seen`, in the folder of an earlier excerpt, which is not there any more. Raises
    OSError."""
    os.mkdir(folder, mode=0o700)
    try:
        yield _copy(log, [name for name in log.list_files() if version_of(name) > seen], folder)
    finally:
        shutil.rmtree(folder)


def _select(names: Sequence[str], version: int | None) -> Sequence[str]:
    last = max(map(version_of, names), default=-1) if version is None else version
    commits = [name for name in names if 0 <= version_of(name) <= last]
    checkpoints = [name for name in names if ".checkpoint." in name or os.sep in name]
    if not all(map(is_classic, checkpoints)):
        return [*checkpoints, *commits]
    at, parts = find_checkpoint(checkpoints, MOST_VERSION if version is None else version) or (-1, ())
    return [*parts, *(name for name in commits if version_of(name) > at)]


def _copy(log: LocalLog, names: Sequence[str], folder: str) -> Excerpt:
    """What has vanished meanwhile the reader misses, if he needs it. Raises OSError."""
    copies, pieces, left = LocalLog(folder, folder), list[Piece](), MOST_BYTES
    copies.path.mkdir()
    for name in names:
        with suppress(FileNotFoundError), log.open_file(name) as source:
            target = copies.path / name
            target.parent.mkdir(exist_ok=True, parents=True)
            with target.open("xb") as copy:
                pieces.append(Piece(name, *_copy_content(source, copy, left)))
            left -= pieces[-1].size
    return Excerpt(copies, pieces)


def _copy_content(source: BinaryIO, copy: BinaryIO, most: int) -> tuple[int, bytes]:
    """How many bytes it has, and their hash. Raises OSError, EFBIG beyond `most`."""
    size, digest = 0, hashlib.sha256()
    while chunk := source.read(_CHUNK):
        size += len(chunk)
        if size > most:
            raise OSError(errno.EFBIG, f"it has more than {MOST_BYTES} bytes beside what newer checkpoints replace")
        digest.update(chunk)
        copy.write(chunk)
    return size, digest.digest()
