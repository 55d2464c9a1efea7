"""COPY … FROM STDIN … WHERE: which of the rows that came are loaded.

PostgreSQL judges the condition on the shadow, as that of a SELECT; Spark, which appends the rows, evaluates it, by the
same rewrites as that of any statement.
"""

from catalog.errors import FeatureNotSupported, SqlError, error_class
from catalog.names import TableName
from catalog.resolution import ResolvedTable
from planner import tree
from planner.bind import Column, Joined, Scope, Source
from planner.dialects.context import Context, snapshot_of
from planner.dialects.queries import Queries
from planner.parse import Statement
from planner.plan import Lane, Parameter, Settings
from planner.reads import SPELLINGS
from planner.shadow import column_type
from planner.syntax import scan
from planner.tree import Node

ROWS = "q"
"""What the staged rows are called."""


def has_condition(statement: Statement) -> bool:
    return "whereClause" in tree.unwrap(statement.tree)[1]


def reads_columns(statement: Statement) -> bool:
    return has_condition(statement) and bool(tree.column_names(_condition(statement)))


def refuse_subselects(statement: Statement) -> None:
    """Raises 0A000 for a condition that asks for more than its row."""
    for kind, fields in tree.walk(_condition(statement)):
        if kind == "SubLink":
            before = statement.parsed_text.encode()[: int(fields.get("location", 0))].decode()
            raise FeatureNotSupported("cannot use subquery in COPY FROM WHERE condition", position=len(before) + 1)


def select_of_condition(statement: Statement, table: TableName) -> tuple[str, int]:
    """A SELECT that PostgreSQL finds good if it does the condition, and how much further on that stands in the COPY."""
    text = statement.parsed_text
    where = next(token for token in scan(text) if token.text.upper() == "WHERE")
    prefix = f"SELECT FROM {table} WHERE"
    return prefix + text[where.end :], where.end - len(prefix)


def of_copy(error: SqlError, moved: int) -> SqlError:
    """What PostgreSQL says of that SELECT, as it says it of the COPY."""
    error.message = error.message.replace(" are not allowed in WHERE", " are not allowed in COPY FROM WHERE conditions")
    error.position = None if error.position is None else error.position + moved
    return error


def translate_condition(
    statement: Statement, table: ResolvedTable, given: frozenset[str], settings: Settings
) -> tuple[str, tuple[Parameter, ...]]:
    """The condition in Spark's SQL, on rows of the columns that are `given`: the others are NULL.

    Raises 0A000 without a rewrite, and 42P10 for a generated column, which has no value yet.
    """
    context = Context(statement, {}, SPELLINGS[Lane.SPARK], settings.customs, ())
    condition = _condition(statement)
    named = tree.column_names(condition)
    columns = []
    for column in snapshot_of(table).columns:
        if column.generation is not None and column.name in named:
            raise error_class("42P10")(
                "generated columns are not supported in COPY FROM WHERE conditions",
                detail=f'Column "{column.name}" is a generated column.',
            )
        type_, quoted = column_type(column), context.spelling.identifier(column.name)
        if column.identity is not None and column.name in named - given:
            raise FeatureNotSupported(f'identity column "{column.name}" has no value yet where COPY evaluates WHERE')
        sql = f"{ROWS}.{quoted}" if column.name in given else f"CAST(NULL AS {context.spelling.type(type_)})"
        columns.append(Column(column.name, sql, type_))
    source = Source(table.name.name, tuple(columns), table.name.schema)
    translated = Queries(context).expressions.condition(condition, Scope(Joined("", [source], columns)))
    return translated.sql, tuple(sorted(context.parameters.values(), key=lambda each: int(each.name[1:])))


def _condition(statement: Statement) -> Node:
    found: Node = tree.unwrap(statement.tree)[1]["whereClause"]
    return found
