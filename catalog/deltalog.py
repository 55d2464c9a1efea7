"""Reads a Delta table's log into a `Snapshot`, by delta-rs. Synchronous and blocking; `catalog.tables` calls it in
threads.

delta-rs names statistics by physical and partition values by logical column names; here both become logical.

References: Delta protocol, sections "Column Mapping", "Generated Columns", "Identity Columns", "Per-file Statistics",
"Table Features".
"""

import json
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from catalog.names import TableName
from catalog.snapshots import Identity, Log, Snapshot, SnapshotColumn

_STATISTICS = ("min", "max", "null_count")


def read_snapshot(table: DeltaTable, name: TableName, location: str, *, has_vectors: bool | None = None) -> Snapshot:
    """The snapshot of the version that `table` is loaded at. Whether it `has_vectors` for deletion is read, unless it
    is known."""
    schema = json.loads(table.schema().to_json())
    metadata = table.metadata()
    columns = tuple(read_column(field) for field in schema["fields"])
    features = reader_features(table)
    actions = pa.table(table.get_add_actions())
    partitions = tuple(metadata.partition_columns)
    return Snapshot(
        table=name,
        location=location,
        version=table.version(),
        columns=columns,
        partition_columns=partitions,
        reader_features=features,
        has_deletion_vectors=_has_deletion_vectors(table) if has_vectors is None else has_vectors,
        uniform=_is_uniform(actions, schema["fields"], partitions),
        size_bytes=pc.sum(actions["size_bytes"]).as_py() or 0,
        files=_read_files(actions, location, columns, partitions),
        comment=metadata.description,
        log=_read_log(table),
    )


def read_column(field: dict[str, Any]) -> SnapshotColumn:
    """One field of a Delta schema. VARCHAR(n) and CHAR(n) are strings whose field metadata tells the declared
    type."""
    metadata = field["metadata"]
    delta_type = metadata.get("__CHAR_VARCHAR_TYPE_STRING", field["type"])
    return SnapshotColumn(
        name=field["name"],
        physical_name=metadata.get("delta.columnMapping.physicalName", field["name"]),
        delta_type=delta_type if isinstance(delta_type, str) else json.dumps(delta_type),
        nullable=field["nullable"],
        comment=metadata.get("comment"),
        generation=metadata.get("delta.generationExpression"),
        identity=_read_identity(metadata) if delta_type == "long" else None,
        has_invariant="delta.invariants" in metadata,
    )


def _read_identity(metadata: dict[str, Any]) -> Identity | None:
    """None, too, for a step of 0, which would number nothing."""
    step = int(metadata.get("delta.identity.step", 0))
    always = not metadata.get("delta.identity.allowExplicitInsert", False)
    return Identity(always, int(metadata.get("delta.identity.start", 1)), step) if step else None


def reader_features(table: DeltaTable) -> frozenset[str]:
    """What a reader must understand. Column mapping counts only where the table uses it."""
    protocol = table.protocol()
    features = set(protocol.reader_features or ())
    mode = table.metadata().configuration.get("delta.columnMapping.mode", "none")
    if protocol.min_reader_version == 2 and mode != "none":
        features.add("columnMapping")
    return frozenset(features)


def _read_log(table: DeltaTable) -> Log:
    metadata, protocol = table.metadata(), table.protocol()
    return Log(
        id=str(metadata.id),
        created=metadata.created_time,
        properties=metadata.configuration,
        reader_version=protocol.min_reader_version,
        writer_version=protocol.min_writer_version,
        features=frozenset(protocol.reader_features or ()) | frozenset(protocol.writer_features or ()),
    )


def _has_deletion_vectors(table: DeltaTable) -> bool:
    if "deletionVectors" not in reader_features(table):
        return False
    return any(batch.num_rows > 0 for batch in pa.RecordBatchReader.from_stream(table.deletion_vectors()))


def _read_files(
    actions: pa.Table, location: str, columns: tuple[SnapshotColumn, ...], partitions: tuple[str, ...]
) -> pa.Table:
    arrays: dict[str, Any] = {
        "path": pa.array([absolute_path(path, location) for path in actions["path"].to_pylist()], pa.string()),
        "size_bytes": actions["size_bytes"],
        "num_records": actions["num_records"],
    }
    for name in partitions:
        arrays[f"partition.{name}"] = pc.cast(_child(actions, "partition", name), pa.string())
    for kind in _STATISTICS:
        for column in columns:
            values = _child(actions, kind, column.physical_name)
            if values is not None and not pa.types.is_nested(values.type):
                arrays[f"{kind}.{column.name}"] = _widen(values) if kind == "max" else values
    return pa.table(arrays)


def absolute_path(path: str, location: str) -> str:
    """The log's paths are relative to the table, or URLs of their own (a shallow clone's), percent-encoded."""
    decoded = unquote(path) if "%" in path else path
    if decoded.startswith("file://"):
        return decoded.removeprefix("file://")
    return decoded if decoded.startswith("/") or "://" in decoded else f"{location}/{decoded}"


def _widen(upper: pa.ChunkedArray) -> pa.ChunkedArray:
    """Statistics keep a timestamp's milliseconds, cut off: the true bound may lie up to 999 microseconds above."""
    if not pa.types.is_timestamp(upper.type):
        return upper
    return pc.add(upper, pa.scalar(timedelta(microseconds=999), pa.duration(upper.type.unit)))


def _child(actions: pa.Table, struct: str, name: str) -> pa.ChunkedArray | None:
    if struct not in actions.column_names or actions.schema.field(struct).type.get_field_index(name) < 0:
        return None
    return pc.struct_field(actions[struct], [name])


def _is_uniform(actions: pa.Table, fields: list[dict[str, Any]], partitions: tuple[str, ...]) -> bool:
    """A file that counts fewer NULLs than rows in a column holds that column. Any doubt answers False."""
    return all(_holds(actions, path) for field in fields if field["name"] not in partitions for path in _leaves(field))


def _holds(actions: pa.Table, path: list[str] | None) -> bool:
    if path is None or "null_count" not in actions.column_names:
        return False
    try:
        nulls = pc.struct_field(actions["null_count"], path)
    except pa.ArrowInvalid:
        return False
    return pc.all(pc.fill_null(pc.less(nulls, actions["num_records"]), False)).as_py() is not False


def _leaves(field: dict[str, Any]) -> list[list[str] | None]:
    """The physical paths of a field's primitives; None stands for one that has no statistics (arrays, maps)."""
    name = field["metadata"].get("delta.columnMapping.physicalName", field["name"])
    nested = field["type"]
    if isinstance(nested, str):
        return [[name]]
    if nested["type"] != "struct":
        return [None]
    return [path and [name, *path] for child in nested["fields"] for path in _leaves(child)]
