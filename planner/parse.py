"""Text to statements, once: behind a bounded cache keyed by the exact text.

In the postgres dialect PostgreSQL's own parser (`lakegate_native`) splits, names relations and functions, and gives the
raw tree that is bound and translated. In the spark dialect sqlglot parses, and what it cannot is refused.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache

from sqlglot import exp

import lakegate_native
from catalog.errors import CharacterNotInRepertoire, SqlError, SqlSyntaxError, StatementTooComplex
from catalog.names import Role, TableReference
from planner import sparksql, tree
from planner.plan import Dialect
from planner.syntax import Extracted, TableOptions, extract, scan
from planner.tree import Node

_CACHED_TEXTS = 2048
_IMMUTABLE_NODES = frozenset(
    {
        "SelectStmt",
        "ResTarget",
        "A_Const",
        "String",
        "ParamRef",
        "A_Expr",
        "BoolExpr",
        "NullTest",
        "CaseExpr",
        "CaseWhen",
    }
)
_IMMUTABLE_TYPES = frozenset({"int2", "int4", "int8", "text", "bool", "float8", "numeric", "varchar"})
_ENDS = ("TRANS_STMT_COMMIT", "TRANS_STMT_ROLLBACK", "TRANS_STMT_ROLLBACK_TO")
_LONGEST_CACHED = 65_536
_QUERY_WORDS = {"DeclareCursorStmt": "FOR", "PrepareStmt": "AS"}
"""After which word the query begins, by the node of what holds it. Both are reserved: no name before can be them."""
_PARAMETERS = re.compile(r'"ParamRef":\{"number":(\d+),"location":(\d+)\}')
"""In the tree's JSON, where a string would have its quotes escaped."""
_TOO_DEEP = "stack depth limit exceeded"
_INVALID_BYTES = "invalid byte sequence for encoding"
_EXPLAIN_WORDS = frozenset({"ANALYZE", "ANALYSE", "VERBOSE"})


@dataclass(frozen=True, eq=False, slots=True)
class Statement:
    """One statement. Compared by identity: equal texts come from the cache as the same object.

    `text` is what the client sent, from character `offset` of the whole; `verb` is the kind of its parse node without
    ``Stmt`` (``Select``, ``Insert``, ``VariableSet``…), in the spark dialect sqlglot's. `parsed_text` is as long,
    with our own syntax blanked; `describable` is what PostgreSQL should describe: the same, or None in the spark
    dialect, for EXPLAIN (ROUTE), and for what begins and ends transactions, where there is nothing to describe.
    Positions in `references` count from 1 in the whole text. `ends_block`: COMMIT or ROLLBACK, or ROLLBACK TO, which
    ends a part of it: what a failed block still takes. `immutable`: PostgreSQL's answer depends only on text,
    parameters and settings. `query` is what a DECLARE reads, a PREPARE prepares or an EXPLAIN explains, `fetches` the
    name of the cursor whose rows a FETCH gives, `executes` that of the prepared statement that an EXECUTE runs.
    `source`: the whole text. `parameter`: the number of the first, and where it is in `text`, from 1.
    """

    text: str
    offset: int
    dialect: Dialect
    verb: str
    parsed_text: str
    references: tuple[TableReference, ...] = ()
    functions: tuple[tuple[str | None, str], ...] = ()
    describable: str | None = None
    explain_route: bool = False
    ends_block: bool = False
    immutable: bool = False
    parameter: tuple[int, int] | None = None
    tree: Node = field(default_factory=dict, repr=False)
    options: TableOptions | None = None
    spark: exp.Expr | None = field(default=None, repr=False)
    query: "Statement | None" = None
    fetches: str | None = None
    executes: str | None = None
    source: str = field(default="", repr=False)

    @property
    def borrows(self) -> bool:
        """Whether its columns are those of a cursor or a prepared statement, whichever has the name by then."""
        return self.fetches is not None or self.executes is not None

    def places(self) -> Iterator[tuple[TableReference, int]]:
        """Where the tree has the references: bytes in `parsed_text`."""
        for reference in self.references:
            if reference.position is not None:
                yield reference, len(self.parsed_text[: reference.position - 1 - self.offset].encode())


def parse(text: str, dialect: Dialect) -> tuple[Statement, ...]:
    """The statements of a text; empty ones are left out.

    Raises `SqlSyntaxError` in PostgreSQL's words with its position, `StatementTooComplex` for a tree nested too deeply,
    `CharacterNotInRepertoire` for escapes that are no UTF-8, `FeatureNotSupported` for what the spark dialect's parser
    does not know.
    """
    if len(text) > _LONGEST_CACHED:
        return _parse(text, dialect)
    return _parse_cached(text, dialect)


@lru_cache(maxsize=_CACHED_TEXTS)
def _parse_cached(text: str, dialect: Dialect) -> tuple[Statement, ...]:
    return _parse(text, dialect)


def _parse(text: str, dialect: Dialect) -> tuple[Statement, ...]:
    if dialect is Dialect.SPARK:
        return tuple(_spark_statements(text))
    found = extract(text)
    try:
        parsed = lakegate_native.parse_statements(found.text)
    except lakegate_native.SqlParseError as error:
        raise _refusal(error) from None
    return tuple(_statement(text, found, one) for one in parsed)


def _refusal(error: lakegate_native.SqlParseError) -> SqlError:
    """The parser gives no SQLSTATE: its words tell which."""
    if error.message == _TOO_DEEP:
        return StatementTooComplex(error.message)
    if error.message.startswith(_INVALID_BYTES):
        return CharacterNotInRepertoire(error.message, position=error.position)
    return SqlSyntaxError(error.message, position=error.position)


def _statement(text: str, found: Extracted, parsed: lakegate_native.ParsedStatement) -> Statement:
    end = parsed.offset + len(parsed.text)
    before = max((cut for cut in found.routes if cut < end), default=-1)
    is_route = before >= 0 and not found.text[before : parsed.offset].strip()
    options = next((o for o in found.options if parsed.offset <= o.start < end), None)
    raw_tree = parsed.tree
    parsed_tree: Node = json.loads(raw_tree)
    return Statement(
        text=text[parsed.offset : end],
        offset=parsed.offset,
        dialect=Dialect.POSTGRES,
        verb=parsed.node.removesuffix("Stmt"),
        references=tuple(_references(found, parsed, parsed_tree)),
        parsed_text=parsed.text,
        functions=tuple(parsed.functions),
        describable=None if is_route or parsed.node == "TransactionStmt" else parsed.text,
        explain_route=is_route,
        ends_block=_ends_block(parsed_tree),
        parameter=_first_parameter(raw_tree, parsed.text),
        immutable=not parsed.relations and not parsed.functions and _is_immutable(parsed_tree),
        tree=parsed_tree,
        options=options,
        query=_find_query(text, parsed.offset, end, parsed_tree),
        fetches=_find_cursor(parsed_tree),
        executes=parsed_tree["ExecuteStmt"]["name"] if parsed.node == "ExecuteStmt" else None,
        source=text,
    )


def _find_query(source: str, offset: int, end: int, node: Node) -> Statement | None:
    """What a DECLARE reads, a PREPARE prepares or an EXPLAIN explains, as a statement of the whole text."""
    kind, fields = tree.unwrap(node)
    text = source[offset:end]
    if kind in _QUERY_WORDS:
        start = next(token.end for token in scan(text) if token.word == _QUERY_WORDS[kind])
    elif kind == "ExplainStmt":
        start = _end_of_options(text) if fields.get("options") else scan(text)[0].end
    else:
        return None
    (query,) = _parse(text[start:], Dialect.POSTGRES)
    moved = tuple(
        reference if reference.position is None else replace(reference, position=reference.position + offset + start)
        for reference in query.references
    )
    return replace(query, offset=query.offset + offset + start, references=moved, source=source)


def _end_of_options(text: str) -> int:
    """Where the options of an EXPLAIN end: a list in parentheses, or words."""
    tokens = scan(text)[1:]
    if tokens[0].text != "(":
        return next(token.start for token in tokens if token.word not in _EXPLAIN_WORDS)
    depth = 0
    for token in tokens:
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0:
            return token.end
    raise AssertionError("PostgreSQL's parser has seen where the list ends")


def _find_cursor(node: Node) -> str | None:
    fetch = node.get("FetchStmt")
    return None if fetch is None or fetch.get("ismove") else fetch.get("portalname", "")


def _references(found: Extracted, parsed: lakegate_native.ParsedStatement, node: Node) -> Iterator[TableReference]:
    makes_temporary = _makes_temporary(node)
    for relation in parsed.relations:
        # ALTER needs the snapshot of what it changes.
        role = Role.WRITE if parsed.node in ("AlterTableStmt", "RenameStmt") else Role(relation.role)
        version = None if relation.position is None else found.versions.get(relation.position - 1)
        schema = "pg_temp" if role is Role.CREATE and makes_temporary else relation.schema
        yield TableReference(relation.name, schema, relation.catalog, role, version, relation.position)


def _makes_temporary(node: Node) -> bool:
    """Whether what it creates is temporary, so that no permanent table of the same name is meant."""
    _, fields = tree.unwrap(node)
    into = fields.get("into") or fields.get("intoClause") or {}
    made = into.get("rel") or fields.get("relation") or fields.get("view") or {}
    return bool(made.get("relpersistence") == "t")


def _ends_block(node: Node) -> bool:
    return node.get("TransactionStmt", {}).get("kind") in _ENDS


def _first_parameter(raw_tree: str, text: str) -> tuple[int, int] | None:
    places = [(int(location), int(number)) for number, location in _PARAMETERS.findall(raw_tree)]
    if not places:
        return None
    location, number = min(places)
    return number, len(text.encode()[:location].decode()) + 1


def _is_immutable(node: Node) -> bool:
    """A SELECT of constants, parameters, operators and casts that read neither a clock nor a catalog."""
    return "SelectStmt" in node and all(
        kind in _IMMUTABLE_NODES
        or (kind == "TypeCast" and tree.strings(fields["typeName"]["names"])[-1] in _IMMUTABLE_TYPES)
        for kind, fields in tree.walk(node)
    )


def _spark_statements(text: str) -> Iterator[Statement]:
    for one in sparksql.parse(text):
        if one.postgres is not None:
            yield from _parse(one.postgres, Dialect.POSTGRES)
            continue
        yield Statement(
            text=one.text,
            offset=one.offset,
            dialect=Dialect.SPARK,
            verb=one.verb,
            parsed_text=one.text,
            references=one.references,
            explain_route=one.explain_route,
            spark=one.tree,
            source=text,
        )
