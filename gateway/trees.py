"""What a query's machine may read.

DuckDB is told files. Spark knows tables by their folders, so a Spark that has no files of its own is lent these: of
each table the log as it is now, since the newest version is looked for there, and the data of the version that is read.
"""

import asyncio
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from catalog.errors import FeatureNotSupported, UnreadableTable
from catalog.scans import DataFile, Scan
from catalog.snapshots import Snapshot
from planner.plan import Query
from planner.reads import data_files

_LOG = "_delta_log"
_VECTORS = "deletion_vector_"
"""How the names of files with deletion vectors begin (Delta protocol, "Deletion Vectors")."""


async def find_scans(query: Query, *, trees: bool) -> Sequence[Scan]:
    """The query's scans; with `trees`, those of what it reads by path as well. Raises SqlError."""
    if not trees or not query.snapshots:
        return query.scans
    return await asyncio.to_thread(lambda: [scan_tree(snapshot) for snapshot in query.snapshots])


def scan_tree(snapshot: Snapshot) -> Scan:
    """A table's log and data as one scan by path. Blocking.

    Raises FeatureNotSupported for a table in an object store, UnreadableTable where its folder can't be listed.
    """
    if not snapshot.location.startswith("/"):
        raise FeatureNotSupported(
            f"table {snapshot.table} lies in an object store, which the warehouse's Spark machines cannot reach",
            hint="Machines that are processes can: lakegate serve --spark-spawner process.",
        )
    try:
        listed = tuple(_list(snapshot))
    except OSError as error:
        raise UnreadableTable(f"the folder of table {snapshot.table} cannot be read", detail=str(error)) from error
    named = repr((snapshot.location, snapshot.version, listed)).encode()
    digest = hashlib.blake2b(named, digest_size=16).hexdigest()
    files = dict.fromkeys((*listed, *data_files(snapshot)))
    return Scan("", snapshot.location, snapshot.version, (), tuple(files), False, digest, by_path=True)


def _list(snapshot: Snapshot) -> Iterator[DataFile]:
    """What the snapshot does not tell: the log; deletion vectors; of a table that cannot be read here, all files."""
    log = Path(snapshot.location, _LOG)
    yield from _walk(log)
    if not snapshot.readable or snapshot.has_deletion_vectors:
        for file in _walk(Path(snapshot.location)):
            path = Path(file.path)
            if log not in path.parents and (not snapshot.readable or path.name.startswith(_VECTORS)):
                yield file


def _walk(folder: Path) -> Iterator[DataFile]:
    """Plain files in it and below, in an order that does not change. Raises OSError."""
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path))
        elif entry.is_file(follow_symlinks=False):
            status = entry.stat(follow_symlinks=False)
            yield DataFile(entry.path, status.st_size, (), status.st_mtime_ns // 1_000_000)
