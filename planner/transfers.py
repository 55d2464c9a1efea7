"""Transfers: statements that write temporary tables, which are PostgreSQL's, out of lakehouse tables.

PostgreSQL carries them out, so that all of its rules hold: defaults, constraints, ON CONFLICT, RETURNING. What is read
in the lakehouse becomes statements of their own, whose rows are poured into temporary tables before: the whole query of
an INSERT, CREATE TABLE AS or SELECT INTO, and single relations elsewhere. A source is cut out of the client's text,
by tokens, as the tree does not tell where a query ends.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from catalog.errors import FeatureNotSupported
from catalog.names import Role, TableReference, quote_identifier
from catalog.resolution import Resolution, ResolvedTable
from planner import tree
from planner.dialects.context import snapshot_of
from planner.loans import mentioned
from planner.parse import Statement
from planner.plan import Dialect, Metadata, Pouring, Transfer
from planner.relay import is_temporary, relay_definition
from planner.syntax import Token, scan
from planner.tree import Node

_CHANGES = frozenset({"Insert", "Update", "Delete", "Merge"})
_QUERY_WORDS = frozenset({"SELECT", "WITH", "VALUES", "TABLE"})
_PERSISTENCE = frozenset({"TEMP", "TEMPORARY", "LOCAL", "GLOBAL", "TABLE"})


def is_transfer(statement: Statement, resolution: Resolution) -> bool:
    """Whether it writes a table of PostgreSQL's and reads lakehouse tables."""
    if not resolution.tables or statement.dialect is not Dialect.POSTGRES:
        return False
    _, fields = tree.unwrap(statement.tree)
    if statement.verb in _CHANGES:
        return not any(reference.role is Role.WRITE for reference in resolution.tables)
    into = fields.get("intoClause") if statement.verb == "Select" else fields.get("into")
    return into is not None and is_temporary(into["rel"])


def plan_transfer(statement: Statement, resolution: Resolution) -> Transfer | Metadata:
    """`Metadata` for CREATE TABLE AS … WITH NO DATA. Raises 0A000 for EXPLAIN (ROUTE)."""
    if statement.explain_route:
        raise FeatureNotSupported(
            "EXPLAIN (ROUTE) does not take a statement that writes a temporary table", hint="Explain the SELECT in it."
        )
    if tree.unwrap(statement.tree)[1].get("into", {}).get("skipData"):
        return relay_definition(statement, resolution)
    return _Cut(statement, resolution).plan()


@dataclass(frozen=True, slots=True)
class _Span:
    start: int
    end: int


class _Cut:
    def __init__(self, statement: Statement, resolution: Resolution) -> None:
        self.statement = statement
        self.fields = tree.unwrap(statement.tree)[1]
        self.tables = resolution.tables
        self.tokens = scan(statement.parsed_text)

    def plan(self) -> Transfer:
        """What PostgreSQL is sent, and what comes into its places before."""
        statement = self.statement
        if statement.verb == "CreateTableAs":
            return self._create()
        if statement.verb == "Select":
            return self._select_into()
        if statement.verb == "Insert" and "selectStmt" in self.fields:
            return self._insert()
        return Transfer(statement.parsed_text, tuple(self._relations()))

    def _create(self) -> Transfer:
        text = self.statement.parsed_text
        first = next(index for index, token in self._outermost(0) if token.word == "AS") + 1
        last = len(self.tokens)
        if self._words(last - 2) == ["WITH", "DATA"]:
            last -= 2
        span = self._span(first, last)
        query = self.fields["query"]["SelectStmt"]
        return Transfer(text, (Pouring(self._source(span), span.start, span.end, constants=_constants(query)),))

    def _select_into(self) -> Transfer:
        """As a CREATE TEMP TABLE AS, which gives the same tag."""
        text = self.statement.parsed_text
        first = next(index for index, token in self._outermost(0) if token.word == "INTO")
        name = first + 1
        while self.tokens[name].word in _PERSISTENCE:
            name += 1
        end = self._name_end(name)
        written = text[self.tokens[name].start : self.tokens[end - 1].end]
        behind = _Span(self.tokens[end - 1].end, self.tokens[-1].end)
        select = self._source(_Span(0, self.tokens[first].start)) + self._source(behind)
        made = f"CREATE TEMP TABLE {written} AS "
        return Transfer(made, (Pouring(select, len(made), len(made), constants=_constants(self.fields)),))

    def _insert(self) -> Transfer:
        text = self.statement.parsed_text
        head = next(index for index, token in self._outermost(0) if token.word == "INSERT")
        first = self._source_start(head + 2)
        last = next((i for i, _ in self._outermost(first) if self._ends_source(i)), len(self.tokens))
        span, cut = self._span(first, last), self.tokens[head].start
        select = self.fields["selectStmt"]["SelectStmt"]
        inner = _Span(0 if head else span.start, span.end)
        if not any(self._lies_in(reference, inner) for reference in self.tables):
            return Transfer(text, tuple(self._relations()))
        if "valuesLists" in select:
            # DEFAULT and literals take their types from the columns that they go into, so they stay.
            return self._apart([] if head else list(self._subselects(first, last)))
        if head and self.tokens[first].word == "WITH":
            return self._apart([])
        before = self._source(_Span(0, cut))
        source = Pouring(before + self._source(span), span.start - cut, span.end - cut, constants=_constants(select))
        return Transfer(text[cut:], (source, *self._relations([inner], cut)))

    def _apart(self, subselects: Sequence[_Span]) -> Transfer:
        """Those by themselves, which have no others round them, and other relations by theirs."""
        poured = (Pouring(self._source(span), span.start, span.end, "") for span in subselects)
        return Transfer(self.statement.parsed_text, (*poured, *self._relations(subselects)))

    def _subselects(self, first: int, last: int) -> Iterator[_Span]:
        """The outermost queries in parentheses, with these, that read lakehouse tables."""
        index = first
        while index < last:
            end = index + 1
            if self.tokens[index].text == "(" and self.tokens[end].word in _QUERY_WORDS:
                end = self._closing(index)
                span = self._span(index, end)
                if any(self._lies_in(reference, span) for reference in self.tables):
                    yield span
            index = end

    def _source_start(self, index: int) -> int:
        """The first token of what follows INSERT INTO a table with an alias and columns."""
        index = self._name_end(index)
        if self.tokens[index].word == "AS":
            index += 2
        if self.tokens[index].text == "(" and not self._opens_query(index):
            index = self._closing(index)
        return index + 3 if self.tokens[index].word == "OVERRIDING" else index

    def _opens_query(self, index: int) -> bool:
        while self.tokens[index].text == "(":
            index += 1
        return self.tokens[index].word in _QUERY_WORDS

    def _ends_source(self, index: int) -> bool:
        return self.tokens[index].word == "RETURNING" or self._words(index)[:2] == ["ON", "CONFLICT"]

    def _relations(self, poured: Sequence[_Span] = (), cut: int = 0) -> Iterator[Pouring]:
        """One for each lakehouse table that is named outside of those."""
        for reference, table in self.tables.items():
            if any(self._lies_in(reference, span) for span in poured):
                continue
            span = self._relation_span(reference)
            alias = "" if self._has_alias(span.start) else reference.name
            yield Pouring(self._select_from(table, span), span.start - cut, span.end - cut, alias)

    def _select_from(self, table: ResolvedTable, span: _Span) -> str:
        wanted = mentioned(self.statement.tree)
        names = [column.name for column in snapshot_of(table).columns if wanted is None or column.name in wanted]
        return f"SELECT {', '.join(map(quote_identifier, names)) or '1'} FROM {self._source(span)}"

    def _has_alias(self, start: int) -> bool:
        place = len(self.statement.parsed_text[:start].encode())
        return any(
            kind == "RangeVar" and "alias" in fields and fields.get("location", 0) == place
            for kind, fields in tree.walk(self.statement.tree)
        )

    def _place(self, reference: TableReference) -> int:
        assert reference.position is not None, "a relation that is read has a place"
        return reference.position - 1 - self.statement.offset

    def _lies_in(self, reference: TableReference, span: _Span) -> bool:
        return span.start <= self._place(reference) < span.end

    def _source(self, span: _Span) -> str:
        """The text, with the versions that are asked for, which PostgreSQL's parser is not shown."""
        text, end, parts = self.statement.parsed_text, span.end, list[str]()
        for reference in sorted(self.tables, key=self._place, reverse=True):
            if reference.version is not None and self._lies_in(reference, span):
                behind = self._relation_span(reference).end
                parts.insert(0, f" FOR VERSION AS OF {reference.version}{text[behind:end]}")
                end = behind
        return "".join([text[span.start : end], *parts])

    def _relation_span(self, reference: TableReference) -> _Span:
        start = self._place(reference)
        index = next(i for i, token in enumerate(self.tokens) if token.start == start)
        return self._span(index, self._name_end(index))

    def _span(self, first: int, last: int) -> _Span:
        return _Span(self.tokens[first].start, self.tokens[last - 1].end)

    def _words(self, index: int) -> list[str]:
        return [token.word for token in self.tokens[max(index, 0) : index + 2]]

    def _outermost(self, index: int) -> Iterator[tuple[int, Token]]:
        """The tokens outside of all parentheses."""
        depth = 0
        for number, token in enumerate(self.tokens[index:], index):
            depth += token.text in ("(", "[")
            if depth == 0:
                yield number, token
            depth -= token.text in (")", "]")

    def _closing(self, index: int) -> int:
        """Behind the parenthesis that closes the one at `index`."""
        return next((number for number, _ in self._outermost(index)), len(self.tokens))

    def _name_end(self, index: int) -> int:
        """Behind the dotted name that starts at `index`."""
        while index + 1 < len(self.tokens) and self.tokens[index + 1].text == ".":
            index += 2
        return index + 1


def _constants(select: Node) -> tuple[tuple[int, str], ...]:
    """The bare literals and parameters of a SELECT list. A ``*`` before them leaves only their place from the end."""
    targets: Sequence[Node] = select.get("targetList", [])
    stars = [place for place, node in enumerate(targets) if "*" in tree.column_names(node)]
    if len(stars) > 1:
        return ()
    found = []
    for place, node in enumerate(targets):
        text = _constant(node["ResTarget"]["val"])
        if text is not None:
            found.append((place - len(targets) if stars and place > stars[0] else place, text))
    return tuple(found)


def _constant(node: Node) -> str | None:
    kind, fields = tree.unwrap(node)
    if kind == "ParamRef":
        return f"${fields['number']}"
    if kind != "A_Const" or tree.is_number(fields):
        return None
    value = tree.constant(fields)
    if value is None:
        return "NULL"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else None
