"""Columns of a snapshot as PostgreSQL sees them in its shadow."""

from catalog.snapshots import SnapshotColumn
from catalog.types import PgType, shadow_type


def column_type(column: SnapshotColumn) -> PgType:
    return column.pg_type or shadow_type(column.delta_type)[0]
