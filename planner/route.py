"""Which lane runs a read, and why.

DuckDB takes what it surely reads right: tables whose reader features are on its list and that have no deletion vectors,
expressions with a verified rewrite, and no more bytes after pruning than its machine should scan. Everything else is
Spark's. A lane that the session forces is used or refused with the reason, never replaced.
"""

from collections.abc import Iterable

from catalog.errors import FeatureNotSupported
from catalog.locations import is_object
from catalog.resolution import Resolution, ResolvedTable
from planner.plan import Lane, Plan, Query

DUCKDB_FEATURES = frozenset({"columnMapping", "timestampNtz", "v2Checkpoint", "vacuumProtocolCheck", "deletionVectors"})
"""Reader features whose tables the scan list describes fully (deletion vectors only while no file has one)."""

DUCKDB_BYTES = 8 * 2**30
"""The most bytes of Parquet that a DuckDB machine is given for one statement."""


def obstacle(tables: Iterable[ResolvedTable]) -> str | None:
    """Why DuckDB cannot read these tables, None if it can."""
    for table in tables:
        snapshot = table.snapshot
        if snapshot is None:
            continue
        unknown = snapshot.reader_features - DUCKDB_FEATURES
        if unknown:
            return f"table {table.name.name} uses the reader feature {min(unknown)}"
        if not snapshot.readable:
            return f"table {table.name.name} cannot be read from its log here"
        if snapshot.has_deletion_vectors:
            return f"table {table.name.name} has deletion vectors"
    return None


def refuse_objects(planned: Plan, resolution: Resolution) -> None:
    """Spark has no way to an object store. Raises FeatureNotSupported."""
    if not isinstance(planned, Query) or planned.lane is not Lane.SPARK:
        return
    for snapshot in resolution.snapshots():
        if is_object(snapshot.location):
            raise FeatureNotSupported(
                f"table {snapshot.table} lies in an object store, where only DuckDB reads it: {planned.reason}",
                hint="Write it with the engine that it belongs to: its newest version is read here.",
            )


def refuse_forced(lane: Lane, reason: str, hint: str | None = None) -> FeatureNotSupported:
    """The error of a session that set ``lakegate.lane`` to a lane that cannot run the statement."""
    name = "DuckDB" if lane is Lane.DUCKDB else "Spark"
    return FeatureNotSupported(
        f"the {name} lane cannot run this statement: {reason}",
        hint=hint or "SET lakegate.lane = auto lets the other lane run it.",
    )
