"""The files of a Delta log on a local disk, which machines may write: plain files only, by no link below a root that
they cannot move. Blocking.

References: Delta protocol, section "Delta Log Entries"; inode(7).
"""

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from catalog.beneath import StrPath, by_descriptor, open_below, walk

LOG = "_delta_log"
MOST_COMMIT_BYTES = 256 << 20
"""Of one commit, which is read line by line."""
LONGEST_LINE = 16 << 20
"""Bytes of one action, also of the columns of a table."""
_COMMIT = re.compile(r"([0-9]{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint(?:\.\d{10}\.(\d{10}))?\.parquet")
MEND = "Restore the files, or drop the table."


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

    def list_files(self) -> Sequence[str]:
        """All in it and its folders, by their paths in it. PermissionError tells of what is neither file nor folder."""
        with walk(self.root, self.path) as place:
            return list(_list_files(by_descriptor(place)))

    def open_file(self, name: str) -> BinaryIO:
        return open(open_below(self.root, self.path / name), "rb")

    def read_actions(self, name: str) -> Iterator[Any]:
        """What a commit's lines say, one after the other. Raises ValueError, too."""
        left = MOST_COMMIT_BYTES
        with self.open_file(name) as file:
            while line := file.readline(LONGEST_LINE + 1):
                left -= len(line)
                if len(line) > LONGEST_LINE or left < 0:
                    most = MOST_COMMIT_BYTES if left < 0 else LONGEST_LINE
                    raise ValueError(f"{name} has more than {most} bytes{'' if left < 0 else ' in a line'}")
                if not line.isspace():
                    yield json.loads(line)


def commit_name(version: int) -> str:
    """What a version's commit is called in its log."""
    return f"{version:020}.json"


def version_of(name: str) -> int:
    """-1 for what is no commit."""
    found = _COMMIT.fullmatch(name)
    return int(found[1]) if found else -1


def is_classic(name: str) -> bool:
    """Whether it is a checkpoint, or a part of one, by whose name is known all that belongs to it."""
    return _CHECKPOINT.fullmatch(name) is not None


def find_checkpoint(names: Iterable[str], version: int) -> tuple[int, Sequence[str]] | None:
    """The newest whole classic checkpoint up to `version`, with its files' names."""
    parts = defaultdict[tuple[int, int], list[str]](list)
    for name in names:
        if found := _CHECKPOINT.fullmatch(name):
            parts[int(found[1]), int(found[2] or 1)].append(name)
    whole = [(at, sorted(names)) for (at, count), names in parts.items() if at <= version and len(names) == count]
    return max(whole, default=None)


def _list_files(log: Path) -> Iterator[str]:
    folders = [log]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                elif entry.is_file(follow_symlinks=False):
                    yield os.path.relpath(entry.path, log)
                else:
                    raise PermissionError(f"{entry.name!r} in it is {'a link' if entry.is_symlink() else 'no file'}")
