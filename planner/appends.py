"""What the gateway appends itself, as one file in one commit: rows of an INSERT that DuckDB gives, or of a COPY.

No JVM has a part in it, so that a few rows cost what a few rows are worth. It is done where all that the table demands
of a writer is known and seen to; Spark writes every other table, and what reads more than a gateway should pass on.

References: Delta protocol, sections "Writer Version Requirements", "Valid Feature Names in Table Features".
"""

from collections.abc import Sequence

import pyarrow as pa

from catalog.features import NEWEST_WRITER, OF_COMMITS, UNDERSTOOD, find_in_use
from catalog.locations import is_object
from catalog.scans import Scan
from catalog.snapshots import Snapshot, SnapshotColumn
from planner.plan import Lane, Query
from planner.prune import parameter_values
from planner.puts import Put
from planner.reads import Translation
from planner.route import obstacle

MOST_BYTES = 128 * 2**20
"""Of the Parquet files whose rows an INSERT passes through the gateway."""
_FEATURES = UNDERSTOOD | {"domainMetadata"}
"""An append says nothing of a table's domains."""
_CONSTRAINT = "delta.constraints."
MAPPING = "delta.columnMapping.mode"
_TYPES = frozenset(
    {"boolean", "short", "integer", "long", "float", "double", "string", "binary", "date", "timestamp", "timestamp_ntz"}
)
_SIZED = ("decimal(", "varchar(")


def find_obstacle(table: Snapshot, *, mapped: bool = False) -> str | None:
    """Why the gateway cannot append to it, None if it can. `mapped`: not for its columns' names."""
    properties, log = table.log.properties, table.log
    unknown = log.features - _FEATURES
    if is_object(table.location):
        return "it appends to tables in folders, not in object stores"
    if unknown or log.writer_version > NEWEST_WRITER:
        return f"table {table.table.name} uses {f'the feature {min(unknown)}' if unknown else 'a newer protocol'}"
    if table.partition_columns:
        return f"table {table.table.name} is partitioned"
    if any(name.startswith(_CONSTRAINT) for name in properties):
        return f"table {table.table.name} has constraints"
    if not mapped and properties.get(MAPPING, "none") != "none":
        return f"table {table.table.name} maps its columns' names"
    if what := find_in_use(properties, OF_COMMITS):
        return f"table {table.table.name} has {what}"
    odd = next((column for column in table.columns if not _is_plain(column)), None)
    return None if odd is None else f'column "{odd.name}" asks more of a writer'


def _is_plain(column: SnapshotColumn) -> bool:
    if column.generation is not None or column.identity is not None or column.has_invariant:
        return False
    return column.delta_type in _TYPES or column.delta_type.startswith(_SIZED)


def plan_append(
    table: Snapshot,
    rows: Translation,
    types: tuple[int, ...],
    values: pa.RecordBatch | None,
    *,
    is_forced: bool,
) -> Query | str:
    """The plan for rows that DuckDB gives, or why it is not made."""
    scans = find_scans(rows, types, values)
    if isinstance(scans, str):
        return scans
    size = count_bytes(scans)
    if size > MOST_BYTES and not is_forced:
        return f"{size} bytes to scan are more than the gateway appends"
    reads_itself = any(name == table.table for name, _ in rows.reads)
    return Query(
        lane=Lane.DUCKDB,
        reason="the gateway appends the rows itself",
        sql=f"SELECT *, TRUE FROM ({rows.sql}) AS r" if reads_itself else rows.sql,
        tag="INSERT 0",
        columns=None,
        parameters=rows.parameters,
        scans=scans,
        reads=rows.reads,
        writes=table.table,
        put=Put(table, takes=() if reads_itself else None),
    )


def find_scans(rows: Translation, types: tuple[int, ...], values: pa.RecordBatch | None) -> tuple[Scan, ...] | str:
    """What DuckDB scans for rows that the gateway writes, or why it cannot."""
    blocked = obstacle(relation.table for relation in rows.relations)
    if blocked is not None:
        return blocked
    known = parameter_values(values, types)
    return tuple(relation.scan(known) for relation in rows.relations)


def count_bytes(scans: Sequence[Scan]) -> int:
    """Of all their files."""
    return sum(file.size for scan in scans for file in scan.files)
