"""Casts with PostgreSQL's results: how numbers round, how text is cut, what text a value has.

float8 -> integer rounds half to even, numeric -> integer half away from zero; text longer than varchar(n) is cut by an
explicit cast. Text -> number is checked to be what PostgreSQL takes. What would need another lane's text (floats,
intervals, timestamptz as text) is refused.
"""

from catalog.types import ELEMENT_OF, Oid, PgType
from planner.customs import Customs
from planner.dialects.arrays import array_type, element_type
from planner.dialects.coercion import (
    DATETIMES,
    FLOATS,
    INTEGERS,
    NUMBERS,
    STRINGS,
    decimal,
    digits,
    is_exact,
    type_name,
)
from planner.dialects.expression import Expression, Unverified
from planner.dialects.literals import coerce_literal
from planner.dialects.spelling import Spelling
from planner.dialects.zones import UTC, check_zone
from planner.plan import Lane


def cast(value: Expression, target: PgType, spelling: Spelling, customs: Customs) -> Expression:
    """`value` as `target`. Raises `Unverified` where this lane has no rewrite of PostgreSQL's cast."""
    if value.type is None:
        return coerce_literal(value, target, spelling, customs).named(value.name)
    if value.type == target:
        return value
    source = value.type
    if target.oid in STRINGS:
        return _to_text(value, source, target, spelling, customs)
    if target.oid in NUMBERS:
        return _to_number(value, source, target, spelling)
    if target.oid in DATETIMES and (source.oid in DATETIMES or source.oid in STRINGS):
        return _to_datetime(value, source, target, spelling, customs)
    if target.oid == Oid.BOOL and (source.oid == Oid.INT4 or source.oid in STRINGS):
        return _cast(value, target, spelling)
    if source.oid in ELEMENT_OF and target.oid in ELEMENT_OF:
        return value if source.oid == target.oid else _cast_each(value, target, spelling, customs)
    raise Unverified(f"cast from {type_name(source)} to {type_name(target)} is not supported")


def _cast_each(value: Expression, target: PgType, spelling: Spelling, customs: Customs) -> Expression:
    """An array, element by element."""
    inner = PgType(ELEMENT_OF[target.oid], target.typmod)
    array_type(inner)
    one = cast(Expression("one_", element_type(value)), inner, spelling, customs)
    return Expression(spelling.each(value.sql, "one_", one.sql), target, name=value.name)


def _cast(value: Expression, target: PgType, spelling: Spelling, sql: str | None = None) -> Expression:
    spelled = f"CAST({sql or value.sql} AS {spelling.type(target)})"
    return Expression(spelled, target, name=value.name)


def _to_text(value: Expression, source: PgType, target: PgType, spelling: Spelling, customs: Customs) -> Expression:
    if source.oid in STRINGS:
        sql = value.sql
    elif source.oid in DATETIMES and not customs.writes_iso:
        raise Unverified(
            f"cast from {type_name(source)} to {type_name(target)} is not supported at DateStyle {customs.date_style}",
            hint="SET DateStyle to ISO, or write it with to_char.",
        )
    elif source.oid in INTEGERS | {Oid.BOOL, Oid.DATE, Oid.TIMESTAMP} or is_exact_numeric(source):
        sql = f"CAST({value.sql} AS {spelling.type(PgType(Oid.TEXT))})"
    else:
        raise Unverified(f"cast from {type_name(source)} to {type_name(target)} is not supported")
    if target.typmod >= 0 and target.typmod != source.typmod:
        sql = f"left({sql}, {target.typmod - 4})"
    if Oid.BPCHAR in (source.oid, target.oid):
        sql = f"rtrim({sql}, ' ')" if spelling.lane is Lane.DUCKDB else f"rtrim(' ', {sql})"
    if target.oid == Oid.BPCHAR and target.typmod >= 0:
        sql = f"rpad({sql}, {target.typmod - 4}, ' ')"
    term = value.term if sql == value.sql else None
    return Expression(sql, target, term=term, name=value.name)


def is_exact_numeric(type_: PgType) -> bool:
    return type_.oid == Oid.NUMERIC and type_.precision_scale is not None


def _to_number(value: Expression, source: PgType, target: PgType, spelling: Spelling) -> Expression:
    if source.oid in STRINGS:
        return _parse_number(value, target, spelling)
    if source.oid == Oid.BOOL and target.oid == Oid.INT4:
        return _cast(value, target, spelling)
    if source.oid not in NUMBERS:
        raise Unverified(f"cast from {type_name(source)} to {type_name(target)} is not supported")
    if target.oid in INTEGERS and source.oid not in INTEGERS:
        return _cast(value, target, spelling, _rounded(value.sql, source, spelling.lane))
    if target.oid == Oid.NUMERIC and target.typmod < 0 and is_exact(source):
        precision, scale = digits(source)
        return _cast(value, decimal(precision, scale), spelling)
    return _cast(value, target, spelling)


def _rounded(sql: str, source: PgType, lane: Lane) -> str:
    if source.oid in FLOATS:
        return sql if lane is Lane.DUCKDB else f"rint({sql})"
    return f"round({sql}, 0)"


def _parse_number(value: Expression, target: PgType, spelling: Spelling) -> Expression:
    if target.oid == Oid.NUMERIC and target.typmod < 0:
        raise Unverified("cast from text to numeric needs a precision", hint="Write CAST(… AS numeric(38,10)).")
    if spelling.lane is Lane.SPARK:
        return _cast(value, target, spelling)
    pattern = r"\s*[+-]?\d+\s*" if target.oid in INTEGERS else r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*"
    message = f"'invalid input syntax for type {type_name(target)}: \"' || {value.sql} || '\"'"
    good, bad = f"regexp_full_match({value.sql}, '{pattern}')", f"{value.sql} IS NOT NULL"
    checked = f"CASE WHEN {good} THEN {value.sql} WHEN {bad} THEN error({message}) END"
    return _cast(value, target, spelling, checked)


def _to_datetime(value: Expression, source: PgType, target: PgType, spelling: Spelling, customs: Customs) -> Expression:
    crosses_zones = (source.oid == Oid.TIMESTAMPTZ) != (target.oid == Oid.TIMESTAMPTZ)
    if crosses_zones and customs.time_zone not in UTC:
        return _cross_zones(value, source, target, spelling, check_zone(customs.time_zone))
    if source.oid == Oid.TIMESTAMPTZ and spelling.lane is Lane.DUCKDB:
        # The engine's own cast would follow its TimeZone setting.
        return _cast(value, target, spelling, f"make_timestamp(epoch_us({value.sql}))")
    return _cast(value, target, spelling)


def _cross_zones(value: Expression, source: PgType, target: PgType, spelling: Spelling, zone: str) -> Expression:
    """Between moments and the dates and times that clocks show."""
    if source.oid in STRINGS:
        raise Unverified(
            f"cast from {type_name(source)} to {type_name(target)} depends on the time zone",
            hint="Cast it to timestamp first, which is read without a zone.",
        )
    if source.oid == Oid.TIMESTAMPTZ:
        local = Expression(spelling.local(value.sql, zone), PgType(Oid.TIMESTAMP), name=value.name)
        return local if target.oid == Oid.TIMESTAMP else _cast(local, target, spelling)
    start = value if source.oid == Oid.TIMESTAMP else _cast(value, PgType(Oid.TIMESTAMP), spelling)
    return Expression(spelling.moment(start.sql, zone), target, name=value.name)
