"""Spark's dialect: text to statements by sqlglot, checked node by node before anything else.

Only node kinds and functions that are listed pass; sqlglot's opaque Command, hints, parameters and every kind that is
not understood are refused. Statements about the session, roles and grants are PostgreSQL's in this dialect too.
"""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import TokenType

from catalog.errors import FeatureNotSupported, SqlSyntaxError
from catalog.names import Role, TableReference, quote_identifier
from planner.sparkfunctions import ALLOWED, FOLDED

# sqlglot would write statements that it cannot parse into the log, with whatever they hold.
logging.getLogger("sqlglot").setLevel(logging.CRITICAL)

SESSION_WORDS = frozenset(
    ["SET", "RESET", "BEGIN", "START", "COMMIT", "ROLLBACK", "END", "ABORT", "DISCARD", "DEALLOCATE", "GRANT", "REVOKE"]
)
_SETTINGS = re.compile(
    r"(?is)(RESET\s+ALL|(RESET|SET)\s+(SESSION\s+|LOCAL\s+)?(lakegate\.\w+|search_path|timezone|time\s+zone|application_name"
    r"|statement_timeout|client_encoding|client_min_messages|datestyle|intervalstyle|extra_float_digits|bytea_output"
    r"|role|session\s+authorization|transaction|session\s+characteristics)\b.*)"
)
_ROUTE = re.compile(r"(?i)\s*EXPLAIN\s*\(\s*ROUTE\s*\)")
_NAME = r"(`(?:[^`]|``)+`|\w+)"
_USE = re.compile(rf"(?is)USE\s+(?:(?:SCHEMA|DATABASE|NAMESPACE)\s+)?{_NAME}")
_SHOW_TABLES = re.compile(rf"(?is)SHOW\s+TABLES(?:\s+(?:IN|FROM)\s+{_NAME})?")
_SHOW_SCHEMAS = re.compile(r"(?is)SHOW\s+(?:SCHEMAS|DATABASES|NAMESPACES)")
_SHOW_COLUMNS = re.compile(rf"(?is)SHOW\s+COLUMNS\s+(?:IN|FROM)\s+((?:{_NAME}\.)?{_NAME})")
_ROLES = re.compile(r"(?is)(CREATE|ALTER|DROP)\s+(USER|ROLE|GROUP)\b")

_FAMILIES = (exp.Binary, exp.Unary, exp.SetOperation)
_NODES: frozenset[type[exp.Expr]] = frozenset(
    {
        exp.Alias, exp.Aliases, exp.All, exp.Alter, exp.Any, exp.Between, exp.Boolean, exp.Bracket, exp.CTE,
        exp.Cluster, exp.Column, exp.ColumnConstraint, exp.ColumnDef, exp.CommentColumnConstraint, exp.Create,
        exp.Cube, exp.DataType, exp.DataTypeParam, exp.Delete, exp.Describe, exp.Distinct, exp.Distribute,
        exp.Dot, exp.Drop, exp.Escape, exp.FileFormatProperty, exp.Filter, exp.From, exp.Group, exp.GroupingSets,
        exp.Having, exp.Identifier, exp.IgnoreNulls, exp.In, exp.Insert, exp.Interval, exp.Join, exp.Lambda,
        exp.Lateral, exp.Limit, exp.Literal, exp.Merge, exp.NotNullColumnConstraint, exp.Null, exp.Offset,
        exp.Order, exp.Ordered, exp.Paren, exp.PartitionedByProperty, exp.Properties, exp.Property,
        exp.PropertyEQ, exp.Qualify, exp.RenameColumn, exp.RespectNulls, exp.Rollup, exp.Schema,
        exp.SchemaCommentProperty, exp.Select, exp.Slice, exp.Sort, exp.Star, exp.Subquery, exp.Table,
        exp.TableAlias, exp.TableSample, exp.TruncateTable, exp.Tuple, exp.Update, exp.Values, exp.Var,
        exp.Version, exp.When, exp.Whens, exp.Where, exp.Window, exp.WindowSpec, exp.With, exp.WithinGroup,
    }
)  # fmt: skip
_HIDDEN_COLUMNS = frozenset({"_metadata"})


@dataclass(frozen=True, slots=True)
class SparkStatement:
    """`postgres` is the statement in PostgreSQL's dialect where that is what it means; `tree` sqlglot's otherwise."""

    text: str
    offset: int
    verb: str
    references: tuple[TableReference, ...] = ()
    explain_route: bool = False
    tree: exp.Expr | None = None
    postgres: str | None = None


def parse(text: str) -> Iterator[SparkStatement]:
    """Raises `SqlSyntaxError` for what sqlglot cannot parse, `FeatureNotSupported` for what is not allowed.

    EXPLAIN (ROUTE) may stand before the first statement of a text.
    """
    route = _ROUTE.match(text)
    if route:
        text = " " * route.end() + text[route.end() :]
    for number, (start, end) in enumerate(_split(text)):
        yield _parse_one(text[start:end], start, explain=route is not None and number == 0)


def _split(text: str) -> Iterator[tuple[int, int]]:
    """Where the statements are. sqlglot's SHOW and the like are one token up to the semicolon."""
    try:
        tokens = sqlglot.tokenize(text, read="spark")
    except SqlglotError as error:
        raise SqlSyntaxError(f"syntax error: {_first_line(error)}") from None
    start: int | None = None
    end = 0
    for token in tokens:
        if token.token_type is TokenType.SEMICOLON:
            if start is not None:
                yield start, end
            start = None
        else:
            start, end = token.start if start is None else start, token.end + 1
    if start is not None:
        yield start, end


def _first_line(error: Exception) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", str(error)).splitlines()[0].rstrip(".").lower()


def _parse_one(text: str, offset: int, *, explain: bool) -> SparkStatement:
    word = re.match(r"\w*", text)
    first = word[0].upper() if word else ""
    if first in SESSION_WORDS or _ROLES.match(text):
        if first in ("SET", "RESET") and not _SETTINGS.fullmatch(text):
            raise FeatureNotSupported("this setting cannot be changed", hint="Engine settings are the gateway's.")
        return SparkStatement(text, offset, "Session", postgres=text)
    if use := _USE.fullmatch(text):
        return SparkStatement(
            text, offset, "Session", postgres=f"SET search_path TO {quote_identifier(folded(use[1]))}"
        )
    if first == "SHOW":
        return _show(text, offset)
    tree = _tree(text, offset)
    return SparkStatement(text, offset, type(tree).__name__, tuple(_references(tree, offset)), explain, tree)


def _tree(text: str, offset: int) -> exp.Expr:
    try:
        tree = sqlglot.parse_one(text, read="spark")
    except SqlglotError as error:
        raise SqlSyntaxError(f"syntax error: {_first_line(error)}", position=offset + 1) from None
    _check(tree)
    return tree


def _show(text: str, offset: int) -> SparkStatement:
    """SHOW TABLES, SCHEMAS and COLUMNS. What the shadows tell is asked of PostgreSQL."""
    if show := _SHOW_TABLES.fullmatch(text):
        schema = "'" + folded(show[1]).replace("'", "''") + "'" if show[1] else "current_schema()"
        listing = (
            'SELECT table_schema::text AS namespace, table_name::text AS "tableName", false AS "isTemporary" '
            f"FROM information_schema.tables WHERE table_schema = {schema} ORDER BY 2"
        )
        return SparkStatement(text, offset, "Session", postgres=listing)
    if _SHOW_SCHEMAS.fullmatch(text):
        return SparkStatement(text, offset, "ShowSchemas")
    if show := _SHOW_COLUMNS.fullmatch(text):
        tree = _tree(f"DESCRIBE {show[1]}", offset)
        references = tuple(_references(tree, offset + show.start(1) - len("DESCRIBE ")))
        return SparkStatement(text, offset, "ShowColumns", references, tree=tree)
    raise FeatureNotSupported("this SHOW is not supported", hint="SHOW TABLES, SCHEMAS or COLUMNS IN a table.")


def folded(name: str) -> str:
    """A name as the catalog holds it: in lower case unless quoted."""
    return name[1:-1].replace("``", "`") if name.startswith("`") else name.lower()


def _check(tree: exp.Expr) -> None:
    for node in tree.walk():
        if isinstance(node, exp.Func) and not isinstance(node, exp.Binary):
            _check_function(node)
        elif type(node) not in _NODES and not isinstance(node, _FAMILIES):
            what = str(node.this).split(" ")[0] if isinstance(node, exp.Command) else type(node).__name__
            raise FeatureNotSupported(f"{what.upper()} is not supported in the spark dialect")
        if isinstance(node, exp.Identifier) and node.name.lower() in _HIDDEN_COLUMNS:
            raise FeatureNotSupported(f'column "{node.name}" is not supported in the spark dialect')
        if isinstance(node, exp.Version) and node.this != "VERSION":
            raise FeatureNotSupported("time travel takes VERSION AS OF a number")


def _check_function(node: exp.Func) -> None:
    if isinstance(node, exp.Anonymous | exp.AnonymousAggFunc):
        names = [node.name.lower()]
    else:
        names = [name.lower() for name in type(node).sql_names()]
        rendered = re.match(r"\s*([A-Za-z_]\w*)\s*\(", node.sql(dialect="spark", comments=False))
        names += [rendered[1].lower()] if rendered else []
    if not ALLOWED & set(names) and not FOLDED & set(names):
        raise FeatureNotSupported(f"function {names[0]}() is not supported in the spark dialect")


def _references(tree: exp.Expr, offset: int) -> Iterator[TableReference]:
    written = _written(tree)
    for table in tables(tree):
        version = table.args.get("version")
        number = int(version.expression.name) if version is not None and version.expression.name.isdigit() else None
        if version is not None and number is None:
            raise FeatureNotSupported("time travel takes VERSION AS OF a number")
        start = (table.args.get("catalog") or table.args.get("db") or table.this).meta.get("start", 0)
        yield TableReference(
            name=name_of(table.this),
            schema=name_of(table.args.get("db")) or None,
            catalog=name_of(table.args.get("catalog")) or None,
            role=written.get(id(table), Role.READ),
            version=number,
            position=offset + start + 1,
        )


def name_of(identifier: exp.Expr | None) -> str:
    if not isinstance(identifier, exp.Identifier):
        return ""
    return identifier.name if identifier.args.get("quoted") else identifier.name.lower()


def _written(tree: exp.Expr) -> dict[int, Role]:
    target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    if isinstance(tree, exp.TruncateTable):
        return {id(table): Role.WRITE for table in tree.expressions}
    if isinstance(tree, exp.Insert | exp.Update | exp.Delete | exp.Merge):
        return {id(target): Role.WRITE}
    if isinstance(tree, exp.Create):
        return {id(target): Role.CREATE}
    if isinstance(tree, exp.Alter):
        return {id(target): Role.WRITE}  # its snapshot is needed
    return {id(target): Role.OBJECT} if isinstance(tree, exp.Drop) else {}


def tables(tree: exp.Expr) -> Iterator[exp.Table]:
    """The tables that a statement names, CTEs left out by their scope."""
    if isinstance(tree, exp.Create | exp.Drop) and str(tree.args.get("kind", "")).upper() in ("SCHEMA", "DATABASE"):
        return
    for table in tree.find_all(exp.Table):
        if isinstance(table.this, exp.Func):
            continue
        if not isinstance(table.this, exp.Identifier):
            raise FeatureNotSupported("this relation is not supported in the spark dialect")
        if table.args.get("db") is not None or not _is_cte(table):
            yield table


def _is_cte(table: exp.Table) -> bool:
    """Whether a WITH around it, before the CTE that holds it, defines its name."""
    name, around = table.name.lower(), table.parent
    inside: exp.Expr | None = None
    while around is not None:
        if isinstance(around, exp.CTE):
            inside = around
        with_ = around.args.get("with_")
        if with_ is not None:
            visible = with_.expressions
            if inside is not None and any(cte is inside for cte in visible):
                visible = visible[: [cte is inside for cte in visible].index(True)]
                inside = None
            if any(cte.alias.lower() == name for cte in visible):
                return True
        around = around.parent
    return False
