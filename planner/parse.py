"""Text to statements, once: behind a bounded cache keyed by the exact text.

In the postgres dialect PostgreSQL's own parser (`lakegate_native`) splits, names relations and functions, and gives the
raw tree that is bound and translated. In the spark dialect sqlglot parses, and what it cannot is refused.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import lakegate_native
from sqlglot import exp

from catalog.errors import SqlSyntaxError, StatementTooComplex
from catalog.names import Role, TableReference
from planner import sparksql
from planner.plan import Dialect
from planner.syntax import Extracted, TableOptions, extract
from planner.tree import Node

_CACHED_TEXTS = 2048
_LONGEST_CACHED = 65_536


@dataclass(frozen=True, eq=False, slots=True)
class Statement:
    """One statement. Compared by identity: equal texts come from the cache as the same object.

    `text` is what the client sent, from character `offset` of the whole; `verb` is the kind of its parse node without
    ``Stmt`` (``Select``, ``Insert``, ``VariableSet``…), in the spark dialect sqlglot's. `describable` is what PostgreSQL
    can parse: as long as `text`, with our own syntax blanked; None in the spark dialect. Positions in `references` count
    from 1 in the whole text.
    """

    text: str
    offset: int
    dialect: Dialect
    verb: str
    references: tuple[TableReference, ...] = ()
    functions: tuple[tuple[str | None, str], ...] = ()
    describable: str | None = None
    explain_route: bool = False
    tree: Node = field(default_factory=dict, repr=False)
    options: TableOptions | None = None
    spark: exp.Expression | None = field(default=None, repr=False)


def parse(text: str, dialect: Dialect) -> tuple[Statement, ...]:
    """The statements of a text; empty ones are left out.

    Raises `SqlSyntaxError` in PostgreSQL's words with its position, `StatementTooComplex` for a tree nested too deeply,
    `FeatureNotSupported` for what the spark dialect's parser does not know.
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
        if error.position is None:
            raise StatementTooComplex(error.message) from None
        raise SqlSyntaxError(error.message, position=error.position) from None
    return tuple(_statement(text, found, one) for one in parsed)


def _statement(text: str, found: Extracted, parsed: lakegate_native.ParsedStatement) -> Statement:
    end = parsed.offset + len(parsed.text)
    before = max((cut for cut in found.routes if cut < end), default=-1)
    is_route = before >= 0 and not found.text[before : parsed.offset].strip()
    options = next((o for o in found.options if parsed.offset <= o.start < end), None)
    return Statement(
        text=text[parsed.offset : end],
        offset=parsed.offset,
        dialect=Dialect.POSTGRES,
        verb=parsed.node.removesuffix("Stmt"),
        references=tuple(_references(found, parsed)),
        functions=tuple(parsed.functions),
        describable=parsed.text,
        explain_route=is_route,
        tree=json.loads(parsed.tree),
        options=options,
    )


def _references(found: Extracted, parsed: lakegate_native.ParsedStatement) -> Iterator[TableReference]:
    for relation in parsed.relations:
        version = None if relation.position is None else found.versions.get(relation.position - 1)
        yield TableReference(
            relation.name, relation.schema, relation.catalog, Role(relation.role), version, relation.position
        )


def _spark_statements(text: str) -> Iterator[Statement]:
    for one in sparksql.parse(text):
        yield Statement(
            text=one.text,
            offset=one.offset,
            dialect=Dialect.SPARK,
            verb=one.verb,
            references=one.references,
            functions=one.functions,
            explain_route=one.explain_route,
            spark=one.tree,
        )
