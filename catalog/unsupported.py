"""Reads as much of a Delta log as its schema and features, for tables with reader features that delta-rs refuses.

What comes out lists no files: only Spark may read such a table, and the planner sees from `reader_features` why. As a
module that is run it is the rehearsal of such a read.

References: Delta protocol, sections "Delta Log Entries", "Checkpoints", "Protocol Evolution".
"""

import json
import sys
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from catalog.confined import perform
from catalog.deltalog import read_column
from catalog.errors import UnreadableTable
from catalog.excerpt import read_excerpt
from catalog.logfiles import MEND, LocalLog, version_of
from catalog.names import TableName
from catalog.rehearsal import rehearse
from catalog.snapshots import Log, Snapshot

_KINDS = {"protocol", "metaData"}
_NO_FILES = pa.schema({"path": pa.string(), "size_bytes": pa.int64(), "num_records": pa.int64()}).empty_table()


def read_unsupported(name: TableName, log: LocalLog) -> Snapshot:
    """The newest schema and protocol. Raises UnreadableTable when the log holds none that can be read, OSError,
    Unfinished."""
    with read_excerpt(log) as excerpt:
        folder = excerpt.log.location
        if failure := rehearse((__name__, log.location), excerpt, __name__, folder, grows=True):
            raise UnreadableTable(f"the Delta log of table {name} cannot be read", detail=failure, hint=MEND)
        return replace(_read(name, excerpt.log), location=str(log.location))


def _read(name: TableName, log: LocalLog) -> Snapshot:
    names = sorted(log.list_names(), reverse=True)
    commits = [name for name in names if version_of(name) >= 0]
    checkpoints = [name for name in names if ".checkpoint." in name and name.endswith(".parquet")]
    actions: dict[str, Any] = {}
    for commit in commits:
        _collect(actions, log.read_actions(commit))
    for checkpoint in checkpoints:
        with log.open_file(checkpoint) as file:
            _collect(actions, pq.read_table(file, columns=list(_KINDS)).to_pylist())
    if actions.keys() != _KINDS:
        raise UnreadableTable(f"the Delta log of table {name} cannot be read", hint=MEND)
    return _build(name, str(log.location), int(max((*commits, *checkpoints)).partition(".")[0]), actions)


def _collect(actions: dict[str, Any], read: Iterable[Any]) -> None:
    """What a file says last, unless a newer one has said it."""
    said = {kind: action[kind] for action in read for kind in _KINDS if action.get(kind) is not None}
    for kind, fields in said.items():
        actions.setdefault(kind, fields)


def _build(name: TableName, location: str, version: int, actions: dict[str, Any]) -> Snapshot:
    protocol, metadata = actions["protocol"], actions["metaData"]
    return Snapshot(
        table=name,
        location=location,
        version=version,
        columns=tuple(read_column(field) for field in json.loads(metadata["schemaString"])["fields"]),
        partition_columns=tuple(metadata["partitionColumns"]),
        reader_features=frozenset(protocol.get("readerFeatures") or ()),
        has_deletion_vectors=False,
        uniform=False,
        size_bytes=0,
        files=_NO_FILES,
        comment=metadata.get("description"),
        readable=False,
        log=Log(
            id=metadata["id"],
            created=metadata.get("createdTime"),
            properties=dict(metadata.get("configuration") or {}),
            reader_version=protocol["minReaderVersion"],
            writer_version=protocol["minWriterVersion"],
            features=frozenset((*(protocol.get("readerFeatures") or ()), *(protocol.get("writerFeatures") or ()))),
        ),
    )


if __name__ == "__main__":
    perform(lambda: _read(TableName("", ""), LocalLog(sys.argv[1], sys.argv[1])))
