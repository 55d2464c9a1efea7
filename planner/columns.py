"""Columns of lakehouse tables in the postgres dialect: how Delta spells their types, and ALTER TABLE … ADD, DROP and
RENAME COLUMN.

What PostgreSQL has against a column's name is said here; the gateway changes the table's log where it knows all that
the table asks of a writer, else Spark does, and the shadow follows.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from catalog.alteration import Alteration
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
from catalog.snapshots import Snapshot, SnapshotColumn
from catalog.statistics import NAMED
from catalog.types import ARRAY_OF, ELEMENT_OF, Oid, PgType
from planner.appends import MAPPING, find_obstacle
from planner.dialects.context import snapshot_of
from planner.dialects.expression import Unverified
from planner.dialects.spelling import engine_type
from planner.elements import Column, read_elements
from planner.newtables import make_column
from planner.plan import Constant, Lane, Plan, Query
from planner.puts import Put
from planner.reads import SPELLINGS
from planner.route import refuse_forced
from planner.tree import Node

ADD, DROP = "AT_AddColumn", "AT_DropColumn"
_SPARK = SPELLINGS[Lane.SPARK]
_TAG = "ALTER TABLE"
_HERE = "the gateway writes the table's log itself"
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


def plan_added(commands: list[Node], table: ResolvedTable, resolution: Resolution, lane: Lane | None) -> Plan:
    """ADD COLUMN, any number of them. Raises 42701, 54011, and 0A000 for what Delta's columns do not have."""
    columns, keys = read_elements([command["def"] for command in commands], resolution)
    if keys or not all(column.nullable for column in columns):
        raise FeatureNotSupported("a column that is added to a lakehouse table can be NULL and is in no key")
    known, added, made, skipped = _names(table), [], [], []
    for command, column in zip(commands, columns, strict=True):
        if column.name in known and command.get("missing_ok"):
            skipped.append(DuplicateColumn(f"{_exists(column.name, table)}, skipping"))
            continue
        _admit_name(column.name, known, table)
        known.append(column.name)
        added.append(f"{_SPARK.identifier(column.name)} {delta_type(column.type)}")
        made.append(make_column(column))
    if len(known) > MOST_COLUMNS:
        raise ProgramLimitExceeded(f"tables can have at most {MOST_COLUMNS} columns")
    if not added:
        return Constant(_TAG, remarks=tuple(skipped))
    before = _feature_for(columns, table)
    changed = _Altered(f"ADD COLUMNS ({', '.join(added)})", _alteration(made, known, before), before, tuple(skipped))
    return changed.plan(table, lane)


def plan_dropped(commands: list[Node], table: ResolvedTable, lane: Lane | None) -> Plan:
    """DROP COLUMN, any number of them. Raises 42703, and 0A000 for a table that keeps what it has."""
    known, dropped, skipped = _names(table), [], []
    for command in commands:
        if command["name"] in known:
            known.remove(command["name"])
            dropped.append(command["name"])
        elif command.get("missing_ok"):
            skipped.append(SuccessfulCompletion(f"{_missing(command['name'], table)}, skipping"))
        else:
            raise UndefinedColumn(_missing(command["name"], table))
    if not dropped:
        return Constant(_TAG, remarks=tuple(skipped))
    _require_mapping(table)
    alteration = Alteration(dropped=tuple(dropped)) if known else None
    action = f"DROP COLUMNS ({', '.join(map(_SPARK.identifier, dropped))})"
    return _Altered(action, alteration, remarks=tuple(skipped)).plan(table, lane)


def plan_renamed(fields: Node, table: ResolvedTable, lane: Lane | None) -> Plan:
    """RENAME COLUMN. Raises 42703, 42701, and 0A000 for a table that keeps what it has."""
    old, new, known = fields["subname"], fields["newname"], _names(table)
    if old not in known:
        raise UndefinedColumn(f'column "{old}" does not exist')
    _admit_name(new, known, table)
    _require_mapping(table)
    alteration = None if new.casefold() in {name.casefold() for name in known} else Alteration(renamed=(old, new))
    action = f"RENAME COLUMN {_SPARK.identifier(old)} TO {_SPARK.identifier(new)}"
    return _Altered(action, alteration).plan(table, lane)


def _alteration(made: Sequence[SnapshotColumn | None], names: Sequence[str], before: str | None) -> Alteration | None:
    """None where Spark has to add them."""
    columns = tuple(column for column in made if column is not None)
    if before is not None or len(columns) < len(made) or len({name.casefold() for name in names}) < len(names):
        return None
    return Alteration(added=columns)


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
    """A table may name the feature and map nothing, any more."""
    if snapshot_of(table).log.properties.get(MAPPING, "none") == "none":
        raise FeatureNotSupported(
            f'columns of table "{table.name.name}" cannot be dropped or renamed: it has no column mapping',
            hint="Create it with TBLPROPERTIES ('delta.columnMapping.mode' = 'name').",
        )


@dataclass(frozen=True, slots=True)
class _Altered:
    """What becomes of a table: Spark's `action`, and the gateway's `alteration`, None where there is none. `before` is
    what Spark has to do first."""

    action: str
    alteration: Alteration | None
    before: str | None = None
    remarks: tuple[SqlError, ...] = ()

    def plan(self, table: ResolvedTable, lane: Lane | None) -> Query:
        """By the gateway where it may be. Raises FeatureNotSupported for a forced lane that does not do it."""
        then = SyncTable(table.name)
        if lane is not Lane.SPARK:
            obstacle = self._obstacle(snapshot_of(table))
            if obstacle is None:
                put = Put(snapshot_of(table), alters=self.alteration)
                query = Query(Lane.DUCKDB, _HERE, "", _TAG, None, writes=table.name, then=then, put=put)
                return replace(query, remarks=self.remarks)
            if lane is Lane.DUCKDB:
                raise refuse_forced(Lane.DUCKDB, obstacle)
        text = f"{_head(table)} {self.action}"
        query = Query(Lane.SPARK, "writes run on Spark", text, _TAG, None, writes=table.name, then=then)
        return replace(query, before=self.before, remarks=self.remarks)

    def _obstacle(self, table: Snapshot) -> str | None:
        if self.alteration is None:
            return "only Spark makes, or refuses, such columns"
        if self.alteration.added:
            return find_obstacle(table)
        if NAMED in table.log.properties:
            return f"a property of table {table.table.name} names columns"
        return find_obstacle(table, mapped=True)
