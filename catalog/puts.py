"""What the gateway itself puts into a table's log, as a commit of its own: a file of rows behind a table's or in place
of some, other columns, or a table that was not there. Blocking.

References: Delta protocol, sections "Add File and Remove File", "Change Metadata", "Protocol Evolution", "Commit
Provenance Information", "Schema Serialization Format".
"""

import json
import os
import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog.alteration import Alteration, spell, spell_field
from catalog.beneath import open_below, walk
from catalog.clone import Net, remove
from catalog.commit import Commit, Origin, replaced
from catalog.deltalog import absolute_path
from catalog.errors import FeatureNotSupported
from catalog.replay import Action, read_definition, read_state
from catalog.snapshots import Snapshot

_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file in a block's folder, by its path there, and what is told of it."""

    found: str
    size: int
    rows: int
    statistics: str


def append(origin: Origin, folder: Path, file: NewFile, *, reads: bool = False) -> int:
    """The version that it became. `folder` is a block's, of the table's owner, as whom this is called; `reads` says
    that the rows come of the table itself. Raises SerializationFailure, OSError; nothing has happened then."""
    told = {"operation": "WRITE", "operationParameters": {"mode": "Append", "partitionBy": "[]"}}
    return _commit(origin, folder, file, told, reads=reads)


def find_taken(origin: Origin, paths: Collection[str]) -> Sequence[Action]:
    """The actions that take files away, which are there at the origin's version. Raises UnreadableTable,
    SerializationFailure where one is not, FeatureNotSupported where one has a deletion vector."""
    files = {
        absolute_path(path, origin.location): file
        for path, file in read_state(origin.log, origin.version).files.items()
    }
    if not files.keys() >= set(paths):
        raise replaced(origin.table)
    if any("deletionVector" in files[path] for path in paths):
        raise FeatureNotSupported(f"table {origin.table} has deletion vectors")
    return [remove(files[path]) for path in paths]


def rewrite(
    origin: Origin, folder: Path, file: NewFile | None, taken: Sequence[Action], operation: str, met: int | None
) -> int:
    """The version that it became with the file, if there is one, for those that are taken. A statement of that kind has
    `met` so many rows, None: all, unseen. Raises what `append` does."""
    metrics = {"numRemovedFiles": str(len(taken))}
    if met is not None:
        rows, is_update = 0 if file is None else file.rows, operation == "UPDATE"
        metrics["numUpdatedRows" if is_update else "numDeletedRows"] = str(met)
        metrics["numCopiedRows"] = str(rows - met if is_update else rows)
    told = {"operation": operation, "operationParameters": {"predicate": "[]"}, "operationMetrics": metrics}
    return _commit(origin, folder, file, told, taken=taken, reads=True)


def create(origin: Origin, folder: Path, table: Snapshot, file: NewFile | None) -> int:
    """The same for a table that is not there yet, with its first rows if it has any."""
    with walk(origin.root, origin.log.path, make=True):
        definition = {"protocol": _protocol(table), "metaData": _metadata(table, origin.id)}
    operation = "CREATE TABLE" if file is None else "CREATE TABLE AS SELECT"
    told = {"operation": operation, "operationParameters": {"partitionBy": json.dumps(table.partition_columns)}}
    return _commit(origin, folder, file, told, definition=definition)


def find_metadata(origin: Origin) -> Action:
    """What the log says of the table's columns at the origin's version. Raises UnreadableTable."""
    return read_definition(origin.log, origin.version).metadata


def alter(origin: Origin, folder: Path, metadata: Action, alteration: Alteration) -> int:
    """The version that it became with these columns, by the `metadata` before. Raises what `append` does."""
    schema = alteration.apply(json.loads(metadata["schemaString"]))
    definition = {"metaData": {**metadata, "schemaString": spell(schema)}}
    told = {"operation": alteration.operation, "operationParameters": {}}
    return _commit(origin, folder, None, told, definition=definition)


def _commit(
    origin: Origin,
    folder: Path,
    file: NewFile | None,
    told: Mapping[str, Any],
    *,
    definition: Mapping[str, Action] = _NOTHING,
    taken: Sequence[Action] = (),
    reads: bool = False,
) -> int:
    added = [] if file is None else [(_add(folder, file), file.found)]
    metrics = {**({} if file is None else _measure(file)), **told.get("operationMetrics", _NOTHING)}
    history = [{**told, "operationMetrics": metrics, "isBlindAppend": not reads}]
    commit = Commit(origin, Net(added, taken, definition), history, folder, reads=reads)
    commit.prepare()
    return commit.put()


def _add(folder: Path, file: NewFile) -> Action:
    with open(open_below(folder, file.found, os.O_RDONLY), "rb") as rows:
        os.fsync(rows.fileno())
    return {
        "path": f"part-00000-{uuid.uuid4()}-c000.zstd.parquet",
        "partitionValues": {},
        "size": file.size,
        "modificationTime": time.time_ns() // 1_000_000,
        "dataChange": True,
        "stats": file.statistics,
    }


def _measure(file: NewFile) -> Mapping[str, str]:
    return {"numFiles": "1", "numOutputRows": str(file.rows), "numOutputBytes": str(file.size)}


def _protocol(table: Snapshot) -> Action:
    if not any("timestamp_ntz" in column.delta_type for column in table.columns):
        return {"minReaderVersion": 1, "minWriterVersion": 2}
    return {
        "minReaderVersion": 3,
        "minWriterVersion": 7,
        "readerFeatures": ["timestampNtz"],
        "writerFeatures": ["timestampNtz", "appendOnly", "invariants"],
    }


def _metadata(table: Snapshot, id_: str) -> Action:
    schema = {"type": "struct", "fields": [spell_field(column) for column in table.columns]}
    return {
        "id": id_,
        "format": {"provider": "parquet", "options": {}},
        "schemaString": spell(schema),
        "partitionColumns": list(table.partition_columns),
        "configuration": {},
        "createdTime": time.time_ns() // 1_000_000,
    }
