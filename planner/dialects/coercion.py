"""PostgreSQL's type rules, as far as translation needs them: categories, common types, numeric precision.

**Numeric.** A numeric is *exact* when its precision and scale are known (a column, a literal, and sums, differences
and products of those): it runs as the engine's DECIMAL. Without a typmod it is *approximate*: a quotient, an average,
or what derives from one. It runs as DOUBLE and is shown as a numeric; PostgreSQL keeps at least 16 significant digits
there, a double 15 to 17. Rules for exact operands (p1,s1), (p2,s2), precision capped at 38 and never at the scale's
cost:

| operator | scale | integer digits |
|---|---|---|
| ``+ -`` | max(s1,s2) | max + 1 |
| ``*`` | s1+s2 | sum |
| ``%`` | max(s1,s2) | the divisor's |
| ``/``, avg | approximate | |
| sum | s1 | 38 - s1 |

References: PostgreSQL "Type Conversion" (chapter 10) and `numeric.c`.
"""

from collections.abc import Iterable

from catalog.errors import DatatypeMismatch
from catalog.types import ELEMENT_OF, Oid, PgType, numeric

MAX_PRECISION = 38

BOOL, TEXT, DATE = PgType(Oid.BOOL), PgType(Oid.TEXT), PgType(Oid.DATE)
INT2, INT4, INT8 = PgType(Oid.INT2), PgType(Oid.INT4), PgType(Oid.INT8)
FLOAT4, FLOAT8 = PgType(Oid.FLOAT4), PgType(Oid.FLOAT8)
TIMESTAMP, TIMESTAMPTZ, INTERVAL = PgType(Oid.TIMESTAMP), PgType(Oid.TIMESTAMPTZ), PgType(Oid.INTERVAL)
BYTEA, APPROXIMATE = PgType(Oid.BYTEA), PgType(Oid.NUMERIC)

INTEGERS = frozenset({Oid.INT2, Oid.INT4, Oid.INT8})
FLOATS = frozenset({Oid.FLOAT4, Oid.FLOAT8})
NUMBERS = INTEGERS | FLOATS | {Oid.NUMERIC}
STRINGS = frozenset({Oid.TEXT, Oid.VARCHAR, Oid.BPCHAR, Oid.NAME})
DATETIMES = frozenset({Oid.DATE, Oid.TIMESTAMP, Oid.TIMESTAMPTZ})

_RANK = {Oid.INT2: 0, Oid.INT4: 1, Oid.INT8: 2, Oid.NUMERIC: 3, Oid.FLOAT4: 4, Oid.FLOAT8: 5}
_DIGITS = {Oid.INT2: 5, Oid.INT4: 10, Oid.INT8: 19}
_NAMES = {
    Oid.BOOL: "boolean", Oid.BYTEA: "bytea", Oid.INT8: "bigint", Oid.INT2: "smallint", Oid.INT4: "integer",
    Oid.TEXT: "text", Oid.FLOAT4: "real", Oid.FLOAT8: "double precision", Oid.BPCHAR: "character",
    Oid.VARCHAR: "character varying", Oid.DATE: "date", Oid.TIME: "time without time zone", Oid.JSONB: "jsonb",
    Oid.TIMESTAMP: "timestamp without time zone", Oid.TIMESTAMPTZ: "timestamp with time zone", Oid.JSON: "json",
    Oid.INTERVAL: "interval", Oid.NUMERIC: "numeric", Oid.UUID: "uuid", Oid.UNKNOWN: "unknown", Oid.NAME: "name",
    Oid.CHAR: '"char"', Oid.OID: "oid",
}  # fmt: skip


def type_name(type_: PgType | None) -> str:
    """As PostgreSQL's messages spell it, without typmod."""
    if type_ is None:
        return "unknown"
    if type_.oid in ELEMENT_OF:
        return type_name(PgType(ELEMENT_OF[type_.oid])) + "[]"
    return _NAMES.get(Oid(type_.oid), str(type_.oid)) if type_.oid in _NAMES else f"type {type_.oid}"


def is_exact(type_: PgType) -> bool:
    """Runs as the engine's DECIMAL or integer: no digit is lost."""
    return type_.oid in INTEGERS or type_.precision_scale is not None


def digits(type_: PgType) -> tuple[int, int]:
    """Precision and scale of an exact number."""
    return type_.precision_scale or (_DIGITS[Oid(type_.oid)], 0)


def decimal(precision: int, scale: int) -> PgType:
    """An exact numeric; precision is capped at what both engines hold, an engine raises 22003 beyond."""
    return numeric(max(min(precision, MAX_PRECISION), scale, 1), scale)


def common_number(left: PgType, right: PgType) -> PgType:
    """The type to which PostgreSQL brings two numbers."""
    if Oid.NUMERIC not in (left.oid, right.oid) or FLOATS & {Oid(left.oid), Oid(right.oid)}:
        if FLOATS & {Oid(left.oid), Oid(right.oid)} and left.oid != right.oid:
            return FLOAT8
        return max(left, right, key=lambda t: _RANK[Oid(t.oid)])
    if not (is_exact(left) and is_exact(right)):
        return APPROXIMATE
    (p1, s1), (p2, s2) = digits(left), digits(right)
    scale = max(s1, s2)
    return decimal(max(p1 - s1, p2 - s2) + scale, scale)


def common(types: Iterable[PgType | None], where: str) -> PgType:
    """The type of CASE, COALESCE, UNION, IN, VALUES…: PostgreSQL's "UNION, CASE, and related constructs".

    None stands for an untyped literal. Raises `DatatypeMismatch` where PostgreSQL does.
    """
    known = [type_ for type_ in types if type_ is not None]
    if not known:
        return TEXT
    result = known[0]
    for other in known[1:]:
        result = _common_pair(result, other, where)
    return result


def _common_pair(left: PgType, right: PgType, where: str) -> PgType:
    if left == right:
        return left
    if left.oid in NUMBERS and right.oid in NUMBERS:
        # Operators prefer float8 where these constructs keep float4.
        oids = {left.oid, right.oid}
        return FLOAT4 if Oid.FLOAT4 in oids and Oid.FLOAT8 not in oids else common_number(left, right)
    if left.oid in STRINGS and right.oid in STRINGS:
        return PgType(left.oid) if left.oid == right.oid else TEXT
    if left.oid in DATETIMES and right.oid in DATETIMES:
        order = (Oid.DATE, Oid.TIMESTAMP, Oid.TIMESTAMPTZ)
        return max(left, right, key=lambda t: order.index(Oid(t.oid)))
    if left.oid == right.oid:
        return PgType(left.oid)
    if Oid.OID in (left.oid, right.oid) and INTEGERS & {left.oid, right.oid}:
        return PgType(Oid.OID)
    raise DatatypeMismatch(f"{where} types {type_name(left)} and {type_name(right)} cannot be matched")
