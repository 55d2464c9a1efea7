"""Literals: an untyped string takes the type of its surroundings, as PostgreSQL resolves `unknown`.

PostgreSQL has checked every literal at Describe. A spelling that is not read here (a date in words, ``now``) is
refused, never passed to an engine that might read it otherwise.
"""

import datetime
import re
from decimal import Decimal

from catalog.types import ELEMENT_OF, Oid, PgType
from planner import tree
from planner.customs import Customs
from planner.dialects.arrays import array_of, read_items
from planner.dialects.coercion import FLOATS, INT4, INT8, INTEGERS, INTERVAL, MAX_PRECISION, STRINGS, decimal, type_name
from planner.dialects.expression import Expression, Unverified
from planner.dialects.intervals import parse_interval
from planner.dialects.spelling import Spelling
from planner.dialects.zones import place
from planner.predicates import ConstantTerm, Term
from planner.tree import Node

_TIMESTAMP = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?))?\s*(Z|[+-]\d{2}(?::?\d{2})?)?", re.IGNORECASE
)
_UUID = re.compile(r"[0-9a-f]{32}")
_BYTES = re.compile(r"\\x((?:[0-9a-fA-F]{2})*)")
_TRUE, _FALSE = ("t", "true", "y", "yes", "on", "1"), ("f", "false", "n", "no", "off", "0")


def number(text: str) -> Expression:
    """An unquoted number: int4, int8 or an exact numeric, by PostgreSQL's rule. The grammar folds a minus into it."""
    if text.startswith("-"):
        return minus(number(text[1:]))
    if re.fullmatch(r"\d+", text):
        value = int(text)
        if value < 2**31:
            return Expression(text, INT4, term=ConstantTerm(value), width=len(text))
        if value < 2**63:
            return Expression(text, INT8, term=ConstantTerm(value), width=len(text))
        return _exact(Decimal(value))
    if re.fullmatch(r"[0-9.]+([eE][+-]?\d+)?", text):
        return _exact(Decimal(text))
    return number(str(int(text.replace("_", ""), 0)))


def _exact(value: Decimal) -> Expression:
    spelled = format(value, "f")
    scale = max(0, -int(value.as_tuple().exponent))
    width = max(len(spelled.replace(".", "").lstrip("0")), scale, 1)
    if width > MAX_PRECISION:
        raise Unverified("numeric literals of more than 38 digits are not supported")
    sql = spelled if scale else f"CAST({spelled} AS DECIMAL({width},0))"
    return Expression(sql, decimal(width, scale), term=ConstantTerm(value), width=width)


def coerce_literal(literal: Expression, target: PgType, spelling: Spelling, customs: Customs) -> Expression:
    """An untyped literal as a constant of the type `target`."""
    if literal.literal is None:
        return Expression(f"CAST(NULL AS {spelling.type(target)})", target, name=literal.name)
    text, oid = literal.literal, target.oid
    if oid in STRINGS:
        return _string(text, target, spelling)
    if oid in (Oid.CHAR, Oid.UUID):
        return _string(text[:1] if oid == Oid.CHAR else _canonical_uuid(text), target, spelling)
    if oid == Oid.BOOL:
        return _boolean(text)
    if oid in INTEGERS or oid == Oid.OID:
        return Expression(f"CAST({int(text)} AS {spelling.type(target)})", target, term=ConstantTerm(int(text)))
    if oid == Oid.NUMERIC:
        return _numeric(text, target)
    if oid in FLOATS:
        return Expression(f"CAST({spelling.string(text.strip())} AS {spelling.type(target)})", target)
    if oid == Oid.INTERVAL:
        return interval(text, spelling)
    if oid in (Oid.DATE, Oid.TIMESTAMP, Oid.TIMESTAMPTZ):
        return _moment(text, target, spelling, customs)
    if oid == Oid.BYTEA:
        return _bytes(text, target)
    if oid in ELEMENT_OF:
        items = [Expression("NULL", None, literal=item) for item in read_items(text)]
        inner = PgType(ELEMENT_OF[oid], target.typmod)
        return array_of([coerce_literal(item, inner, spelling, customs) for item in items], inner, spelling)
    raise Unverified(f"literals of type {type_name(target)} are not supported")


def interval(text: str, spelling: Spelling, field: int | None = None) -> Expression:
    """See `parse_interval`."""
    span = parse_interval(text, field)
    return Expression(spelling.span(span), INTERVAL, span=span)


def written_text(node: Node) -> str | None:
    """The text that a string is, or strings and whole numbers under ``||``; None for what is not all constant."""
    kind, fields = tree.unwrap(node)
    if kind == "A_Const":
        value = tree.constant(fields)
        return value if isinstance(value, str) and not tree.is_number(fields) else None
    if kind != "A_Expr" or tree.strings(fields.get("name")) != ["||"]:
        return None
    parts = [_written(fields[side]) for side in ("lexpr", "rexpr")]
    return "".join(part for part in parts if part is not None) if None not in parts else None


def _written(node: Node) -> str | None:
    kind, fields = tree.unwrap(node)
    if kind == "A_Const" and "ival" in fields:
        return str(tree.constant(fields))
    return written_text(node)


def _canonical_uuid(text: str) -> str:
    """As PostgreSQL writes it, so that equal ones are equal texts."""
    digits = text.replace("-", "").strip("{}").lower()
    if not _UUID.fullmatch(digits):
        raise Unverified(f'the uuid "{text}" is spelt in a way that is not supported on lakehouse tables')
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _string(text: str, target: PgType, spelling: Spelling) -> Expression:
    kept = text if target.typmod < 0 else text[: target.typmod - 4]
    return Expression(spelling.string(kept), target, term=ConstantTerm(kept))


def _bytes(text: str, target: PgType) -> Expression:
    hexadecimal = _BYTES.fullmatch(text)
    if hexadecimal is None:
        raise Unverified("bytea is written in a form that is not supported", hint="Write it in hexadecimal, '\\x0aff'.")
    return Expression(f"unhex('{hexadecimal[1]}')", target)


def _boolean(text: str) -> Expression:
    word = text.strip().lower()
    if word not in _TRUE + _FALSE:
        raise Unverified(f'boolean "{text}" is written in a form that is not supported')
    return Expression("TRUE" if word in _TRUE else "FALSE", PgType(Oid.BOOL))


def _numeric(text: str, target: PgType) -> Expression:
    negative = text.strip().startswith("-")
    value = number(text.strip().lstrip("+-"))
    sql = f"(-{value.sql})" if negative else value.sql
    if target.precision_scale:
        return Expression(f"CAST({sql} AS DECIMAL({target.precision_scale[0]},{target.precision_scale[1]}))", target)
    return Expression(sql, value.type, term=negated(value.term) if negative else value.term)


def minus(value: Expression) -> Expression:
    """A literal number's negative."""
    return Expression(f"(-{value.sql})", value.type, term=negated(value.term), width=value.width)


def negated(term: Term | None) -> Term | None:
    """The term of a number's negative."""
    if isinstance(term, ConstantTerm) and isinstance(term.value, int | Decimal):
        return ConstantTerm(-term.value)
    return None


def _moment(text: str, target: PgType, spelling: Spelling, customs: Customs) -> Expression:
    match = _TIMESTAMP.fullmatch(text.strip())
    if not match:
        raise Unverified(
            f'{type_name(target)} "{text}" is written in a form that is not supported',
            hint="Write it as YYYY-MM-DD HH:MM:SS.",
        )
    day = datetime.date.fromisoformat(match[1])
    if target.oid == Oid.DATE:
        return Expression(f"DATE '{day}'", target, term=ConstantTerm(day))
    clock = datetime.time.fromisoformat(match[2] or "00:00")
    moment = datetime.datetime.combine(day, clock)
    if target.oid == Oid.TIMESTAMP:
        sql = f"CAST('{moment:%Y-%m-%d %H:%M:%S.%f}' AS {spelling.type(target)})"
        return Expression(sql, target, term=ConstantTerm(moment))
    offset = (match[3] or "").upper().replace("Z", "+00")
    aware = (
        datetime.datetime.fromisoformat(f"{moment.isoformat()}{offset if len(offset) > 3 else offset + ':00'}")
        if offset
        else place(moment, customs.time_zone)
    )
    return Expression(spelling.timestamptz(aware), target, term=ConstantTerm(aware))
