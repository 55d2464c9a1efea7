"""What the gateway changes itself: the files that may hold rows which an UPDATE, a DELETE or a TRUNCATE meets are read
by DuckDB, and one file comes in their place, in one commit.

No JVM has a part in it, so that small tables change as quickly as they grow (`planner.appends`). A table that is larger
is Spark's, which rewrites no file that it need not.
"""

import pyarrow as pa

from catalog.features import OF_CHANGES, find_in_use
from catalog.snapshots import Snapshot
from planner.appends import count_bytes, find_obstacle, find_scans
from planner.dialects.context import snapshot_of
from planner.plan import Lane, Query
from planner.puts import Put
from planner.reads import Translation

MOST_BYTES = 16 * 2**20
"""Of the Parquet files that are written anew, and of what is read beside them."""
_REASON = "the gateway writes the files anew itself"
_APPEND_ONLY = {"delta.appendOnly": "only what is appended"}


def find_obstacle_to_change(table: Snapshot) -> str | None:
    """Why the gateway cannot change its rows, None if it can."""
    if what := find_in_use(table.log.properties, {**OF_CHANGES, **_APPEND_ONLY}):
        return f"table {table.table.name} has {what}"
    return find_obstacle(table)


def plan_rewrite(
    table: Snapshot,
    rows: Translation,
    tag: str,
    types: tuple[int, ...],
    values: pa.RecordBatch | None,
    *,
    is_forced: bool,
) -> Query | str:
    """The plan of a change, or why it is not made. `rows` are the table's as they will be, which their first scan has,
    and behind each whether it was met."""
    scans = find_scans(rows, types, values)
    if isinstance(scans, str):
        return scans
    size = count_bytes(scans)
    if size > MOST_BYTES and not is_forced:
        return f"{size} bytes are more than the gateway writes anew"
    beside = dict.fromkeys((each.table.name, snapshot_of(each.table).version) for each in rows.relations[1:])
    return Query(
        lane=Lane.DUCKDB,
        reason=_REASON,
        sql=rows.sql if scans[0].files else "",
        tag=tag,
        columns=None,
        parameters=rows.parameters,
        scans=scans,
        reads=tuple(beside),
        writes=table.table,
        put=Put(table, tuple(file.path for file in scans[0].files), keeps=tag == "UPDATE"),
    )


def plan_emptying(table: Snapshot, tag: str) -> Query:
    """The plan that takes all rows away, unseen."""
    paths = tuple(table.files.column("path").to_pylist())
    return Query(Lane.DUCKDB, _REASON, "", tag, None, writes=table.table, put=Put(table, paths, keeps=False))
