"""Columns of lakehouse tables in the postgres dialect: how Delta spells their types, and ALTER TABLE … ADD, DROP and
RENAME COLUMN.

What PostgreSQL has against a column's name is said here; Spark changes the table's log, and the shadow follows.
"""

from collections.abc import Iterable

from catalog.changes import SyncTable
from catalog.errors import (
    DuplicateColumn,
    FeatureNotSupported,
    ProgramLimitExceeded,
    SqlError,
    SuccessfulCompletion,
    UndefinedColumn,
)
from catalog.names import SYSTEM_COLUMNS
from catalog.resolution import Resolution, ResolvedTable
from catalog.shadows import MOST_COLUMNS
from catalog.types import ARRAY_OF, ELEMENT_OF, Oid, PgType
from planner.dialects.context import snapshot_of
from planner.dialects.expression import Unverified
from planner.dialects.spelling import engine_type
from planner.elements import Column, read_elements
from planner.plan import Constant, Lane, Plan, Query
from planner.reads import SPELLINGS
from planner.tree import Node

ADD, DROP = "AT_AddColumn", "AT_DropColumn"
_SPARK = SPELLINGS[Lane.SPARK]
_TAG = "ALTER TABLE"
_LOCAL = frozenset({Oid.TIMESTAMP, ARRAY_OF[Oid.TIMESTAMP]})
_LOCAL_FEATURE = "timestampNtz"


def delta_type(type_: PgType) -> str:
    """The type of a new Delta column, as Spark spells it. Raises 0A000 for what Delta has no type for."""
    if type_.oid == Oid.NUMERIC and type_.typmod < 0:
        raise FeatureNotSupported("a numeric column needs a precision", hint="Write numeric(38,10), for example.")
    if type_.oid in (Oid.VARCHAR, Oid.BPCHAR) and type_.typmod >= 0:
        return f"{'VARCHAR' if type_.oid == Oid.VARCHAR else 'CHAR'}({type_.typmod - 4})"
    if type_.oid in ELEMENT_OF and type_.typmod < 0:
        return f"ARRAY<{delta_type(PgType(ELEMENT_OF[type_.oid]))}>"
    try:
        return engine_type(type_, Lane.SPARK)
    except Unverified:
        raise FeatureNotSupported("a column of this type is not supported", hint="Use text.") from None


def plan_added(commands: list[Node], table: ResolvedTable, resolution: Resolution) -> Plan:
    """ADD COLUMN, any number of them. Raises 42701, 54011, and 0A000 for what Delta's columns do not have."""
    columns, keys = read_elements([command["def"] for command in commands], resolution)
    if keys or not all(column.nullable for column in columns):
        raise FeatureNotSupported("a column that is added to a lakehouse table can be NULL and is in no key")
    known, added, skipped = _names(table), [], []
    for command, column in zip(commands, columns, strict=True):
        if column.name in known and command.get("missing_ok"):
            skipped.append(DuplicateColumn(f"{_exists(column.name, table)}, skipping"))
            continue
        _admit_name(column.name, known, table)
        known.append(column.name)
        added.append(f"{_SPARK.identifier(column.name)} {delta_type(column.type)}")
    if len(known) > MOST_COLUMNS:
        raise ProgramLimitExceeded(f"tables can have at most {MOST_COLUMNS} columns")
    action = f"ADD COLUMNS ({', '.join(added)})" if added else ""
    return _altered(table, action, skipped, before=_feature_for(columns, table) if added else None)


def plan_dropped(commands: list[Node], table: ResolvedTable) -> Plan:
    """DROP COLUMN, any number of them. Raises 42703, and 0A000 for a table that keeps what it has."""
    known, dropped, skipped = _names(table), [], []
    for command in commands:
        if command["name"] in known:
            known.remove(command["name"])
            dropped.append(_SPARK.identifier(command["name"]))
        elif command.get("missing_ok"):
            skipped.append(SuccessfulCompletion(f"{_missing(command['name'], table)}, skipping"))
        else:
            raise UndefinedColumn(_missing(command["name"], table))
    if dropped:
        _require_mapping(table)
    return _altered(table, f"DROP COLUMNS ({', '.join(dropped)})" if dropped else "", skipped)


def plan_renamed(fields: Node, table: ResolvedTable) -> Plan:
    """RENAME COLUMN. Raises 42703, 42701, and 0A000 for a table that keeps what it has."""
    old, new, known = fields["subname"], fields["newname"], _names(table)
    if old not in known:
        raise UndefinedColumn(f'column "{old}" does not exist')
    _admit_name(new, known, table)
    _require_mapping(table)
    return _altered(table, f"RENAME COLUMN {_SPARK.identifier(old)} TO {_SPARK.identifier(new)}")


def _feature_for(columns: Iterable[Column], table: ResolvedTable) -> str | None:
    """What lets a table have such columns, None where it may: Delta does that itself for new tables only."""
    local = any(column.type.oid in _LOCAL for column in columns)
    if not local or _LOCAL_FEATURE in snapshot_of(table).reader_features:
        return None
    return f"{_head(table)} SET TBLPROPERTIES ('delta.feature.{_LOCAL_FEATURE}' = 'supported')"


def _head(table: ResolvedTable) -> str:
    return f"ALTER TABLE delta.{_SPARK.identifier(snapshot_of(table).location)}"


def _names(table: ResolvedTable) -> list[str]:
    return [column.name for column in snapshot_of(table).columns]


def _admit_name(name: str, known: Iterable[str], table: ResolvedTable) -> None:
    if name in SYSTEM_COLUMNS:
        raise DuplicateColumn(f'column name "{name}" conflicts with a system column name')
    if name in known:
        raise DuplicateColumn(_exists(name, table))


def _exists(name: str, table: ResolvedTable) -> str:
    return f'column "{name}" of relation "{table.name.name}" already exists'


def _missing(name: str, table: ResolvedTable) -> str:
    return f'column "{name}" of relation "{table.name.name}" does not exist'


def _require_mapping(table: ResolvedTable) -> None:
    if "columnMapping" not in snapshot_of(table).reader_features:
        raise FeatureNotSupported(
            f'columns of table "{table.name.name}" cannot be dropped or renamed: it has no column mapping',
            hint="Create it with TBLPROPERTIES ('delta.columnMapping.mode' = 'name').",
        )


def _altered(table: ResolvedTable, action: str, skipped: Iterable[SqlError] = (), *, before: str | None = None) -> Plan:
    """`skipped` is why there is less to do than was said; with no `action` it is nothing."""
    remarks = tuple(skipped)
    if not action:
        return Constant(_TAG, remarks=remarks)
    text, then = f"{_head(table)} {action}", SyncTable(table.name)
    return Query(
        Lane.SPARK,
        "writes run on Spark",
        text,
        _TAG,
        None,
        writes=table.name,
        then=then,
        before=before,
        remarks=remarks,
    )
