"""``DELETE … WHERE a IN (SELECT …)`` as DELETE … USING, which engines take.

Only where the condition cannot be true without the IN, and where the sub-select knows nothing of the table's rows. IN
is true for the same rows as equality with one of the sub-select's, also where values are NULL.
"""

from planner import tree
from planner.tree import Node

_ALIAS = "lakegate members"


def join_members(fields: Node) -> Node:
    """The fields of the DELETE that does the same without that sub-select; as they are where there is none."""
    condition = fields.get("whereClause")
    if condition is None or fields.get("usingClause"):
        return fields
    parts = _conjuncts(condition)
    place = next((place for place, part in enumerate(parts) if _is_member(part)), None)
    if place is None:
        return fields
    link = parts[place]["SubLink"]
    values = _values(link["testexpr"])
    names = [f"{_ALIAS} {number}" for number in range(1, len(values) + 1)]
    equal = [_equality(value, name) for value, name in zip(values, names, strict=True)]
    args = [*parts[:place], *equal, *parts[place + 1 :]]
    joined = {"BoolExpr": {"boolop": "AND_EXPR", "args": args}} if len(args) > 1 else args[0]
    return {**fields, "usingClause": [_relation(link["subselect"], names)], "whereClause": joined}


def _conjuncts(node: Node) -> list[Node]:
    kind, fields = tree.unwrap(node)
    if kind == "BoolExpr" and fields["boolop"] == "AND_EXPR":
        return [part for each in fields["args"] for part in _conjuncts(each)]
    return [node]


def _is_member(node: Node) -> bool:
    """Whether it is IN, or = ANY."""
    kind, fields = tree.unwrap(node)
    if kind != "SubLink" or fields["subLinkType"] != "ANY_SUBLINK":
        return False
    return tree.strings(fields.get("operName")) in ([], ["="])


def _values(node: Node) -> list[Node]:
    kind, fields = tree.unwrap(node)
    values: list[Node] = fields["args"] if kind == "RowExpr" else [node]
    return values


def _equality(value: Node, name: str) -> Node:
    column = {"ColumnRef": {"fields": [{"String": {"sval": _ALIAS}}, {"String": {"sval": name}}]}}
    return {"A_Expr": {"kind": "AEXPR_OP", "name": [{"String": {"sval": "="}}], "lexpr": value, "rexpr": column}}


def _relation(select: Node, names: list[str]) -> Node:
    """Each row once."""
    star: Node = {"ResTarget": {"val": {"ColumnRef": {"fields": [{"A_Star": {}}]}}}}
    distinct = {
        "distinctClause": [{}],
        "targetList": [star],
        "fromClause": [{"RangeSubselect": {"subquery": select, "alias": {"aliasname": _ALIAS}}}],
        "limitOption": "LIMIT_OPTION_DEFAULT",
        "op": "SETOP_NONE",
    }
    alias = {"aliasname": _ALIAS, "colnames": [{"String": {"sval": name}} for name in names]}
    return {"RangeSubselect": {"subquery": {"SelectStmt": distinct}, "alias": alias}}
