"""The files of a Delta log on a local disk, which machines may write: plain files only, by no link below a root that
they cannot move. Blocking.

References: Delta protocol, section "Delta Log Entries"; inode(7).
"""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from catalog.beneath import StrPath, by_descriptor, open_below, walk
from catalog.errors import UnreadableTable
from catalog.names import TableName

LOG = "_delta_log"
MOST_COMMIT_BYTES = 256 << 20
"""Of one commit, which is read whole."""
MEND = "Restore the files, or drop the table."


class LogFile(NamedTuple):
    """A file as it was seen; its `name` is its path in the log. `changed` is a time that only the kernel sets."""

    name: str
    size: int
    inode: int
    changed: int


@dataclass(frozen=True, slots=True)
class LocalLog:
    """The log of the table at `location`, to which no link is followed from the folder `root` on. Its methods raise
    OSError."""

    root: StrPath
    location: StrPath

    @property
    def path(self) -> Path:
        return Path(self.location, LOG)

    def list_names(self) -> Sequence[str]:
        with walk(self.root, self.path) as place:
            return os.listdir(by_descriptor(place))

    def list_files(self) -> Sequence[LogFile]:
        """All in it and its folders. PermissionError tells of what is neither file nor folder."""
        with walk(self.root, self.path) as place:
            return list(_list_files(by_descriptor(place)))

    def open_file(self, name: str) -> BinaryIO:
        return open(open_below(self.root, self.path / name), "rb")

    def read_actions(self, name: str) -> Sequence[Any]:
        """What a commit's lines say. Raises ValueError, too."""
        with self.open_file(name) as file:
            content = file.read(MOST_COMMIT_BYTES + 1)
        if len(content) > MOST_COMMIT_BYTES:
            raise ValueError(f"{name} has more than {MOST_COMMIT_BYTES} bytes")
        return [json.loads(line) for line in content.splitlines() if not line.isspace()]


def require_plain(name: TableName, log: LocalLog) -> Sequence[LogFile]:
    """Before a library opens a table's log by its path: one that waits at a pipe would wait for ever, and one that
    follows a link would read another's. Returns its files; raises UnreadableTable.

    What becomes of the log between this look and the library's own is not seen. Who can swap it just then learns the
    names and statistics of files, not their rows: those are read by descriptors, or by the machine itself. A file that
    `catalog.rehearsal` has found harmless, and that is swapped before the library's own read, takes what memory it
    likes: only the gateway's own bounds hold there.
    """
    try:
        return log.list_files()
    except FileNotFoundError as error:
        raise UnreadableTable(f"the Delta log of table {name} is missing", hint=MEND) from error
    except OSError as error:
        told = "it is, or lies below, a link" if isinstance(error, NotADirectoryError) else error.strerror or str(error)
        raise UnreadableTable(f"the Delta log of table {name} cannot be read", detail=told, hint=MEND) from error


def _list_files(log: Path) -> Iterator[LogFile]:
    folders = [log]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                elif entry.is_file(follow_symlinks=False):
                    seen = entry.stat(follow_symlinks=False)
                    name = os.path.relpath(entry.path, log)
                    yield LogFile(name, seen.st_size, seen.st_ino, seen.st_ctime_ns)
                else:
                    raise PermissionError(f"{entry.name!r} in it is {'a link' if entry.is_symlink() else 'no file'}")
