"""Reads tables' logs on local disks by delta-rs, which sees no file there but those of excerpts. Blocking."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from catalog.deltalog import reader_features
from catalog.excerpt import Excerpt, read_excerpt, read_news
from catalog.logfiles import LocalLog, version_of
from catalog.rehearsal import admits_news, has_failed, rehearse

_OPENING = "catalog.opening"
_VECTORS = "catalog.vectors"
_FILE_BYTES, _CELL_BYTES = 1500, 32
"""Of memory, for a file and for its statistics of a column."""


@dataclass(slots=True)
class OpenLog:
    """A log as delta-rs has read it. `has_vectors` says whether a file may have a deletion vector, None where nobody
    has looked. `files` and `columns` are how many it has, once they have been counted, and `opened_cells` what they
    came to when it was read as a whole. `folder` is where excerpts lie."""

    table: DeltaTable
    folder: str = ""
    has_vectors: bool | None = None
    files: int = 0
    columns: int = 0
    opened_cells: int | None = None

    def count(self, files: int) -> None:
        """Columns in structures count too; there may be fewer, not more."""
        self.files, self.columns = files, self.table.schema().to_json().count('"type"')
        if self.opened_cells is None:
            self.opened_cells = files * self.columns

    @property
    def size(self) -> int:
        """About the bytes of memory that it takes."""
        return self.files * (_FILE_BYTES + _CELL_BYTES * self.columns)


def open_log(log: LocalLog, version: int | None = None) -> OpenLog:
    """At `version`, or the newest. Raises what delta-rs does, OSError, Unfinished."""
    with read_excerpt(log, version) as excerpt, _told_of(excerpt):
        folder = str(excerpt.log.location)
        if not excerpt.pieces:
            raise TableNotFoundError("no log")
        if failure := rehearse((_OPENING, log.location), excerpt, _OPENING, folder):
            raise DeltaError(failure)
        table = DeltaTable(folder)
        return OpenLog(table, folder, _may_have_vectors(table) and has_failed(_VECTORS, folder))


def update_log(log: LocalLog, kept: OpenLog) -> OpenLog:
    """The newest version: `kept`, once it has read the new commits, where they are few and say it all. Raises what
    `open_log` does."""
    seen = kept.table.version()
    new = sorted(version for name in log.list_files() if (version := version_of(name)) > seen)
    if not new:
        return kept
    is_whole = new == list(range(seen + 1, seen + 1 + len(new))) and not os.path.lexists(kept.folder)
    if not is_whole or kept.opened_cells is None or _may_have_vectors(kept.table):
        return open_log(log)
    with read_news(log, seen, kept.folder) as news, _told_of(news):
        if not admits_news(news, kept.files, kept.columns, kept.opened_cells):
            return open_log(log)
        kept.table.update_incremental()
    return open_log(log) if _may_have_vectors(kept.table) else kept


def find_versions(log: LocalLog) -> tuple[int, int]:
    """The oldest and the newest that have a commit. Raises OSError, FileNotFoundError for a log without any."""
    versions = [version for name in log.list_files() if (version := version_of(name)) >= 0]
    if not versions:
        raise FileNotFoundError(errno.ENOENT, "no commit")
    return min(versions), max(versions)


@contextmanager
def _told_of(excerpt: Excerpt) -> Iterator[None]:
    """Nobody is told where excerpts lie."""
    try:
        yield
    except DeltaError as error:
        raise type(error)(excerpt.reword(str(error))) from error


def _may_have_vectors(table: DeltaTable) -> bool:
    return "deletionVectors" in reader_features(table)
