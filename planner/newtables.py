"""Tables that the gateway makes itself, by writing the first commit of their log.

Spark makes those whose properties ask for more than columns, and refuses names that Delta does not take.
"""

from collections.abc import Sequence

import pyarrow as pa

from catalog.locations import is_object
from catalog.names import TableName
from catalog.snapshots import Snapshot, SnapshotColumn
from catalog.types import delta_type
from planner.elements import Column
from planner.syntax import TableOptions

NEW = -1
"""The version of a table that is to be made."""
_REFUSED = frozenset(" ,;{}()\n\t=")
"""In names of columns that are not mapped."""


def plan_table(
    name: TableName, location: str, columns: Sequence[Column], options: TableOptions | None
) -> Snapshot | None:
    """The table as it will be; None where Spark has to make it."""
    partitions = () if options is None else tuple(options.partitioned_by)
    if is_object(location) or (options is not None and options.properties):
        return None
    if len({column.name.casefold() for column in columns}) < len(columns) or len(partitions) >= len(columns):
        return None
    made = [make_column(column) for column in columns]
    known = tuple(column for column in made if column is not None)
    if len(known) < len(made) or any(_is_nested(column) for column in known if column.name in partitions):
        return None
    empty = pa.table({"path": pa.array([], pa.string())})
    return Snapshot(name, location, NEW, known, partitions, frozenset(), False, True, 0, empty)


def make_column(column: Column) -> SnapshotColumn | None:
    """None for one that Spark has to make, or refuse."""
    type_ = delta_type(column.type)
    if type_ is None or not _REFUSED.isdisjoint(column.name):
        return None
    return SnapshotColumn(column.name, column.name, type_, column.nullable)


def _is_nested(column: SnapshotColumn) -> bool:
    return column.delta_type.startswith("{") or column.delta_type == "binary"
