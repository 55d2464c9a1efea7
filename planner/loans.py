"""Loans: relations of PostgreSQL's (temporary tables, catalogs) that an engine reads beside lakehouse tables.

Their rows are copied, at the moment of the statement, into a Delta table of one version that lives as long as the
statement does. So everything that reads a lakehouse table reads them too. A column keeps PostgreSQL's type for the
translation; what is stored is the Delta type that holds all its values, and a type without such a one is refused where
its column is needed.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from catalog.changes import Privilege
from catalog.errors import FeatureNotSupported, ProgramLimitExceeded
from catalog.names import Role, TableName, TableReference, quote_identifier
from catalog.resolution import Resolution, ResolvedTable
from catalog.scans import DataFile
from catalog.snapshots import Snapshot, SnapshotColumn
from catalog.types import ELEMENT_OF, Oid, PgType, ResultColumn
from planner import tree
from planner.dialects.coercion import MAX_PRECISION, decimal, type_name
from planner.parse import Statement
from planner.relay import is_temporary
from planner.tree import Node

_PLAIN: Mapping[int, str] = {
    Oid.BOOL: "boolean",
    Oid.INT2: "short",
    Oid.INT4: "integer",
    Oid.INT8: "long",
    Oid.FLOAT4: "float",
    Oid.FLOAT8: "double",
    Oid.TEXT: "string",
    Oid.VARCHAR: "string",
    Oid.BPCHAR: "string",
    Oid.BYTEA: "binary",
    Oid.DATE: "date",
    Oid.TIMESTAMP: "timestamp_ntz",
    Oid.TIMESTAMPTZ: "timestamp",
}
_LENDABLE = frozenset({"Select", "Insert", "Update", "Delete", "Merge", "CreateTableAs"})
"""Kinds of statements in the postgres dialect; the SELECT in any other is a statement of its own."""
_TEXTS = frozenset({Oid.NAME, Oid.CHAR, Oid.UUID, Oid.JSON, Oid.JSONB})
"""Read as text."""


@dataclass(frozen=True, slots=True)
class LentColumn:
    """`read` is the type of what PostgreSQL is asked for by `sql`, `type` what the statement takes it for."""

    name: str
    type: PgType
    read: PgType
    sql: str
    delta_type: str

    @property
    def is_unmeasured(self) -> bool:
        """A numeric of which only the values tell how many digits it has."""
        return self.type == PgType(Oid.NUMERIC)

    def measured(self, whole: int, scale: int) -> "LentColumn":
        """The same with so many digits before and behind the point. Raises ProgramLimitExceeded."""
        if whole + scale > MAX_PRECISION:
            raise ProgramLimitExceeded(
                f'column "{self.name}" has numeric values of more than {MAX_PRECISION} digits',
                hint="Lakehouse tables hold 38 digits: round the values, or cast them to double precision.",
            )
        type_ = decimal(whole + scale, scale)
        return replace(self, type=type_, delta_type=_exact(type_))


def involves_lakehouse(statement: Statement, resolution: Resolution) -> bool:
    """Whether it names a lakehouse table, or makes one of what it reads."""
    if resolution.tables or statement.verb != "CreateTableAs":
        return bool(resolution.tables)
    return not is_temporary(tree.unwrap(statement.tree)[1]["into"]["rel"])


def find_lent(statement: Statement, resolution: Resolution) -> Mapping[TableName, Sequence[TableReference]]:
    """The relations that the statement reads beside lakehouse tables, by name, with where. Raises 0A000 for FOR VERSION
    AS OF one of them."""
    found: dict[TableName, list[TableReference]] = {}
    if statement.verb not in _LENDABLE or not involves_lakehouse(statement, resolution):
        return found
    for reference in statement.references:
        if reference in resolution.tables or reference.role is not Role.READ:
            continue
        if reference.version is not None:
            raise FeatureNotSupported("FOR VERSION AS OF is for lakehouse tables", position=reference.position)
        found.setdefault(TableName(reference.schema or "", reference.name), []).append(reference)
    return found


def name_relation(name: TableName) -> str:
    """As the statement names it: without a schema, the search path tells which it is."""
    return str(name) if name.schema else quote_identifier(name.name)


def choose_columns(statement: Statement, name: TableName, described: Iterable[ResultColumn]) -> tuple[LentColumn, ...]:
    """The columns that the statement can mean, and if it means none, one to count by. Raises 0A000 for a type that
    engines do not have."""
    columns = list(described)
    wanted = mentioned(statement.tree)
    if wanted is None:
        return tuple(_lend(column, name) for column in columns)
    chosen = [column for column in columns if column.name in wanted]
    return tuple(_lend(column, name) for column in chosen) or _countable(columns)


def mentioned(node: Node) -> Collection[str] | None:
    """The names that columns are meant by. None: all of them, for ``*``, NATURAL JOIN and renamed columns."""
    names = tree.column_names(node)
    if "*" in names:
        return None
    for kind, fields in tree.walk(node):
        if fields.get("isNatural") or (kind == "RangeVar" and fields.get("alias", {}).get("colnames")):
            return None
        names.update(tree.strings(fields.get("usingClause")) if kind == "JoinExpr" else ())
    return names


def select_rows(name: TableName, columns: Sequence[LentColumn]) -> str:
    """What PostgreSQL is asked for."""
    return f"SELECT {', '.join(column.sql for column in columns)} FROM {name_relation(name)}"


def select_digits(name: TableName, columns: Sequence[LentColumn]) -> str:
    """How many digits the values of numeric columns have, before the point and behind it."""
    quoted = (quote_identifier(column.name) for column in columns)
    listed = ", ".join(
        f"coalesce(max(length(trunc(abs({one}))::pg_catalog.text)), 1), coalesce(max(scale({one})), 0)"
        for one in quoted
    )
    return f"SELECT {listed} FROM {name_relation(name)}"


def lent_table(
    name: TableName, columns: Sequence[LentColumn], location: str, files: Sequence[DataFile], rows: int
) -> ResolvedTable:
    """The copy as a table that the statement may read: PostgreSQL has asked for the privileges."""
    table = TableName(name.schema or "pg_temp", name.name)
    listed = pa.table(
        {
            "path": pa.array([file.path for file in files], pa.string()),
            "size_bytes": pa.array([file.size for file in files], pa.int64()),
        }
    )
    snapshot = Snapshot(
        table=table,
        location=location,
        version=0,
        columns=tuple(
            SnapshotColumn(column.name, stored_name(number), column.delta_type, True, pg_type=column.type)
            for number, column in enumerate(columns)
        ),
        partition_columns=(),
        reader_features=frozenset(),
        has_deletion_vectors=False,
        uniform=True,
        size_bytes=sum(file.size for file in files),
        files=listed.append_column("num_records", pa.array([rows] * len(files), pa.int64())),
    )
    return ResolvedTable(table, frozenset({Privilege.SELECT}), snapshot, "")


def stored_name(number: int) -> str:
    """A name that any engine takes for a column, counted from 0."""
    return f"c{number + 1}"


def _lend(column: ResultColumn, relation: TableName) -> LentColumn:
    lent = _find_lent(column)
    if lent is None:
        raise FeatureNotSupported(
            f'column "{column.name}" of "{relation.name}" is of {_spell(column.type)}, which lakehouse tables do not '
            "have, and cannot be read beside them",
            hint="Name only other columns, or copy it as text into a temporary table.",
        )
    return lent


def _spell(type_: PgType) -> str:
    name = type_name(type_)
    return name if name.startswith("type ") else f"type {name}"


def _find_lent(column: ResultColumn) -> LentColumn | None:
    """None for a type without a counterpart."""
    type_, quoted = column.type, quote_identifier(column.name)
    if type_.oid in _PLAIN:
        return LentColumn(column.name, type_, type_, quoted, _PLAIN[type_.oid])
    if type_.oid in _TEXTS:
        return LentColumn(column.name, type_, PgType(Oid.TEXT), f"{quoted}::pg_catalog.text", "string")
    if type_.oid == Oid.OID:
        return LentColumn(column.name, type_, PgType(Oid.INT8), f"{quoted}::pg_catalog.int8", "long")
    if type_.oid == Oid.NUMERIC:
        return _lend_numeric(column, quoted)
    element = ELEMENT_OF.get(type_.oid, 0)
    if element in _PLAIN and element != Oid.BPCHAR:
        nested = {"type": "array", "elementType": _PLAIN[element], "containsNull": True}
        return LentColumn(column.name, type_, type_, quoted, json.dumps(nested))
    return None


def _lend_numeric(column: ResultColumn, quoted: str) -> LentColumn | None:
    precision, scale = column.type.precision_scale or (1, 0)
    if scale > precision or precision > MAX_PRECISION:
        return None
    # Its text is read a column at a time, its binary form is not.
    sql = f"{quoted}::pg_catalog.text"
    return LentColumn(column.name, column.type, PgType(Oid.TEXT), sql, _exact(decimal(precision, scale)))


def _exact(type_: PgType) -> str:
    precision, scale = type_.precision_scale or (MAX_PRECISION, 0)
    return f"decimal({precision},{scale})"


def _countable(columns: Sequence[ResultColumn]) -> tuple[LentColumn, ...]:
    """One column, the first that can be lent; a constant where none can."""
    found = next((lent for column in columns if (lent := _find_lent(column)) and not lent.is_unmeasured), None)
    number = PgType(Oid.INT4)
    return (found or LentColumn("?column?", number, number, "1", "integer"),)
