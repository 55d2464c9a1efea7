"""Where a block's files land: the names that they get in the table's folder beside those that they have. Blocking.

Machines write below the workspace's folder, the block's and the table's with it, and may have put a link or a pipe
where a file or a folder was. So all is reached from the workspace's folder by descriptors, and no link is followed
(`catalog.beneath`). A table elsewhere was registered by an admin, whose the folders above are: it is reached from its
own.
"""

import json
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import unquote

from catalog.beneath import DESCRIPTORS, by_descriptor, open_below, reach, walk
from catalog.locations import BLOCKS, is_below
from catalog.logfiles import LONGEST_LINE, LocalLog, commit_name
from catalog.replay import MOST_FILES, newest_version

_COMMIT = "commit.json"
_TARGET = "table.json"
"""In a block's folder: its commit, and the table's folder with the version that the commit is tried as."""
_UNFINISHED = ".unfinished"
_LONGEST_TARGET = 1 << 16
_MOST_ACTIONS = 2 * MOST_FILES + 3
"""Of a commit: each file taken away and another added, and what says the rest."""


class Landing:
    """From a block's folder, which lies in one of its workspace's, to the table's at `location`. Its methods raise
    OSError."""

    def __init__(self, folder: Path, location: str) -> None:
        self.folder = folder
        workspace = str(self.folder.parent.parent)
        self.location = os.path.join(workspace, location)
        self.is_within = is_below(self.location, workspace)
        """Whether the table lies where machines write."""
        self._log = LocalLog(workspace if self.is_within else self.location, self.location)

    def note(self, version: int) -> None:
        """Before the commit is tried as that."""
        location = os.path.relpath(self.location, self._log.root) if self.is_within else self.location
        self._write(_TARGET, [json.dumps({"location": location, "version": version})])

    def write_commit(self, lines: Iterable[str]) -> None:
        """Before any of its files gets a name."""
        self._write(_COMMIT, lines)

    def add(self, files: Iterable[tuple[str, str]]) -> None:
        """Each, by its path from the block's folder, gets a name below the table's, as its log spells that. Raises
        FileExistsError where there is one; the table's folder has to be there."""
        with self._in_block() as block, self._in_table() as table:
            for found, path in files:
                with reach(by_descriptor(table), unquote(path), make=True) as (place, name):
                    _link(block, found, place, name)

    def put(self, version: int) -> bool:
        """The commit becomes that version. Whether nobody had it."""
        path = self._log.path / commit_name(version)
        with self._in_block() as block, reach(self._log.root, path) as (place, name):
            try:
                _link(block, _COMMIT, place, name)
            except FileExistsError:
                return False
        return True

    def take_back(self) -> None:
        """The names that `add` has given, unless the commit has happened. Raises ValueError for one that is none."""
        with self._in_block() as block:
            with _opened(block, _COMMIT) as commit:
                if os.fstat(commit.fileno()).st_nlink > 1:
                    return
                # A table that is gone has none of them left.
                with suppress(FileNotFoundError), self._in_table() as table:
                    own = frozenset(islice(_find_linked(block), _MOST_ACTIONS))
                    for path in _find_added(commit):
                        _unlink(table, path, own)
            os.unlink(_COMMIT, dir_fd=block)

    def newest(self) -> int:
        """The table's newest version; -1 where there is none."""
        return newest_version(self._log)

    def _in_block(self) -> AbstractContextManager[int]:
        return _in_block(self.folder)

    def _in_table(self) -> AbstractContextManager[int]:
        return walk(self._log.root, self.location)

    def _write(self, name: str, lines: Iterable[str]) -> None:
        """The file, whole or not at all, also where the machine stops."""
        unfinished = Path(name).stem + _UNFINISHED
        with self._in_block() as block:
            with suppress(FileNotFoundError):
                os.unlink(unfinished, dir_fd=block)
            descriptor = open_below(by_descriptor(block), unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            with open(descriptor, "w", encoding="utf-8") as file:
                file.writelines(lines)
                file.flush()
                os.fsync(descriptor)
            os.replace(unfinished, name, src_dir_fd=block, dst_dir_fd=block)
            _sync(block)


def find_tried(folder: Path) -> tuple[Landing, int] | None:
    """What a block's folder, perhaps said by a descriptor, tells of its commit: where it was to land, and the version
    that it was tried as last. Raises OSError, and more where others have written what lies there."""
    folder = _named(folder)
    with _in_block(folder) as block:
        if not os.path.lexists(by_descriptor(block) / _COMMIT):
            return None
        with _opened(block, _TARGET) as target:
            tried = json.loads(target.read(_LONGEST_TARGET))
    return Landing(folder, tried["location"]), tried["version"]


def _named(folder: Path) -> Path:
    """Where a block's folder lies that may be said by a descriptor: its workspace is known by that. Raises OSError,
    also for one that was moved: higher up it would have another workspace's beside it."""
    if not folder.is_relative_to(DESCRIPTORS):
        return folder
    number, *rest = folder.relative_to(DESCRIPTORS).parts
    found = Path(os.readlink(DESCRIPTORS / number), *rest)
    if found.parent.name != BLOCKS:
        raise PermissionError("no block's folder")
    return found


def _in_block(folder: Path) -> AbstractContextManager[int]:
    return walk(folder.parent.parent, PurePosixPath(*folder.parts[-2:]))


@contextmanager
def _opened(place: int, path: str) -> Iterator[IO[bytes]]:
    """A plain file."""
    with open(open_below(by_descriptor(place), path), "rb") as file:
        yield file


def _link(block: int, found: str, place: int, name: str) -> None:
    """A second name for what is a plain file in the block's folder: for the very file that was looked at."""
    with _opened(block, found) as file:
        os.link(by_descriptor(file.fileno()), name, dst_dir_fd=place, follow_symlinks=True)


def _sync(place: int) -> None:
    """Has the names in it last."""
    folder = os.open(by_descriptor(place), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _find_linked(block: int) -> Iterator[tuple[int, int]]:
    """The files of a block that have other names too."""
    for _, _, names, folder in os.fwalk(".", dir_fd=block):
        for name in names:
            with suppress(FileNotFoundError):
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
                    yield status.st_dev, status.st_ino


def _find_added(commit: IO[bytes]) -> Iterator[str]:
    """The paths of the files that a commit adds. Raises ValueError, and more for what is no commit."""
    for line in islice(iter(lambda: commit.readline(LONGEST_LINE), b""), _MOST_ACTIONS):
        file = json.loads(line).get("add")
        if file is not None:
            yield file["path"]


def _unlink(table: int, path: str, own: frozenset[tuple[int, int]]) -> None:
    """The block's own file, if it has that name. What lies behind a link has never had it."""
    with suppress(FileNotFoundError, NotADirectoryError), reach(by_descriptor(table), unquote(path)) as (place, name):
        status = os.stat(name, dir_fd=place, follow_symlinks=False)
        if (status.st_dev, status.st_ino) in own:
            os.unlink(name, dir_fd=place)
