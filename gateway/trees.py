"""What a query's machine may read.

DuckDB is told files. Spark knows tables by their folders, so a Spark that has no files of its own is lent these: of
each table the log as it is now, since the newest version is looked for there, and the data of the version that is read.
"""

import asyncio
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from catalog.beneath import walk
from catalog.errors import FeatureNotSupported, UnreadableTable
from catalog.logfiles import LOG
from catalog.scans import DataFile, Scan
from catalog.snapshots import Snapshot
from planner.plan import Query
from planner.reads import data_files

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
    log, table = Path(snapshot.location, LOG), Path(snapshot.location)
    yield from _list_below(snapshot.root, log)
    if not snapshot.readable or snapshot.has_deletion_vectors:
        for file in _list_below(snapshot.root, table):
            path = Path(file.path)
            if log not in path.parents and (not snapshot.readable or path.name.startswith(_VECTORS)):
                yield file


def _list_below(root: str, folder: Path) -> Iterator[DataFile]:
    """Plain files in it and below, in an order that does not change; by no link from `root` on. Raises OSError."""
    with walk(root, folder.relative_to(root)) as place:
        for parent, folders, names, inner in os.fwalk(".", onerror=_fail, dir_fd=place):
            folders.sort()
            for name in sorted(names):
                status = os.stat(name, dir_fd=inner, follow_symlinks=False)
                if stat.S_ISREG(status.st_mode):
                    yield DataFile(str(folder / parent / name), status.st_size, (), status.st_mtime_ns // 1_000_000)


def _fail(error: OSError) -> None:
    raise error
