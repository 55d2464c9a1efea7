"""Puts a file of rows behind a table's, as a commit of its own, or makes a table. Blocking.

References: Delta protocol, sections "Add File and Remove File", "Change Metadata", "Protocol Evolution", "Commit
Provenance Information", "Schema Serialization Format".
"""

import json
import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog.beneath import open_below, walk
from catalog.clone import Net
from catalog.commit import Commit, Origin
from catalog.replay import Action
from catalog.snapshots import Snapshot, SnapshotColumn


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file in a block's folder, by its path there, and what is told of it."""

    found: str
    size: int
    rows: int
    statistics: str


def append(origin: Origin, folder: Path, file: NewFile) -> int:
    """The version that it became. `folder` is a block's, of the table's owner, as whom this is called. Raises
    SerializationFailure, OSError; nothing has happened then."""
    told = {"operation": "WRITE", "operationParameters": {"mode": "Append", "partitionBy": "[]"}}
    return _commit(origin, folder, file, {}, told)


def create(origin: Origin, folder: Path, table: Snapshot, file: NewFile | None) -> int:
    """The same for a table that is not there yet, with its first rows if it has any."""
    with walk(origin.root, origin.log.path, make=True):
        definition = {"protocol": _protocol(table), "metaData": _metadata(table, origin.id)}
    operation = "CREATE TABLE" if file is None else "CREATE TABLE AS SELECT"
    told = {"operation": operation, "operationParameters": {"partitionBy": json.dumps(table.partition_columns)}}
    return _commit(origin, folder, file, definition, told)


def _commit(
    origin: Origin, folder: Path, file: NewFile | None, definition: Mapping[str, Action], told: Mapping[str, Any]
) -> int:
    added = [] if file is None else [(_add(folder, file), file.found)]
    metrics = {} if file is None else _measure(file)
    history = [{**told, "operationMetrics": metrics, "isBlindAppend": True}]
    commit = Commit(origin, Net(added, (), definition), history, folder)
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
    schema = {"type": "struct", "fields": [_spell_field(column) for column in table.columns]}
    return {
        "id": id_,
        "format": {"provider": "parquet", "options": {}},
        "schemaString": json.dumps(schema, separators=(",", ":")),
        "partitionColumns": list(table.partition_columns),
        "configuration": {},
        "createdTime": time.time_ns() // 1_000_000,
    }


def _spell_field(column: SnapshotColumn) -> Action:
    type_: Any = column.delta_type
    metadata = {}
    if type_.startswith("{"):
        type_ = json.loads(type_)
    elif type_.startswith(("varchar(", "char(")):
        type_, metadata = "string", {"__CHAR_VARCHAR_TYPE_STRING": type_}
    return {"name": column.name, "type": type_, "nullable": column.nullable, "metadata": metadata}
