"""A small lakehouse as the planner sees it: two tables with files, partitions and statistics, no I/O."""

from dataclasses import replace

import pyarrow as pa

from catalog.changes import Privilege
from catalog.names import TableName
from catalog.principals import Principal
from catalog.resolution import Resolution, ResolvedTable
from catalog.snapshots import Snapshot, SnapshotColumn
from catalog.types import Description, Oid, PgType, ResultColumn, numeric
from planner import Statement, parse, plan
from planner.plan import Dialect, Plan, Settings

ORDERS = TableName("shop", "orders")
ITEMS = TableName("shop", "items")
ALL = frozenset({Privilege.SELECT, Privilege.INSERT, Privilege.UPDATE, Privilege.DELETE})
VOLATILE = frozenset({"nextval", "lo_create", "pg_advisory_lock", "set_config", "pg_sleep", "random", "unheard_of"})

_FILES = pa.table(
    {
        "path": [f"/lake/orders/{number}.parquet" for number in range(4)],
        "size_bytes": [1000] * 4,
        "num_records": [100] * 4,
        "partition.region": ["eu", "eu", "us", None],
        "min.id": pa.array([0, 100, 200, 300], pa.int64()),
        "max.id": pa.array([99, 199, 299, 399], pa.int64()),
        "null_count.id": [0, 0, 0, 0],
        "null_count.note": [0, 100, 5, None],
    }
)
_COLUMNS = (
    SnapshotColumn("id", "id", "long", False),
    SnapshotColumn("amount", "amount", "decimal(15,2)", True),
    SnapshotColumn("day", "day", "date", True),
    SnapshotColumn("note", "note", "string", True),
    SnapshotColumn("region", "region", "string", True),
)
SNAPSHOTS = {
    "orders": Snapshot(
        ORDERS, "/lake/orders", 7, _COLUMNS, ("region",), frozenset(), False, True, 4000, _FILES
    ),
    "items": Snapshot(
        ITEMS, "/lake/items", 3, _COLUMNS[:2], (), frozenset(), False, True, 1000,
        pa.table({"path": ["/lake/items/0.parquet"], "size_bytes": [1000], "num_records": [10]}),
    ),
}  # fmt: skip


def resolve(
    statement: Statement, privileges: frozenset[Privilege] = ALL, admin: bool = True, **changes: Snapshot
) -> Resolution:
    """What the catalog would say to a principal with these privileges on every table."""
    snapshots = SNAPSHOTS | changes
    tables = {
        reference: ResolvedTable(snapshots[reference.name].table, privileges, snapshots[reference.name], "owner")
        for reference in statement.references
        if reference.name in snapshots and reference.schema in (None, "shop")
    }
    principal = Principal("ann", admin, frozenset())
    schemas = {"shop": frozenset({Privilege.USAGE, Privilege.CREATE}), "closed": frozenset({Privilege.USAGE})}
    return Resolution(principal, "demo", 1, tables, schemas, "shop", "/lake/fresh", VOLATILE)


ORDER_COLUMNS = (
    ResultColumn("id", PgType(Oid.INT8)),
    ResultColumn("amount", numeric(15, 2)),
)


def planned(
    text: str,
    columns: tuple[ResultColumn, ...] | None = None,
    *,
    dialect: Dialect = Dialect.POSTGRES,
    parameters: tuple[int, ...] = (),
    values: pa.RecordBatch | None = None,
    settings: Settings | None = None,
    privileges: frozenset[Privilege] = ALL,
    admin: bool = True,
    **changes: Snapshot,
) -> Plan:
    """The plan of a text that holds one statement."""
    (statement,) = parse(text, dialect)
    resolution = resolve(statement, privileges, admin, **changes)
    chosen = settings or Settings(dialect=dialect)
    return plan(statement, resolution, chosen, Description(parameters, columns), values)


def changed(name: str, **fields: object) -> Snapshot:
    """A table's snapshot with other fields."""
    return replace(SNAPSHOTS[name], **fields)  # type: ignore[arg-type]
