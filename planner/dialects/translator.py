"""Expressions: PostgreSQL's raw parse tree to a lane's SQL, typed on the way up.

Only node kinds that are named here pass; every other one is `Unverified`. `queries` translates sub-selects.
"""

from typing import TYPE_CHECKING

from catalog.types import ELEMENT_OF, PgType
from planner import tree
from planner.bind import Scope
from planner.dialects import literals
from planner.dialects.arrays import array_of, array_type, subscript, written_elements
from planner.dialects.blocks import covers_rows
from planner.dialects.calls import Calls
from planner.dialects.casts import cast
from planner.dialects.coercion import BOOL, INT4, INTERVAL, common
from planner.dialects.context import Context
from planner.dialects.expression import NULL, Expression, Unverified
from planner.dialects.operators import COMPARISONS, unary
from planner.dialects.symmetric import translate_symmetric
from planner.dialects.typenames import named_type
from planner.plan import Lane
from planner.predicates import ColumnTerm, Nullness, all_of, any_of, comparison
from planner.tree import Node

if TYPE_CHECKING:
    from collections.abc import Callable

    from planner.dialects.queries import Queries

_SQL_VALUES = {
    "SVFOP_CURRENT_DATE": "current_date",
    "SVFOP_CURRENT_TIMESTAMP": "current_timestamp",
    "SVFOP_LOCALTIMESTAMP": "localtimestamp",
    "SVFOP_CURRENT_ROLE": "current_role",
    "SVFOP_CURRENT_USER": "current_user",
    "SVFOP_USER": "user",
    "SVFOP_SESSION_USER": "session_user",
    "SVFOP_CURRENT_CATALOG": "current_catalog",
    "SVFOP_CURRENT_SCHEMA": "current_schema",
}
_LIKES = {"~~", "!~~", "~~*", "!~~*"}
"""LIKE and ILIKE, as PostgreSQL itself writes them: in views, and to other servers."""


class Expressions:
    """Translates expressions of one statement on one lane."""

    def __init__(self, context: Context, queries: "Queries") -> None:
        self.context = context
        self.queries = queries
        self.operators = context.operators
        self.calls = Calls(context, self)

    def translate(self, node: Node, scope: Scope) -> Expression:
        kind, fields = tree.unwrap(node)
        visit: Callable[[Node, Scope], Expression] | None = getattr(self, f"_visit_{kind}", None)
        if visit is None:
            raise Unverified(f"expressions of the kind {kind} are not supported on lakehouse tables")
        return visit(fields, scope)

    def as_type(self, value: Expression, target: PgType) -> Expression:
        return self.operators.as_type(value, target)

    def condition(self, node: Node, scope: Scope) -> Expression:
        return self._boolean(self.translate(node, scope))

    def _boolean(self, value: Expression) -> Expression:
        return value if value.type == BOOL else self.as_type(value, BOOL)

    def _visit_ColumnRef(self, fields: Node, scope: Scope) -> Expression:
        if any(tree.kind(part) == "A_Star" for part in fields["fields"]):
            raise Unverified("* as a value is not supported")
        column = scope.column(tree.strings(fields["fields"]))
        width = self.context.width(column.term)
        return Expression(column.sql, column.type, term=column.term, width=width, name=column.name)

    def _visit_A_Const(self, fields: Node, scope: Scope) -> Expression:
        value = tree.constant(fields)
        if value is None:
            return NULL
        if isinstance(value, bool):
            return Expression("TRUE" if value else "FALSE", BOOL, name="bool")
        if tree.is_number(fields):
            return literals.number(str(value))
        if "bsval" in fields:
            raise Unverified("bit strings are not supported on lakehouse tables")
        return Expression(self.context.spelling.string(str(value)), None, literal=str(value))

    def _visit_ParamRef(self, fields: Node, scope: Scope) -> Expression:
        return self.context.client_parameter(int(fields.get("number", 0)))

    def _visit_SQLValueFunction(self, fields: Node, scope: Scope) -> Expression:
        if fields["op"] not in _SQL_VALUES or int(fields.get("typmod", -1)) >= 0:
            raise Unverified(f"{fields['op'].removeprefix('SVFOP_').lower()} is not supported on lakehouse tables")
        return self.context.session_parameter(_SQL_VALUES[fields["op"]])

    def _visit_TypeCast(self, fields: Node, scope: Scope) -> Expression:
        target, name, field = named_type(fields["typeName"])
        elements = written_elements({"TypeCast": fields}) if target.oid in ELEMENT_OF else None
        if elements is not None:
            return self._array(elements, scope, PgType(ELEMENT_OF[target.oid], target.typmod)).named(name)
        written = literals.written_text(fields["arg"]) if target == INTERVAL else None
        if written is not None:
            return literals.interval(written, self.context.spelling, field).named(name)
        value = self.translate(fields["arg"], scope)
        converted = cast(value, target, self.context.spelling, self.context.customs)
        return converted.named(value.name if value.name != "?column?" else name)

    def _visit_A_ArrayExpr(self, fields: Node, scope: Scope) -> Expression:
        return self._array(written_elements({"A_ArrayExpr": fields}) or [], scope)

    def _array(self, nodes: list[Node], scope: Scope, element: PgType | None = None) -> Expression:
        values = [self.translate(node, scope) for node in nodes]
        inner = element or common([value.type for value in values], "ARRAY")
        return array_of([self.as_type(value, inner) for value in values], inner, self.context.spelling)

    def _visit_A_Indirection(self, fields: Node, scope: Scope) -> Expression:
        (kind, index), *others = map(tree.unwrap, fields["indirection"])
        if others or kind != "A_Indices" or index.get("is_slice"):
            raise Unverified("slices of arrays and parts of values are not supported on lakehouse tables")
        place = self.as_type(self.translate(index["uidx"], scope), INT4)
        return subscript(self.translate(fields["arg"], scope), place, self.context.spelling.lane)

    def _visit_BoolExpr(self, fields: Node, scope: Scope) -> Expression:
        parts = [self.condition(argument, scope) for argument in fields["args"]]
        if fields["boolop"] == "NOT_EXPR":
            return Expression(f"(NOT {parts[0].sql})", BOOL)
        word, join = ("AND", all_of) if fields["boolop"] == "AND_EXPR" else ("OR", any_of)
        sql = f" {word} ".join(part.sql for part in parts)
        return Expression(f"({sql})", BOOL, predicate=join([part.predicate for part in parts]))

    def _visit_NullTest(self, fields: Node, scope: Scope) -> Expression:
        if tree.kind(fields["arg"]) == "RowExpr":
            raise Unverified("IS NULL of a row is not supported")
        value = self.translate(fields["arg"], scope)
        is_null = fields["nulltesttype"] == "IS_NULL"
        predicate = Nullness(value.term, is_null) if isinstance(value.term, ColumnTerm) else None
        return Expression(f"({value.sql} IS {'' if is_null else 'NOT '}NULL)", BOOL, predicate=predicate)

    def _visit_BooleanTest(self, fields: Node, scope: Scope) -> Expression:
        value = self.condition(fields["arg"], scope)
        words = fields["booltesttype"].removeprefix("IS_").split("_")
        negated, what = words[0] == "NOT", words[-1]
        not_ = "NOT " if negated else ""
        if what == "UNKNOWN":
            return Expression(f"({value.sql} IS {not_}NULL)", BOOL)
        otherwise = "FALSE" if what == "TRUE" else "TRUE"
        return Expression(f"({not_}coalesce({value.sql}, {otherwise}) = {what})", BOOL)

    def _visit_CaseExpr(self, fields: Node, scope: Scope) -> Expression:
        subject = self.translate(fields["arg"], scope) if "arg" in fields else None
        whens = [when["CaseWhen"] for when in fields["args"]]
        results = [self.translate(when["result"], scope) for when in whens]
        default = self.translate(fields["defresult"], scope) if "defresult" in fields else NULL
        target = common([value.type for value in (*results, default)], "CASE")
        sql = ""
        for when, result in zip(whens, results, strict=True):
            test = self.translate(when["expr"], scope)
            met = self.operators.compare("=", subject, test) if subject else self._boolean(test)
            sql += f" WHEN {met.sql} THEN {self.as_type(result, target).sql}"
        name = default.name if default.name not in ("?column?", "bool") else "case"
        return Expression(f"CASE{sql} ELSE {self.as_type(default, target).sql} END", target, name=name)

    def _visit_CoalesceExpr(self, fields: Node, scope: Scope) -> Expression:
        return self._common_call("coalesce", fields["args"], scope, "COALESCE")

    def _visit_MinMaxExpr(self, fields: Node, scope: Scope) -> Expression:
        function = "greatest" if fields["op"] == "IS_GREATEST" else "least"
        return self._common_call(function, fields["args"], scope, function.upper())

    def _common_call(self, function: str, arguments: list[Node], scope: Scope, where: str) -> Expression:
        values = [self.translate(argument, scope) for argument in arguments]
        target = common([value.type for value in values], where)
        listed = ", ".join(self.as_type(value, target).sql for value in values)
        return Expression(f"{function}({listed})", target, name=function)

    def _visit_FuncCall(self, fields: Node, scope: Scope) -> Expression:
        return self.calls.translate(fields, scope)

    def _visit_SubLink(self, fields: Node, scope: Scope) -> Expression:
        return self.queries.sublink(fields, scope)

    def _visit_A_Expr(self, fields: Node, scope: Scope) -> Expression:
        kind, operator = fields["kind"], tree.strings(fields.get("name"))[-1]
        visit: Callable[[Node, str, Scope], Expression] | None = getattr(self, f"_visit_{kind}", None)
        if visit is None:
            raise Unverified(f"operator {operator} is not supported on lakehouse tables")
        return visit(fields, operator, scope)

    def _visit_AEXPR_OP(self, fields: Node, operator: str, scope: Scope) -> Expression:
        if "lexpr" not in fields:
            return self._negative(operator, fields["rexpr"], scope)
        if tree.kind(fields["lexpr"]) == "RowExpr":
            return self._row_comparison(fields, operator, scope)
        if operator in _LIKES:
            return self._visit_AEXPR_LIKE(fields, operator, scope)
        if operator == "-" and (symmetric := translate_symmetric(fields, scope, self)) is not None:
            return symmetric
        left, right = self.translate(fields["lexpr"], scope), self.translate(fields["rexpr"], scope)
        return self.operators.binary(operator, left, right)

    def _negative(self, operator: str, node: Node, scope: Scope) -> Expression:
        kind, fields = tree.unwrap(node)
        if operator == "-" and kind == "A_Const" and tree.is_number(fields):
            return literals.minus(literals.number(str(tree.constant(fields))))
        return unary(operator, self.translate(node, scope))

    def _row_comparison(self, fields: Node, operator: str, scope: Scope) -> Expression:
        if operator not in ("=", "<>") or tree.kind(fields["rexpr"]) != "RowExpr":
            raise Unverified("rows are compared only by = and <> with another row")
        rows = [fields[side]["RowExpr"]["args"] for side in ("lexpr", "rexpr")]
        pairs = [[self.translate(value, scope) for value in pair] for pair in zip(*rows, strict=True)]
        parts = [self.operators.compare(operator, left, right) for left, right in pairs]
        word, join = (" AND ", all_of) if operator == "=" else (" OR ", any_of)
        return Expression(f"({word.join(p.sql for p in parts)})", BOOL, predicate=join([p.predicate for p in parts]))

    def _visit_AEXPR_DISTINCT(self, fields: Node, operator: str, scope: Scope) -> Expression:
        return self._distinct(fields, scope, "NOT ")

    def _visit_AEXPR_NOT_DISTINCT(self, fields: Node, operator: str, scope: Scope) -> Expression:
        return self._distinct(fields, scope, "")

    def _distinct(self, fields: Node, scope: Scope, negation: str) -> Expression:
        sides = self.translate(fields["lexpr"], scope), self.translate(fields["rexpr"], scope)
        left, right = self.operators.comparable(*sides)
        word = "IS DISTINCT FROM" if negation else "IS NOT DISTINCT FROM"
        return Expression(f"({left.sql} {word} {right.sql})", BOOL)

    def _visit_AEXPR_NULLIF(self, fields: Node, operator: str, scope: Scope) -> Expression:
        left, right = self.translate(fields["lexpr"], scope), self.translate(fields["rexpr"], scope)
        met = self.operators.compare("=", left, right)
        kept = left if left.type else self.as_type(left, common((left.type, right.type), "NULLIF"))
        return Expression(f"CASE WHEN {met.sql} THEN NULL ELSE {kept.sql} END", kept.type, name="nullif")

    def _visit_AEXPR_IN(self, fields: Node, operator: str, scope: Scope) -> Expression:
        if tree.kind(fields["lexpr"]) == "RowExpr":
            return self._row_in(fields, operator, scope)
        value = self.translate(fields["lexpr"], scope)
        pairs = [self.operators.comparable(value, self.translate(item, scope)) for item in tree.items(fields["rexpr"])]
        lefts = {left.sql for left, _ in pairs}
        if len(lefts) == 1:
            joined = f"{lefts.pop()} IN ({', '.join(right.sql for _, right in pairs)})"
        else:
            joined = " OR ".join(f"{left.sql} = {right.sql}" for left, right in pairs)
        if operator == "<>":
            return Expression(f"(NOT ({joined}))", BOOL)
        predicates = [comparison(left.term, "=", right.term) for left, right in pairs]
        return Expression(f"({joined})", BOOL, predicate=any_of(predicates))

    def _row_in(self, fields: Node, operator: str, scope: Scope) -> Expression:
        rows = [{"lexpr": fields["lexpr"], "rexpr": item} for item in tree.items(fields["rexpr"])]
        tests = [self._row_comparison(row, "=", scope) for row in rows]
        joined = " OR ".join(test.sql for test in tests)
        if operator == "<>":
            return Expression(f"(NOT ({joined}))", BOOL)
        return Expression(f"({joined})", BOOL, predicate=any_of([test.predicate for test in tests]))

    def _visit_AEXPR_LIKE(self, fields: Node, operator: str, scope: Scope) -> Expression:
        value, escape, pattern_node = self.translate(fields["lexpr"], scope), "\\", fields["rexpr"]
        if (
            tree.kind(pattern_node) == "FuncCall"
            and tree.strings(pattern_node["FuncCall"]["funcname"])[-1] == "like_escape"
        ):
            pattern_node, escape_node = pattern_node["FuncCall"]["args"]
            escape = self.translate(escape_node, scope).literal or ""
            if len(escape) != 1:
                raise Unverified("LIKE … ESCAPE needs a single character")
        pattern = self.translate(pattern_node, scope)
        return self.operators.like(value, pattern, escape, operator.startswith("!"), operator.endswith("*"))

    _visit_AEXPR_ILIKE = _visit_AEXPR_LIKE

    def _visit_AEXPR_BETWEEN(self, fields: Node, operator: str, scope: Scope) -> Expression:
        if (covered := covers_rows(fields, scope)) is not None:
            return Expression("TRUE" if covered else "FALSE", BOOL)
        value = self.translate(fields["lexpr"], scope)
        low, high = (self.translate(item, scope) for item in tree.items(fields["rexpr"]))
        parts = [self.operators.compare(">=", value, low), self.operators.compare("<=", value, high)]
        predicate = all_of([part.predicate for part in parts])
        return Expression(f"({parts[0].sql} AND {parts[1].sql})", BOOL, predicate=predicate)

    def _visit_AEXPR_NOT_BETWEEN(self, fields: Node, operator: str, scope: Scope) -> Expression:
        return Expression(f"(NOT {self._visit_AEXPR_BETWEEN(fields, operator, scope).sql})", BOOL)

    def _visit_AEXPR_OP_ANY(self, fields: Node, operator: str, scope: Scope) -> Expression:
        """``x op ANY (array)``: a written array becomes a chain of OR, a parameter the engine's list function."""
        value, listed = self.translate(fields["lexpr"], scope), written_elements(fields["rexpr"])
        if listed is not None and operator in COMPARISONS:
            elements = [self.translate(item, scope) for item in listed]
            tests = [self.operators.compare(operator, value, element) for element in elements]
            sql = " OR ".join(test.sql for test in tests) or "FALSE"
            return Expression(f"({sql})", BOOL, predicate=any_of([test.predicate for test in tests]))
        return self._any_of_array(operator, value, self.translate(fields["rexpr"], scope))

    def _visit_AEXPR_OP_ALL(self, fields: Node, operator: str, scope: Scope) -> Expression:
        value, listed = self.translate(fields["lexpr"], scope), written_elements(fields["rexpr"])
        if listed is None and operator == "<>":
            return Expression(
                f"(NOT {self._any_of_array('=', value, self.translate(fields['rexpr'], scope)).sql})", BOOL
            )
        if listed is None or operator not in COMPARISONS:
            raise Unverified(f"{operator} ALL of this array is not supported")
        elements = [self.translate(item, scope) for item in listed]
        tests = [self.operators.compare(operator, value, element) for element in elements]
        sql = " AND ".join(test.sql for test in tests) or "TRUE"
        return Expression(f"({sql})", BOOL, predicate=all_of([test.predicate for test in tests]))

    def _any_of_array(self, operator: str, value: Expression, array: Expression) -> Expression:
        if operator != "=" or array.type is None or array.type.oid not in ELEMENT_OF or value.type is None:
            raise Unverified(f"{operator} ANY of this array is not supported")
        element = common((value.type, PgType(ELEMENT_OF[array.type.oid])), "ANY")
        if element.oid != ELEMENT_OF[array.type.oid]:
            array = self.as_type(array, array_type(element))
        sought = self.as_type(value, element).sql
        contains, size, holes = self._array_functions(array.sql)
        cases = f"WHEN {size} = 0 THEN FALSE WHEN {sought} IS NULL OR {array.sql} IS NULL THEN NULL"
        found = f"WHEN {contains}({array.sql}, {sought}) THEN TRUE WHEN {holes} THEN NULL ELSE FALSE"
        return Expression(f"(CASE {cases} {found} END)", BOOL)

    def _array_functions(self, array: str) -> tuple[str, str, str]:
        if self.context.spelling.lane is Lane.DUCKDB:
            return "list_contains", f"len({array})", f"list_count({array}) < len({array})"
        return "array_contains", f"size({array})", f"exists({array}, e -> e IS NULL)"
