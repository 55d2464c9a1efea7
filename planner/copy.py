"""COPY … TO STDOUT and COPY … FROM STDIN.

TO is a SELECT whose rows are written in another form: `CopyTo` says which. FROM is an INSERT out of files that the
gateway has made of what the client sent: `CopyFrom` says what is expected, `plan_load` how they get into the table.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from catalog.changes import Privilege
from catalog.errors import (
    DuplicateColumn,
    FeatureNotSupported,
    InsufficientPrivilege,
    ObjectNotInPrerequisiteState,
    UndefinedColumn,
    error_class,
)
from catalog.names import TableName, quote_identifier
from catalog.resolution import Resolution
from catalog.snapshots import Snapshot
from catalog.types import ELEMENT_OF, Oid, ResultColumn
from planner import tree
from planner.appends import find_obstacle
from planner.authorize import require
from planner.copyoptions import EVERY, CopyOptions, read_options
from planner.copywhere import ROWS, has_condition, reads_columns, translate_condition
from planner.dialects.context import snapshot_of
from planner.parse import Statement
from planner.plan import Lane, Parameter, Query, Settings
from planner.reads import SPELLINGS
from planner.route import refuse_forced, refuse_objects
from planner.shadow import column_type
from planner.syntax import scan
from planner.tree import Node

VERB = "Copy"
_READS = frozenset({"SelectStmt"})
_UNLOADED = frozenset({Oid.JSONB, Oid.JSON, Oid.INTERVAL})


@dataclass(frozen=True, slots=True)
class CopyTo:
    """`query` is the SELECT of the rows, as long as the statement up to its end, so that positions count in that.
    `table` is the relation that was named instead of a query, and `columns` what of it (empty: all)."""

    query: str
    table: str | None
    columns: tuple[str, ...]
    options: CopyOptions

    def select(self, known: Sequence[str]) -> str:
        """The SELECT of the named columns, out of those that the relation has. Raises SqlError."""
        if self.table is None:
            return self.query
        names = check_columns(self.columns, known, self.table)
        return self.query.replace("*", ", ".join(map(quote_identifier, names)), 1)


@dataclass(frozen=True, slots=True)
class CopyFrom:
    """What is to be read: values of `columns`, in that order; `table_columns` and `required` are all columns and those
    that are never NULL. `condition` is Spark's SQL of what a row must meet, with `parameters`. `obstacle` is why the
    gateway cannot append them itself."""

    table: TableName
    columns: tuple[ResultColumn, ...]
    table_columns: tuple[ResultColumn, ...]
    required: frozenset[str]
    options: CopyOptions
    snapshot: Snapshot
    obstacle: str | None
    condition: str | None = None
    parameters: tuple[Parameter, ...] = ()

    @property
    def judged(self) -> frozenset[str]:
        """The columns whose NULLs are refused as they come: rows that a condition leaves out may have them."""
        return frozenset() if self.condition is not None else self.required


def read_copy(statement: Statement) -> CopyTo | CopyOptions:
    """What a COPY says: the whole of COPY TO, of COPY FROM its options. Raises SqlError."""
    _, fields = tree.unwrap(statement.tree)
    is_from = bool(fields.get("is_from"))
    if statement.explain_route:
        raise FeatureNotSupported("EXPLAIN (ROUTE) does not take COPY", hint="Explain the SELECT in it.")
    if "query" not in fields and any(reference.version is not None for reference in statement.references):
        raise FeatureNotSupported(
            "COPY of a table takes its present version", hint="Write COPY (SELECT … FOR VERSION AS OF …) TO STDOUT."
        )
    _refuse_files(fields, is_from=is_from)
    source = statement.parsed_text.encode()
    options = read_options(
        fields.get("options", []), is_from=is_from, place=lambda byte: len(source[:byte].decode()) + 1
    )
    if is_from:
        return options
    columns = tuple(tree.strings(fields.get("attlist")))
    if "query" not in fields:
        return CopyTo(_select_all(statement), fields["relation"]["relname"], columns, options)
    kind, query = tree.unwrap(fields["query"])
    if kind not in _READS:
        raise FeatureNotSupported("COPY query must be a SELECT", hint="Run the change, then COPY a SELECT.")
    if "intoClause" in query:
        raise FeatureNotSupported("COPY (SELECT INTO) is not supported")
    return CopyTo(_inner(statement.text), None, (), options)


def _select_all(statement: Statement) -> str:
    """A SELECT of all of the relation that a COPY names."""
    relation = statement.tree["CopyStmt"]["relation"]
    names = [relation[part] for part in ("catalogname", "schemaname", "relname") if part in relation]
    return f"SELECT * FROM {'.'.join(map(quote_identifier, names))}"


def _refuse_files(fields: Node, *, is_from: bool) -> None:
    if not fields.get("filename") and not fields.get("is_program"):
        return
    way = "from" if is_from else "to"
    what, role = ("a file", "pg_read_server_files" if is_from else "pg_write_server_files")
    if fields.get("is_program"):
        way, what, role = "to or from", "an external program", "pg_execute_server_program"
    raise InsufficientPrivilege(
        f"permission denied to COPY {way} {what}",
        detail=f'Only roles with privileges of the "{role}" role may COPY {way} {what}.',
        hint="Anyone can COPY to stdout or from stdin. psql's \\copy command also works for anyone.",
    )


def _inner(text: str) -> str:
    """The query in the parentheses of COPY (…), behind as many blanks as stand before it."""
    depth, start = 0, 0
    for token in scan(text):
        if token.text == "(":
            depth += 1
            start = start or token.end
        elif token.text == ")":
            depth -= 1
            if depth == 0:
                return " " * start + text[start : token.start]
    raise FeatureNotSupported("the query of this COPY could not be found in its text")


def check_columns(names: Sequence[str], known: Sequence[str], table: str) -> Sequence[str]:
    """The columns that are meant; all where none is named. Raises SqlError."""
    for number, name in enumerate(names):
        if name not in known:
            raise UndefinedColumn(f'column "{name}" of relation "{table}" does not exist')
        if name in names[:number]:
            raise DuplicateColumn(f'column "{name}" specified more than once')
    return names or known


def find_forced(
    option: str, names: Sequence[str], columns: Sequence[str], known: Sequence[str], table: str | None
) -> list[int]:
    """The numbers, from 0, of the columns that an option such as FORCE_QUOTE names, `known` being the table's. Raises
    SqlError."""
    if names == EVERY:
        return list(range(len(columns)))
    if table is not None:
        check_columns(names, known, table)
    for name in names:
        if name not in columns and table is None:
            raise UndefinedColumn(f'column "{name}" does not exist')
        if name not in columns:
            raise error_class("42P10")(f'{option} column "{name}" not referenced by COPY')
    return [columns.index(name) for name in names]


def plan_intake(statement: Statement, options: CopyOptions, resolution: Resolution, settings: Settings) -> CopyFrom:
    """What a COPY FROM of a lakehouse table reads. Raises 42501 without INSERT, 0A000 for what cannot be loaded."""
    _, fields = tree.unwrap(statement.tree)
    (table,) = resolution.tables.values()
    require(table, {Privilege.INSERT, Privilege.SELECT} if reads_columns(statement) else {Privilege.INSERT})
    snapshot = snapshot_of(table)
    obstacle = "a condition is Spark's to judge" if has_condition(statement) else find_obstacle(snapshot)
    if settings.lane is Lane.DUCKDB and obstacle is not None:
        raise refuse_forced(Lane.DUCKDB, obstacle)
    if options.freeze:
        raise ObjectNotInPrerequisiteState(
            "cannot perform COPY FREEZE because the table was not created or truncated in the current subtransaction"
        )
    every = tuple(ResultColumn(column.name, column_type(column)) for column in snapshot.columns)
    types = {column.name: column for column in every}
    names = check_columns(tree.strings(fields.get("attlist")), list(types), table.name.name)
    for name in names:
        oid = types[name].type.oid
        if ELEMENT_OF.get(oid, oid) in _UNLOADED:
            raise FeatureNotSupported(f'column "{name}" of a nested type cannot be written in the postgres dialect')
    required = frozenset(column.name for column in snapshot.columns if not column.nullable)
    copy = CopyFrom(table.name, tuple(types[name] for name in names), every, required, options, snapshot, obstacle)
    if not has_condition(statement):
        return copy
    condition, parameters = translate_condition(statement, table, frozenset(names), settings)
    return replace(copy, condition=condition, parameters=parameters)


def plan_load(copy: CopyFrom, resolution: Resolution, folder: str) -> Query:
    """The Spark statement that appends the Parquet files of a folder, in one commit."""
    spelling = SPELLINGS[Lane.SPARK]
    listed = ", ".join(spelling.identifier(column.name) for column in copy.columns)
    target, source = spelling.identifier(copy.snapshot.location), spelling.identifier(folder)
    where = "" if copy.condition is None else f" WHERE {copy.condition}"
    sql = f"INSERT INTO delta.{target} ({listed}) SELECT {listed} FROM parquet.{source} AS {ROWS}{where}"
    query = Query(Lane.SPARK, "writes run on Spark", sql, "COPY", None, copy.parameters, writes=copy.table)
    refuse_objects(query, resolution)
    return query
