"""The text of a view, as PostgreSQL's deparser writes it, in the spelling that statements have.

The deparser shows what PostgreSQL has made of a statement: LIKE as its operator, IN as ANY over an array, whose cast it
writes once for all elements. What is meant is the same.
"""

from functools import lru_cache
from typing import Any

from planner import tree
from planner.dialects.arrays import written_elements
from planner.parse import Statement, parse
from planner.plan import Dialect
from planner.tree import Node

_REMEMBERED = 1024
_LIKES = {"~~": "AEXPR_LIKE", "!~~": "AEXPR_LIKE", "~~*": "AEXPR_ILIKE", "!~~*": "AEXPR_ILIKE"}
_MEMBERSHIPS = {("AEXPR_OP_ANY", "="), ("AEXPR_OP_ALL", "<>")}


@lru_cache(maxsize=_REMEMBERED)
def read_view(text: str) -> tuple[Statement, Node]:
    """The statement that a view is, and the fields of its SELECT."""
    (statement,) = parse(text, Dialect.POSTGRES)
    respelled: Node = _respell(statement.tree)["SelectStmt"]
    return statement, respelled


def _respell(node: Any) -> Any:
    if isinstance(node, list):
        return [_respell(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {key: _respell(_operation(value) if key == "A_Expr" else value) for key, value in node.items()}


def _operation(fields: Node) -> Node:
    operator = tree.strings(fields.get("name"))[-1]
    if fields["kind"] == "AEXPR_OP" and operator in _LIKES:
        return {**fields, "kind": _LIKES[operator], "rexpr": _pattern(fields["rexpr"])}
    # An empty array stays one: no IN has an empty list.
    if (fields["kind"], operator) in _MEMBERSHIPS and (listed := written_elements(fields["rexpr"])):
        return {**fields, "kind": "AEXPR_IN", "rexpr": {"List": {"items": listed}}}
    return fields


def _pattern(node: Node) -> Node:
    """A constant pattern without its cast to text."""
    kind, fields = tree.unwrap(node)
    if kind == "TypeCast" and tree.kind(fields["arg"]) == "A_Const":
        found: Node = fields["arg"]
        return found
    return node
