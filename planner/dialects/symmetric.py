"""Sums over the rows of one table of a join that repeats them, as Looker and Malloy write them.

Each row is told from others by a hash of its key, h, so that ``sum(DISTINCT v + h) - sum(DISTINCT h)`` counts it once.
h is the MD5 as a signed number of 128 bits: more digits than any number of an engine's has, so the engine computes
with two parts, ``high * 2^64 + low`` with a low part that is signed as well. Every number has one such pair, and equal
pairs are equal numbers: what is distinct is so in PostgreSQL too, and the two sums differ by what PostgreSQL's do. A
difference that no numeric of 38 digits holds, as where a key stands for several values, is an error.

References: Looker documentation, "Symmetric aggregates"; Malloy, `sqlSumDistinctHashedKey` of its PostgreSQL dialect.
"""

from typing import TYPE_CHECKING, Any

from catalog.types import Oid
from planner import tree
from planner.bind import Scope
from planner.dialects.coercion import FLOATS, MAX_PRECISION, NUMBERS, STRINGS, decimal
from planner.dialects.expression import Expression, Unverified
from planner.parse import parse
from planner.plan import Dialect, Lane
from planner.tree import Node

if TYPE_CHECKING:
    from planner.dialects.translator import Expressions

_HALF = "('x' || {half})::bit(64)::bigint::{type}"
_RADIX = 1 << 64
_WHOLE = decimal(MAX_PRECISION, 0)
_VALUE, _KEY = 1, 2
_FLOAT_DIGITS = 15
"""What PostgreSQL keeps of a double precision that becomes a numeric."""


def _pattern(type_name: str) -> Node:
    """The tree of a symmetric sum, with $1 for the value and $2 for the key."""
    high = _HALF.format(half="md5($2)", type=type_name) + f" * {_RADIX}"
    low = _HALF.format(half="substr(md5($2), 17)", type=type_name)
    text = f"SELECT sum(DISTINCT $1::decimal(65,0) + {high} + {low}) - sum(DISTINCT {high} + {low})"
    (statement,) = parse(text, Dialect.POSTGRES)
    found: Node = statement.tree["SelectStmt"]["targetList"][0]["ResTarget"]["val"]["A_Expr"]
    return found


_PATTERNS = tuple(map(_pattern, ("decimal(65,0)", "decimal(65)")))


def translate_symmetric(difference: Node, scope: Scope, expressions: "Expressions") -> Expression | None:
    """The A_Expr of a symmetric sum as the engine's SQL; None for any other. Raises `Unverified` where its parts have
    no rewrite."""
    bound: dict[int, Node] = {}
    if not (_matches(_PATTERNS[0], difference, bound) or _matches(_PATTERNS[1], difference, bound := {})):
        return None
    if expressions.context.spelling.lane is Lane.SPARK:
        raise Unverified("sums over a hashed key are not supported on the Spark lane")
    value, key = (expressions.translate(bound[part], scope) for part in (_VALUE, _KEY))
    if key.type is None or key.type.oid not in STRINGS - {Oid.BPCHAR} or value.type is None:
        raise Unverified("a sum over a hashed key needs a key that is text, and a number")
    return Expression(_difference(_whole(value, expressions), key.sql), _WHOLE)


def _matches(pattern: Any, node: Any, bound: dict[int, Node]) -> bool:
    """Whether the tree is that of the pattern wherever it stands, a parameter of which stands for equal trees."""
    if isinstance(pattern, dict) and "ParamRef" in pattern:
        return bool(tree.placeless(bound.setdefault(pattern["ParamRef"]["number"], node)) == tree.placeless(node))
    if isinstance(pattern, dict) and isinstance(node, dict):
        names = (pattern.keys() | node.keys()) - tree.PLACES
        return all(_matches(pattern.get(name), node.get(name), bound) for name in names)
    if isinstance(pattern, list) and isinstance(node, list) and len(pattern) == len(node):
        return all(_matches(*pair, bound) for pair in zip(pattern, node, strict=True))
    return bool(pattern == node)


def _whole(value: Expression, expressions: "Expressions") -> str:
    if value.type is not None and value.type.oid in FLOATS:
        return f"CAST(printf('%.{_FLOAT_DIGITS - 1}e', {value.sql}) AS DECIMAL({MAX_PRECISION},0))"
    if value.type is None or value.type.oid not in NUMBERS:
        raise Unverified("a sum over a hashed key needs a number")
    return expressions.as_type(value, _WHOLE).sql


def _signed(digits: str) -> str:
    """16 hexadecimal digits as a signed number of 64 bits."""
    bits = f"CAST('0x' || {digits} AS UBIGINT)"
    return f"(CAST({bits} AS HUGEINT) - CASE WHEN {bits} >= {_RADIX // 2} THEN {_RADIX} ELSE 0 END)"


def _difference(value: str, key: str) -> str:
    high, low = _signed(f"left(md5({key}), 16)"), _signed(f"right(md5({key}), 16)")
    moved = f"(CAST({value} AS HUGEINT) + {low} + {_RADIX // 2})"
    carry = f"CASE WHEN {moved} >= 0 THEN {moved} // {_RADIX} ELSE -(({_RADIX} - 1 - {moved}) // {_RADIX}) END"
    sums = _distinct(f"{high} + {carry}", f"{moved} - ({carry}) * {_RADIX} - {_RADIX // 2}")
    hashes = _distinct(high, low)
    highs, lows = (f"({_total(sums, part)} - {_total(hashes, part)})" for part in ("high", "low"))
    return f"CAST(CAST({highs} AS HUGEINT) * {_RADIX} + CAST({lows} AS HUGEINT) AS DECIMAL({MAX_PRECISION},0))"


def _distinct(high: str, low: str) -> str:
    parts = (f"{name} := CAST({sql} AS DECIMAL({MAX_PRECISION},0))" for name, sql in (("high", high), ("low", low)))
    return f"list(DISTINCT struct_pack({', '.join(parts)}))"


def _total(pairs: str, part: str) -> str:
    return f"list_sum(list_transform({pairs}, lambda pair: pair.{part}))"
