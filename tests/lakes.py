"""Delta tables for tests: written by delta-rs, or by hand where it cannot write a feature."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import write_deltalake

from catalog.logfiles import LocalLog, commit_name


def write_table(folder: Path, columns: Mapping[str, Sequence[Any]] | pa.Table, **options: Any) -> str:
    """A new Delta table, or more rows with ``mode="append"``. Returns its location."""
    table = columns if isinstance(columns, pa.Table) else pa.table(dict(columns))
    write_deltalake(str(folder), table, **options)
    return str(folder)


def local_log(table: Path) -> LocalLog:
    """Of a table that machines may write, in a folder that they may not."""
    return LocalLog(table.parent, table)


def commit_path(table: Path, version: int) -> Path:
    return local_log(table).path / commit_name(version)


def mapped_field(name: str, delta_type: Any, id: int, physical_name: str, **more: Any) -> dict[str, Any]:
    """A field of a column-mapped schema."""
    mapping = {"delta.columnMapping.id": id, "delta.columnMapping.physicalName": physical_name}
    return {"name": name, "type": delta_type, "nullable": True, "metadata": {**mapping, **more}}


def field(name: str, delta_type: Any, *, nullable: bool = True, **metadata: Any) -> dict[str, Any]:
    return {"name": name, "type": delta_type, "nullable": nullable, "metadata": metadata}


def write_log(
    folder: Path,
    fields: Sequence[dict[str, Any]],
    files: Sequence[dict[str, Any]] = (),
    *,
    version: int = 0,
    partitions: Sequence[str] = (),
    mode: str = "none",
    reader: int = 1,
    features: Sequence[str] = (),
) -> str:
    """One commit of a Delta log, with protocol and metadata. Returns the table's location."""
    protocol: dict[str, Any] = {"minReaderVersion": reader, "minWriterVersion": {1: 2, 2: 5, 3: 7}[reader]}
    if reader == 3:
        protocol |= {"readerFeatures": list(features), "writerFeatures": list(features)}
    configuration = (
        {} if mode == "none" else {"delta.columnMapping.mode": mode, "delta.columnMapping.maxColumnId": "99"}
    )
    metadata = {
        "id": "3f2a",
        "format": {"provider": "parquet", "options": {}},
        "schemaString": json.dumps({"type": "struct", "fields": list(fields)}),
        "partitionColumns": list(partitions),
        "configuration": configuration,
        "createdTime": 1,
    }
    actions = [{"protocol": protocol}, {"metaData": metadata}, *({"add": file} for file in files)]
    log = folder / "_delta_log"
    log.mkdir(parents=True, exist_ok=True)
    (log / f"{version:020}.json").write_text("\n".join(json.dumps(action) for action in actions))
    return str(folder)


def data_file(
    folder: Path,
    name: str,
    columns: Mapping[str, Sequence[Any]],
    *,
    partition: Mapping[str, str | None] | None = None,
    statistics: bool = True,
) -> dict[str, Any]:
    """Writes a Parquet file and returns its `add` action, with the statistics of flat columns."""
    table = pa.table(dict(columns))
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / name)
    present = {column: [value for value in values if value is not None] for column, values in columns.items()}
    stats = {
        "numRecords": table.num_rows,
        "minValues": {column: min(values) for column, values in present.items() if values},
        "maxValues": {column: max(values) for column, values in present.items() if values},
        "nullCount": {column: table.num_rows - len(values) for column, values in present.items()},
    }
    action = {
        "path": name,
        "partitionValues": dict(partition or {}),
        "size": (folder / name).stat().st_size,
        "modificationTime": 1,
        "dataChange": True,
    }
    return action | ({"stats": json.dumps(stats)} if statistics else {})
