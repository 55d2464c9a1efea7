"""FROM clauses: tables, sub-selects, CTEs, joins. What each offers as columns, and which scans an outer join makes
nullable."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from catalog.errors import FeatureNotSupported
from planner import tree
from planner.bind import Column, Joined, Scope, Source
from planner.dialects.coercion import common
from planner.dialects.context import Context
from planner.dialects.expression import Expression, Unverified
from planner.predicates import ColumnTerm, conjuncts, scans_of
from planner.tree import Node

if TYPE_CHECKING:
    from planner.dialects.queries import Queries

_JOINS = {"JOIN_INNER": "JOIN", "JOIN_LEFT": "LEFT JOIN", "JOIN_RIGHT": "RIGHT JOIN", "JOIN_FULL": "FULL JOIN"}


class Relations:
    """Translates FROM clauses for `Queries`."""

    def __init__(self, context: Context, queries: "Queries") -> None:
        self.context = context
        self.queries = queries

    def from_clause(self, nodes: list[Node], parent: Scope | None) -> Joined:
        joined = Joined("")
        for node in nodes:
            joined = _together(joined, self._relation(node, parent, joined))
        return joined

    def _relation(self, node: Node, parent: Scope | None, before: Joined) -> Joined:
        kind, fields = tree.unwrap(node)
        if kind == "RangeVar":
            return self._table(fields)
        if kind == "RangeSubselect":
            return self._subselect(fields, parent, before)
        if kind == "JoinExpr":
            return self._join(fields, parent, before)
        raise Unverified("functions and other special relations in FROM are not supported on lakehouse tables")

    def _table(self, fields: Node) -> Joined:
        alias = self.context.alias()
        name = fields.get("alias", {}).get("aliasname", fields["relname"])
        found = None if fields.get("schemaname") else self.queries.cte(fields["relname"])
        if found:
            cte, outputs = found
            columns = tuple(
                Column(out.name, f"{alias}.c{i}", out.type or common((), "")) for i, out in enumerate(outputs, 1)
            )
            return _single(f"{cte} AS {alias}", Source(name, columns), fields)
        table = self.context.tables.get(fields.get("location"))
        if table is None:
            raise FeatureNotSupported(
                f'"{fields["relname"]}" and lakehouse tables cannot be used in one statement',
                hint="Temporary and catalog tables live in PostgreSQL, apart from the lakehouse.",
            )
        if table.view is not None:
            body, columns = self.queries.view(table.view, alias)
            scans = frozenset(c.term.scan for c in columns if isinstance(c.term, ColumnTerm))
            schema = "" if "alias" in fields else table.name.schema
            return _single(f"({body}) AS {alias}", Source(name, columns, schema, scans), fields)
        source = self.context.scan(table, name, alias)
        if "alias" in fields:
            source = replace(source, schema="")
        (scan,) = source.scans
        return _single(f"{self.context.scan_sql(scan)} AS {alias}", source, fields)

    def _subselect(self, fields: Node, parent: Scope | None, before: Joined) -> Joined:
        alias = self.context.alias()
        lateral = bool(fields.get("lateral"))
        query = self.queries.translate(fields["subquery"]["SelectStmt"], Scope(before, parent) if lateral else parent)
        source = Source(fields.get("alias", {}).get("aliasname"), self.queries.derived(query, alias))
        return _single(f"{'LATERAL ' if lateral else ''}({query.sql}) AS {alias}", source, fields)

    def _join(self, fields: Node, parent: Scope | None, before: Joined) -> Joined:
        left = self._relation(fields["larg"], parent, before)
        right = self._relation(fields["rarg"], parent, _together(before, left))
        kind = fields.get("jointype", "JOIN_INNER")
        if kind not in _JOINS or fields.get("alias") or fields.get("join_using_alias"):
            raise Unverified("this kind of join is not supported on lakehouse tables")
        names = self._merged_names(fields, left, right)
        nullable = left.nullable | right.nullable
        nullable |= right.scans if kind in ("JOIN_LEFT", "JOIN_FULL") else frozenset()
        nullable |= left.scans if kind in ("JOIN_RIGHT", "JOIN_FULL") else frozenset()
        merged = [self._merged(name, kind, left, right) for name in names]
        rest = [c for side in (left, right) for c in side.columns if c.name not in names]
        joined = Joined("", left.sources + right.sources, merged + rest, left.scans | right.scans, nullable)
        joined.sql = f"({left.sql} {self._condition(fields, names, kind, joined, (left, right), parent)})"
        return joined

    def _merged_names(self, fields: Node, left: Joined, right: Joined) -> list[str]:
        if fields.get("isNatural"):
            return [c.name for c in left.columns if any(c.name == other.name for other in right.columns)]
        return tree.strings(fields.get("usingClause"))

    def _merged(self, name: str, kind: str, left: Joined, right: Joined) -> Column:
        """USING gives one column: the side that has no NULLs from the join, or both coalesced."""
        a, b = (Scope(side).column([name]) for side in (left, right))
        target = common((a.type, b.type), "JOIN/USING")
        kept = b if kind == "JOIN_RIGHT" else a
        sides = [self.context.operators.as_type(Expression(c.sql, c.type), target).sql for c in (a, b)]
        if kind == "JOIN_FULL":
            return Column(name, f"coalesce({sides[0]}, {sides[1]})", target)
        sql = sides[1] if kind == "JOIN_RIGHT" else sides[0]
        return Column(name, sql, target, kept.term if sql == kept.sql else None)

    def _condition(
        self,
        fields: Node,
        names: list[str],
        kind: str,
        joined: Joined,
        sides: tuple[Joined, Joined],
        parent: Scope | None,
    ) -> str:
        left, right = sides
        if names:
            pairs = [tuple(Expression(c.sql, c.type) for c in (Scope(s).column([n]) for s in sides)) for n in names]
            tests = [self.context.operators.compare("=", a, b).sql for a, b in pairs]
            return f"{_JOINS[kind]} {right.sql} ON {' AND '.join(tests)}"
        if "quals" not in fields:
            return f"CROSS JOIN {right.sql}"
        condition = self.queries.expressions.condition(fields["quals"], Scope(joined, parent))
        prunable = {
            "JOIN_INNER": (left.scans | right.scans) - left.nullable - right.nullable,
            "JOIN_LEFT": right.scans - right.nullable,
            "JOIN_RIGHT": left.scans - left.nullable,
            "JOIN_FULL": frozenset(),
        }[kind]
        for predicate in conjuncts(condition.predicate):
            scans = scans_of(predicate)
            if len(scans) == 1 and scans <= prunable:
                self.context.demand(scans, predicate)
        return f"{_JOINS[kind]} {right.sql} ON {condition.sql}"


def _single(sql: str, source: Source, fields: Node) -> Joined:
    names = tree.strings(fields.get("alias", {}).get("colnames"))
    if names:
        source = replace(source, columns=_renamed(source.columns, names))
    if fields.get("tablesample") or fields.get("ordinality"):
        raise Unverified("TABLESAMPLE is not supported on lakehouse tables")
    return Joined(sql, [source], list(source.columns), source.scans)


def _renamed(columns: Sequence[Column], names: list[str]) -> tuple[Column, ...]:
    return tuple(replace(c, name=names[i]) if i < len(names) else c for i, c in enumerate(columns))


def _together(left: Joined, right: Joined) -> Joined:
    if not left.sql:
        return right
    return Joined(
        f"{left.sql} CROSS JOIN {right.sql}",
        left.sources + right.sources,
        left.columns + right.columns,
        left.scans | right.scans,
        left.nullable | right.nullable,
    )
