"""Arrays of one dimension: written out, as literals, and what is asked of them.

Reference: PostgreSQL documentation, "Array Input and Output Syntax"; `array_in`.
"""

import re
from collections.abc import Sequence
from typing import Any

from catalog.types import ARRAY_OF, ELEMENT_OF, Oid, PgType
from planner import tree
from planner.dialects.coercion import INT4, TEXT, type_name
from planner.dialects.expression import Expression, Unverified
from planner.dialects.spelling import Spelling
from planner.plan import Lane
from planner.tree import Node

_ELEMENTS = frozenset(ARRAY_OF) - {Oid.NUMERIC, Oid.BPCHAR, Oid.INTERVAL, Oid.OID, Oid.UUID}
"""What both engines keep in arrays as PostgreSQL does; a numeric's digits are not told by its array's type."""
_ITEM = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^\s{},"\\](?:[^{},"\\]*[^\s{},"\\])?))\s*(,|$)', re.DOTALL)


def read_items(text: str) -> list[str | None]:
    """The elements of a literal such as ``{1,NULL,"a b"}``. Raises `Unverified` for what has more dimensions, bounds,
    or escapes outside of quotes; PostgreSQL has accepted the text before."""
    inner = text.strip()
    if not (inner.startswith("{") and inner.endswith("}")):
        raise Unverified("an array literal with bounds is not supported on lakehouse tables")
    inner, at, found = inner[1:-1], 0, list[str | None]()
    while inner.strip() and (at == 0 or inner[at - 1] == ","):
        match = _ITEM.match(inner, at)
        if match is None:
            raise Unverified("an array literal of such a form is not supported on lakehouse tables")
        quoted, plain, at = match[1], match[2], match.end()
        found.append(re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL) if quoted is not None else _plain(plain))
    return found


def _plain(word: str) -> str | None:
    return None if word.upper() == "NULL" else word


def written_elements(node: Node) -> list[Node] | None:
    """The elements of an array that the statement writes out; a cast of the array becomes one of each. None for any
    other."""
    kind, fields = tree.unwrap(node)
    if kind == "A_ArrayExpr":
        found: list[Node] = fields.get("elements", [])
        if any(tree.kind(element) == "A_ArrayExpr" for element in found):
            raise Unverified("arrays of more than one dimension are not supported on lakehouse tables")
        return found
    if kind == "A_Const" and isinstance(tree.constant(fields), str) and not tree.is_number(fields):
        return [_constant(item) for item in read_items(str(tree.constant(fields)))]
    if kind != "TypeCast" or not fields["typeName"].get("arrayBounds"):
        return None
    inner = written_elements(fields["arg"])
    one = {name: value for name, value in fields["typeName"].items() if name != "arrayBounds"}
    return None if inner is None else [{"TypeCast": {**fields, "arg": item, "typeName": one}} for item in inner]


def _constant(item: str | None) -> Node:
    fields: dict[str, Any] = {"isnull": True} if item is None else {"sval": {"sval": item}}
    return {"A_Const": fields}


def array_of(elements: Sequence[Expression], element: PgType, spelling: Spelling) -> Expression:
    """The array of values of that type. Raises `Unverified`."""
    type_ = array_type(element)
    return Expression(spelling.array([one.sql for one in elements], type_), type_, name="array")


def array_type(element: PgType) -> PgType:
    """Raises `Unverified` for elements that have no such array on both lanes."""
    if element.oid not in _ELEMENTS:
        raise Unverified(f"arrays of {type_name(element)} are not computed on lakehouse tables")
    return PgType(ARRAY_OF[element.oid])


def element_type(array: Expression) -> PgType:
    """Raises `Unverified` for what is no array."""
    if array.type is None or array.type.oid not in ELEMENT_OF:
        raise Unverified(f"{type_name(array.type)} has no elements on lakehouse tables")
    return PgType(ELEMENT_OF[array.type.oid], array.type.typmod)


def subscript(array: Expression, index: Expression, lane: Lane) -> Expression:
    """``array[index]``, NULL beyond its ends."""
    found = f"list_extract({array.sql}, {index.sql})" if lane is Lane.DUCKDB else f"get({array.sql}, {index.sql} - 1)"
    return Expression(f"CASE WHEN {index.sql} >= 1 THEN {found} END", element_type(array), name=array.name)


def cardinality(array: Expression, lane: Lane) -> Expression:
    """How many elements it has."""
    element_type(array)
    counted = f"len({array.sql})" if lane is Lane.DUCKDB else f"size({array.sql})"
    return Expression(f"CASE WHEN {array.sql} IS NOT NULL THEN CAST({counted} AS INTEGER) END", INT4)


def joined(array: Expression, separator: Expression, lane: Lane) -> Expression:
    """array_to_string() of texts: NULLs are left out."""
    if element_type(array).oid not in (Oid.TEXT, Oid.VARCHAR) or separator.literal is None:
        raise Unverified("array_to_string() takes an array of texts and a literal separator on lakehouse tables")
    if lane is Lane.SPARK:
        return Expression(f"array_join({array.sql}, {separator.sql})", TEXT)
    text = f"coalesce(array_to_string({array.sql}, {separator.sql}), '')"
    return Expression(f"CASE WHEN {array.sql} IS NOT NULL THEN {text} END", TEXT)
