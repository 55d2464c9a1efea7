"""Queries: SELECT, VALUES, set operations, joins, CTEs and sub-selects.

A query becomes SQL whose output columns have the types in `targets` (what Describe announced, or the columns of a table
that is written), under names of our own inside and the announced names at the top.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from catalog.names import TableName
from catalog.resolution import ResolvedTable, ResolvedView
from catalog.types import PgType
from planner import tree
from planner.bind import Column, Joined, Scope
from planner.dialects.coercion import BOOL, INT8, STRINGS, common, type_name
from planner.dialects.context import Context
from planner.dialects.deparsed import read_view
from planner.dialects.expression import Expression, Unverified
from planner.dialects.relations import Relations
from planner.dialects.spark import check_memberships
from planner.dialects.translator import Expressions
from planner.plan import Lane
from planner.predicates import Term, conjuncts, passes_filters, scans_of, within
from planner.tree import Node


@dataclass(frozen=True, slots=True)
class Output:
    """One column of a translated query. `term` is the scan's column that it is, where a filter on it may as well be one
    on that scan."""

    name: str
    type: PgType | None
    term: Term | None = None


@dataclass(frozen=True, slots=True)
class Translated:
    sql: str
    outputs: tuple[Output, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """What an output column must become; `name` is how the lane's SQL calls it. One that is `assigned` to a table's
    column is cast as INSERT casts, one that is `converted` to its set operation's type; any other has the announced
    type."""

    name: str
    type: PgType | None
    assigned: bool = False
    converted: bool = False


class Queries:
    """Translates the queries of one statement on one lane."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.expressions = Expressions(context, self)
        self.relations = Relations(context, self)
        self._ctes: list[dict[str, tuple[str, tuple[Output, ...]]]] = []
        self._windows: list[dict[str, Node]] = []

    def translate(self, select: Node, parent: Scope | None, targets: Sequence[Target] | None = None) -> Translated:
        """A SelectStmt's fields as SQL. Without `targets` the columns are called ``c1``, ``c2``…"""
        if select.get("lockingClause") or select.get("intoClause"):
            raise Unverified("FOR UPDATE and INTO are not supported on lakehouse tables")
        self._ctes.append({})
        self._windows.append({w["WindowDef"]["name"]: w["WindowDef"] for w in select.get("windowClause", [])})
        try:
            with_ = self._with(select.get("withClause"), parent)
            body = self._body(select, parent, targets)
            return Translated(with_ + body.sql, body.outputs)
        finally:
            self._ctes.pop()
            self._windows.pop()

    def cte(self, name: str) -> tuple[str, tuple[Output, ...]] | None:
        return next((level[name] for level in reversed(self._ctes) if name in level), None)

    def named_window(self, window: Node) -> Node:
        """The definition that an OVER clause names, or the clause itself."""
        name = window.get("name") or window.get("refname")
        if not name:
            return window
        found = next((level[name] for level in reversed(self._windows) if name in level), None)
        if (
            found is None
            or found.get("refname")
            or ("refname" in window and (window.get("orderClause") or window.get("partitionClause")))
        ):
            raise Unverified("windows that refine a named window are not supported on lakehouse tables")
        return found

    def _with(self, clause: Node | None, parent: Scope | None) -> str:
        if clause is None:
            return ""
        parts = []
        for node in clause["ctes"]:
            cte = node["CommonTableExpr"]
            if tree.kind(cte["ctequery"]) != "SelectStmt" or cte.get("search_clause") or cte.get("cycle_clause"):
                raise Unverified("WITH holds only SELECT on lakehouse tables")
            alias = self.context.alias()
            query = self.translate(cte["ctequery"]["SelectStmt"], parent)
            names = tree.strings(cte.get("aliascolnames"))
            outputs = tuple(
                Output(names[i] if i < len(names) else out.name, out.type) for i, out in enumerate(query.outputs)
            )
            self._ctes[-1][cte["ctename"]] = (alias, outputs)
            parts.append(f"{alias} AS ({query.sql})")
        return f"WITH {', '.join(parts)} "

    def _body(self, select: Node, parent: Scope | None, targets: Sequence[Target] | None) -> Translated:
        if select.get("op", "SETOP_NONE") != "SETOP_NONE":
            return self._set_operation(select, parent, targets)
        if "valuesLists" in select:
            return self._values(select, parent, targets)
        return self._select(select, parent, targets)

    def _select(self, select: Node, parent: Scope | None, targets: Sequence[Target] | None) -> Translated:
        self._check_memberships(select)
        joined = self.relations.from_clause(select.get("fromClause", []), parent)
        scope = Scope(joined, parent)
        where = self._where(select, scope)
        columns = self._targets(select.get("targetList", []), scope)
        filtered = joined.scans - joined.nullable if passes_filters(select) else frozenset()
        outputs = tuple(Output(name, value.type, within(value.term, filtered)) for name, value in columns)
        values = [value for _, value in columns]
        listed = self._listed(columns, targets)
        group = self._group(select, columns, scope)
        if "havingClause" in select:
            group += f" HAVING {self.expressions.condition(select['havingClause'], scope).sql}"
        distinct = self._distinct(select, columns, scope)
        from_ = f" FROM {joined.sql}" if joined.sql else ""
        order = self._order(select, columns, scope, values)
        return Translated(f"SELECT {distinct}{listed}{from_}{where}{group}{order}{self._limit(select, scope)}", outputs)

    def _check_memberships(self, select: Node) -> None:
        if self.context.spelling.lane is not Lane.SPARK:
            return
        for clause in ("whereClause", "havingClause"):
            if clause in select:
                check_memberships(select[clause], filters=True)
        for node in select.get("targetList", []):
            check_memberships(node["ResTarget"]["val"], filters=False)

    def _where(self, select: Node, scope: Scope) -> str:
        return f" WHERE {self.filter(select['whereClause'], scope)}" if "whereClause" in select else ""

    def filter(self, node: Node, scope: Scope) -> str:
        """The condition that rows meet, and so the files that they come from."""
        condition = self.expressions.condition(node, scope)
        for predicate in conjuncts(condition.predicate):
            scans = scans_of(predicate)
            if len(scans) == 1 and scans <= scope.joined.scans - scope.joined.nullable:
                self.context.demand(scans, predicate)
        return condition.sql

    def _targets(self, nodes: list[Node], scope: Scope) -> list[tuple[str, Expression]]:
        columns: list[tuple[str, Expression]] = []
        for node in nodes:
            target = node["ResTarget"]
            kind, fields = tree.unwrap(target["val"])
            if kind == "ColumnRef" and tree.kind(fields["fields"][-1]) == "A_Star":
                starred = scope.star(tree.strings(fields["fields"][:-1]))
                columns += [(c.name, Expression(c.sql, c.type, term=c.term, name=c.name)) for c in starred]
            else:
                value = self.expressions.translate(target["val"], scope)
                columns.append((target.get("name", value.name), value))
        if not columns:
            raise Unverified("a SELECT without columns is not supported on lakehouse tables")
        return columns

    def _listed(self, columns: list[tuple[str, Expression]], targets: Sequence[Target] | None) -> str:
        if targets is None:
            return ", ".join(f"{self._typed(value).sql} AS c{i}" for i, (_, value) in enumerate(columns, 1))
        if len(targets) != len(columns):
            raise Unverified("the statement has another number of columns than its description")
        pairs = zip(columns, targets, strict=True)
        return ", ".join(
            f"{self.output(value, t).sql} AS {self.context.spelling.identifier(t.name)}" for (_, value), t in pairs
        )

    def _typed(self, value: Expression) -> Expression:
        return value if value.type is not None else self.expressions.as_type(value, common((), ""))

    def output(self, value: Expression, target: Target) -> Expression:
        """`value` as the announced type. A type of another kind than announced means a rule that is not understood."""
        wanted = target.type
        if wanted is None or value.type == wanted:
            return self._typed(value)
        if target.assigned:
            return self.expressions.as_type(value, wanted)
        if value.type is not None and not target.converted and not _is_alike(value.type, wanted):
            raise Unverified(
                f'column "{target.name}" is {type_name(value.type)} here, {type_name(wanted)} in PostgreSQL'
            )
        if value.type is not None and not target.converted and (wanted.typmod < 0 or wanted.oid in STRINGS):
            return value
        return self.expressions.as_type(value, wanted)

    def _group(self, select: Node, columns: list[tuple[str, Expression]], scope: Scope) -> str:
        if not select.get("groupClause"):
            return ""
        if select.get("groupDistinct"):
            raise Unverified("GROUP BY DISTINCT is not supported on lakehouse tables")
        parts = [self._grouping(node, columns, scope) for node in select["groupClause"]]
        return f" GROUP BY {', '.join(parts)}"

    def _grouping(self, node: Node, columns: list[tuple[str, Expression]], scope: Scope) -> str:
        kind, fields = tree.unwrap(node)
        if kind == "GroupingSet":
            raise Unverified("GROUPING SETS, ROLLUP and CUBE are not supported on lakehouse tables")
        if kind == "A_Const" and "ival" in fields:
            return columns[int(tree.constant(fields) or 1) - 1][1].sql
        if kind == "ColumnRef" and len(fields["fields"]) == 1:
            # PostgreSQL prefers an input column here, an output column in ORDER BY.
            name = tree.strings(fields["fields"])[0]
            if not any(column.name == name for column in scope.joined.columns):
                found = next((value for known, value in columns if known == name), None)
                if found is not None:
                    return found.sql
        return self.expressions.translate(node, scope).sql

    def _distinct(self, select: Node, columns: list[tuple[str, Expression]], scope: Scope) -> str:
        clause = select.get("distinctClause")
        if clause is None:
            return ""
        if clause == [{}]:
            return "DISTINCT "
        if self.context.spelling.lane is Lane.SPARK:
            raise Unverified("DISTINCT ON is not supported on the Spark lane")
        keys = [self._key(node, columns, scope) for node in clause]
        return f"DISTINCT ON ({', '.join(keys)}) "

    def _key(self, node: Node, columns: list[tuple[str, Expression]], scope: Scope) -> str:
        index = self._output_index(node, [name for name, _ in columns])
        return columns[index][1].sql if index is not None else self.expressions.translate(node, scope).sql

    def _output_index(self, node: Node, names: list[str]) -> int | None:
        """The output column that an ORDER BY item means: an ordinal, or a bare name that is an output's."""
        kind, fields = tree.unwrap(node)
        if kind == "A_Const" and "ival" in fields:
            return int(tree.constant(fields) or 1) - 1
        if kind == "ColumnRef" and len(fields["fields"]) == 1 and tree.kind(fields["fields"][0]) == "String":
            name = tree.strings(fields["fields"])[0]
            return names.index(name) if name in names else None
        return None

    def _order(
        self, select: Node, columns: list[tuple[str, Expression]], scope: Scope, values: list[Expression]
    ) -> str:
        parts = []
        for node in select.get("sortClause", []):
            sort = node["SortBy"]
            index = self._output_index(sort["node"], [name for name, _ in columns])
            key = str(index + 1) if index is not None else self.expressions.translate(sort["node"], scope).sql
            parts.append(key + _direction(sort))
        return f" ORDER BY {', '.join(parts)}" if parts else ""

    def order_list(self, sorts: list[Node], scope: Scope) -> str:
        """An ORDER BY inside an aggregate or a window: expressions only."""
        keys = [(self.expressions.translate(node["SortBy"]["node"], scope).sql, node["SortBy"]) for node in sorts]
        return ", ".join(key + _direction(sort) for key, sort in keys)

    def _limit(self, select: Node, scope: Scope) -> str:
        if select.get("limitOption") == "LIMIT_OPTION_WITH_TIES":
            raise Unverified("FETCH … WITH TIES is not supported on lakehouse tables")
        parts = ""
        for word, field in (("LIMIT", "limitCount"), ("OFFSET", "limitOffset")):
            if field in select:
                value = self.expressions.translate(select[field], scope)
                if value.is_null:
                    continue
                parts += f" {word} {value.sql if value.sql.isdigit() else self.expressions.as_type(value, INT8).sql}"
        return parts

    def _set_operation(self, select: Node, parent: Scope | None, targets: Sequence[Target] | None) -> Translated:
        sides = (select["larg"], select["rarg"])
        probes = [self._probe(side, parent) for side in sides]
        types = [common((a.type, b.type), "UNION") for a, b in zip(probes[0], probes[1], strict=True)]
        names = [t.name for t in targets] if targets else [f"c{i}" for i in range(1, len(types) + 1)]
        if targets and any(target.assigned for target in targets):
            raise Unverified(
                "a set operation as the source of INSERT is not supported", hint="Wrap it in a sub-select."
            )
        unified = [Target(name, type_, converted=True) for name, type_ in zip(names, types, strict=True)]
        word = {"SETOP_UNION": "UNION", "SETOP_INTERSECT": "INTERSECT", "SETOP_EXCEPT": "EXCEPT"}[select["op"]]
        left, right = (self.translate(side, parent, unified) for side in sides)
        outputs = tuple(Output(out.name, type_) for out, type_ in zip(probes[0], types, strict=True))
        order = []
        for node in select.get("sortClause", []):
            index = self._output_index(node["SortBy"]["node"], [out.name for out in outputs])
            if index is None:
                raise Unverified("ORDER BY of a set operation takes output columns only")
            order.append(str(index + 1) + _direction(node["SortBy"]))
        tail = f" ORDER BY {', '.join(order)}" if order else ""
        limit = self._limit(select, Scope(Joined("")))
        sql = f"({left.sql}) {word}{' ALL' if select.get('all') else ''} ({right.sql}){tail}{limit}"
        return Translated(self._announced(sql, unified, targets), outputs)

    def _announced(self, sql: str, unified: list[Target], targets: Sequence[Target] | None) -> str:
        """A set operation's columns have their common types; what was announced may differ in the typmod alone."""
        for have, want in zip(unified, targets or (), strict=bool(targets)):
            if want.converted or want.type is None or have.type is None:
                continue
            if not _is_alike(have.type, want.type):
                raise Unverified(
                    f'column "{want.name}" is {type_name(have.type)} here, {type_name(want.type)} in PostgreSQL'
                )
        return sql

    def _probe(self, select: Node, parent: Scope | None) -> tuple[Output, ...]:
        """The output columns of a branch, translated once without consequence to learn their types."""
        scanned, demands = len(self.context.scanned), dict(self.context.demands)
        outputs = self.translate(select, parent).outputs
        del self.context.scanned[scanned:]
        self.context.demands = {scan: demands[scan] for scan in demands}
        return outputs

    def _values(self, select: Node, parent: Scope | None, targets: Sequence[Target] | None) -> Translated:
        scope = Scope(Joined(""), parent)
        rows = [
            [self.expressions.translate(value, scope) for value in tree.items(row)] for row in select["valuesLists"]
        ]
        types = [common([row[i].type for row in rows], "VALUES") for i in range(len(rows[0]))]
        outputs = tuple(Output(f"column{i}", type_) for i, type_ in enumerate(types, 1))
        wanted = list(targets or [Target(f"c{i}", None) for i in range(1, len(types) + 1)])
        selects = [self._row(row, types, wanted) for row in rows]
        columns = [(out.name, Expression("NULL", out.type)) for out in outputs]
        order = self._order(select, columns, scope, [])
        return Translated(" UNION ALL ".join(selects) + order + self._limit(select, scope), outputs)

    def _row(self, row: list[Expression], types: list[PgType], targets: list[Target]) -> str:
        parts = []
        for value, type_, target in zip(row, types, targets, strict=True):
            typed = value if target.assigned else self.expressions.as_type(value, type_)
            parts.append(f"{self.output(typed, target).sql} AS {self.context.spelling.identifier(target.name)}")
        return f"SELECT {', '.join(parts)}"

    def sublink(self, fields: Node, scope: Scope) -> Expression:
        """EXISTS, IN (SELECT), scalar sub-selects and ``op ANY/ALL (SELECT)`` with ``=`` or ``<>``."""
        kind = fields["subLinkType"]
        query = self.translate(fields["subselect"]["SelectStmt"], scope)
        if kind == "EXISTS_SUBLINK":
            return Expression(f"EXISTS ({query.sql})", BOOL, name="exists")
        if kind == "EXPR_SUBLINK":
            return Expression(f"({query.sql})", query.outputs[0].type, name=query.outputs[0].name)
        operator = tree.strings(fields.get("operName"))[-1] if fields.get("operName") else "="
        negated = kind == "ALL_SUBLINK"
        if (kind, operator) not in (("ANY_SUBLINK", "="), ("ALL_SUBLINK", "<>")) or tree.kind(
            fields["testexpr"]
        ) == "RowExpr":
            raise Unverified(f"{operator} {kind[:3]} (SELECT …) is not supported on lakehouse tables")
        value = self.expressions.translate(fields["testexpr"], scope)
        probe = Expression("NULL", query.outputs[0].type)
        left, right = self.expressions.operators.comparable(value, probe)
        if right.type != probe.type:
            query = self.translate(fields["subselect"]["SelectStmt"], scope, [Target("c1", None)])
        return Expression(f"({left.sql} {'NOT ' if negated else ''}IN ({query.sql}))", BOOL)

    def view(self, view: ResolvedView, alias: str) -> tuple[str, tuple[Column, ...]]:
        """A view as a sub-select of that alias, whose columns have the types that PostgreSQL gave them."""
        statement, select = read_view(view.text)
        tables: dict[int | None, ResolvedTable] = {
            place: view.relations[TableName(ref.schema or "", ref.name)] for ref, place in statement.places()
        }
        targets = [Target(f"c{i}", column.type) for i, column in enumerate(view.columns, 1)]
        with self.context.inside(statement, tables):
            body = Queries(self.context).translate(select, None, targets)
        columns = (
            Column(c.name, f"{alias}.c{i}", c.type, out.term if out.type == c.type else None)
            for i, (c, out) in enumerate(zip(view.columns, body.outputs, strict=True), 1)
        )
        return body.sql, tuple(columns)

    def derived(self, query: Translated, alias: str) -> tuple[Column, ...]:
        """The columns that a sub-select or CTE of that alias offers."""
        return tuple(
            Column(out.name, f"{alias}.c{i}", out.type or common((), "")) for i, out in enumerate(query.outputs, 1)
        )


def _direction(sort: Node) -> str:
    """PostgreSQL sorts NULL as the largest value unless told."""
    descending = sort.get("sortby_dir") == "SORTBY_DESC"
    if sort.get("sortby_dir") == "SORTBY_USING":
        raise Unverified("ORDER BY … USING is not supported on lakehouse tables")
    nulls = {"SORTBY_NULLS_FIRST": "FIRST", "SORTBY_NULLS_LAST": "LAST"}.get(
        sort.get("sortby_nulls", ""), "FIRST" if descending else "LAST"
    )
    return f" {'DESC' if descending else 'ASC'} NULLS {nulls}"


def _is_alike(have: PgType, wanted: PgType) -> bool:
    return have.oid == wanted.oid or (have.oid in STRINGS and wanted.oid in STRINGS)
