"""The verified scalar functions: PostgreSQL name, argument kinds, result, and the SQL of each lane.

A function that is not here, or whose template for a lane is None, has no verified rewrite there. `tests/conformance/
translation` holds each against a real PostgreSQL.

Kinds of arguments: ``t`` text, ``i`` int4, ``n`` exact number, ``r`` any number as a double, ``d`` date, ``s``
timestamp, ``b`` boolean, ``z`` timestamptz (session in UTC).
"""

from collections.abc import Callable
from dataclasses import dataclass

from catalog.types import Oid, PgType
from planner.dialects.coercion import (
    APPROXIMATE,
    BOOL,
    DATE,
    FLOAT8,
    INT4,
    INTEGERS,
    NUMBERS,
    STRINGS,
    TEXT,
    TIMESTAMP,
    TIMESTAMPTZ,
    decimal,
    digits,
    is_exact,
)
from planner.dialects.expression import Expression
from planner.plan import Lane

Result = PgType | Callable[[tuple[PgType, ...]], PgType]


@dataclass(frozen=True, slots=True)
class Function:
    arguments: str
    result: Result
    duckdb: str | None
    spark: str | None

    def template(self, lane: Lane) -> str | None:
        return self.duckdb if lane is Lane.DUCKDB else self.spark

    def accepts(self, values: list[Expression]) -> bool:
        return len(values) == len(self.arguments) and all(map(_accepts, self.arguments, values))


_KINDS: dict[str, frozenset[int]] = {
    "t": frozenset(STRINGS - {Oid.BPCHAR}),
    "i": frozenset({Oid.INT2, Oid.INT4}),
    "r": frozenset(NUMBERS),
    "f": frozenset({Oid.FLOAT4, Oid.FLOAT8}),
    "d": frozenset({Oid.DATE}),
    "s": frozenset({Oid.TIMESTAMP}),
    "z": frozenset({Oid.TIMESTAMPTZ}),
    "b": frozenset({Oid.BOOL}),
}
TARGETS = {"t": TEXT, "i": INT4, "d": DATE, "s": TIMESTAMP, "z": TIMESTAMPTZ, "b": BOOL}
"""What an untyped literal becomes as an argument of that kind."""


def _accepts(kind: str, value: Expression) -> bool:
    if value.type is None:
        return kind in TARGETS
    if kind == "n":
        return value.type.oid in NUMBERS and is_exact(value.type) and value.type.oid not in INTEGERS
    return value.type.oid in _KINDS[kind]


def _whole(types: tuple[PgType, ...]) -> PgType:
    precision, scale = digits(types[0])
    return decimal(precision - scale + 1, 0)


def _same(types: tuple[PgType, ...]) -> PgType:
    return types[0]


def _double(types: tuple[PgType, ...]) -> PgType:
    return APPROXIMATE if any(t.oid == Oid.NUMERIC for t in types) else FLOAT8


def _both(arguments: str, result: Result, template: str) -> Function:
    return Function(arguments, result, template, template)


_UPPER_DUCKDB = (
    "CASE WHEN contains({0}, 'ß') THEN array_to_string(list_transform(string_split({0}, 'ß'), lambda x: upper(x)), 'ß')"
    " ELSE upper({0}) END"
)
_UPPER_SPARK = (
    "CASE WHEN length(upper({0})) = length({0}) THEN upper({0}) ELSE "
    "array_join(transform(split({0}, ''), x -> CASE WHEN length(upper(x)) = 1 THEN upper(x) ELSE x END), '') END"
)
_LEFT_SPARK = "CASE WHEN {1} >= 0 THEN left({0}, {1}) ELSE left({0}, greatest(length({0}) + {1}, 0)) END"
_RIGHT_SPARK = "CASE WHEN {1} >= 0 THEN right({0}, {1}) ELSE right({0}, greatest(length({0}) + {1}, 0)) END"
_SUBSTRING = (
    "CASE WHEN {1} >= 1 THEN substring({0}, {1}, {2})"
    " WHEN {1} < 1 THEN substring({0}, 1, greatest({1} + {2} - 1, 0)) END"
)
_SUBSTRING_TAIL = "CASE WHEN {1} >= 1 THEN substring({0}, {1}) WHEN {1} < 1 THEN {0} END"
_LENGTH = Function("t", INT4, "CAST(length({0}) AS INTEGER)", "length({0})")
_CEIL = (Function("n", _whole, "ceil({0})", "ceil({0})"), Function("r", FLOAT8, "ceil({0})", None))
_FLOOR = (Function("n", _whole, "floor({0})", "floor({0})"), Function("r", FLOAT8, "floor({0})", None))
_POSITION = Function("tt", INT4, "CAST(strpos({0}, {1}) AS INTEGER)", "locate({1}, {0})")
_POWER = _both("rr", _double, "power({0}, {1})")
_SUBSTR = (_both("tii", TEXT, _SUBSTRING), _both("ti", TEXT, _SUBSTRING_TAIL))

FUNCTIONS: dict[str, tuple[Function, ...]] = {
    "lower": (_both("t", TEXT, "lower({0})"),),
    "upper": (Function("t", TEXT, _UPPER_DUCKDB, _UPPER_SPARK),),
    "length": (_LENGTH,),
    "char_length": (_LENGTH,),
    "character_length": (_LENGTH,),
    "octet_length": (Function("t", INT4, "CAST(octet_length(encode({0})) AS INTEGER)", "octet_length({0})"),),
    "substring": _SUBSTR,
    "substr": _SUBSTR,
    "position": (_POSITION,),
    "strpos": (_POSITION,),
    "btrim": (
        Function("t", TEXT, "trim({0}, ' ')", "trim(BOTH ' ' FROM {0})"),
        Function("tt", TEXT, "trim({0}, {1})", "trim(BOTH {1} FROM {0})"),
    ),
    "ltrim": (
        Function("t", TEXT, "ltrim({0}, ' ')", "trim(LEADING ' ' FROM {0})"),
        Function("tt", TEXT, "ltrim({0}, {1})", "trim(LEADING {1} FROM {0})"),
    ),
    "rtrim": (
        Function("t", TEXT, "rtrim({0}, ' ')", "trim(TRAILING ' ' FROM {0})"),
        Function("tt", TEXT, "rtrim({0}, {1})", "trim(TRAILING {1} FROM {0})"),
    ),
    "left": (Function("ti", TEXT, "left({0}, {1})", _LEFT_SPARK),),
    "right": (Function("ti", TEXT, "right({0}, {1})", _RIGHT_SPARK),),
    "lpad": (_both("ti", TEXT, "lpad({0}, {1}, ' ')"), _both("tit", TEXT, "lpad({0}, {1}, {2})")),
    "rpad": (_both("ti", TEXT, "rpad({0}, {1}, ' ')"), _both("tit", TEXT, "rpad({0}, {1}, {2})")),
    "repeat": (_both("ti", TEXT, "repeat({0}, {1})"),),
    "replace": (_both("ttt", TEXT, "replace({0}, {1}, {2})"),),
    "reverse": (_both("t", TEXT, "reverse({0})"),),
    "translate": (_both("ttt", TEXT, "translate({0}, {1}, {2})"),),
    "split_part": (_both("tti", TEXT, "split_part({0}, {1}, {2})"),),
    "starts_with": (Function("tt", BOOL, "starts_with({0}, {1})", "startswith({0}, {1})"),),
    "ascii": (_both("t", INT4, "ascii({0})"),),
    "chr": (Function("i", TEXT, "chr({0})", None),),
    "md5": (_both("t", TEXT, "md5({0})"),),
    "abs": (_both("n", _same, "abs({0})"), _both("i", _same, "abs({0})"), _both("r", _same, "abs({0})")),
    "ceil": _CEIL,
    "ceiling": _CEIL,
    "floor": _FLOOR,
    "round": (
        Function("n", _whole, "round({0}, 0)", "round({0}, 0)"),
        Function("r", FLOAT8, "round_even({0}, 0)", "rint({0})"),
    ),
    "trunc": (
        Function("n", _whole, "trunc({0})", "CASE WHEN {0} >= 0 THEN floor({0}) ELSE ceil({0}) END"),
        Function("r", FLOAT8, "trunc({0})", None),
    ),
    "sign": (
        Function("n", decimal(1, 0), "CAST(sign({0}) AS DECIMAL(1,0))", "CAST(sign({0}) AS DECIMAL(1,0))"),
        Function("r", FLOAT8, "CAST(sign({0}) AS DOUBLE)", "sign({0})"),
    ),
    "power": (_POWER,),
    "pow": (_POWER,),
    "sqrt": (Function("r", _double, "sqrt({0})", None),),
    "exp": (_both("r", _double, "exp({0})"),),
    "ln": (Function("r", _double, "ln({0})", None),),
    "log": (Function("r", _double, "log10({0})", None),),
    "log10": (Function("r", _double, "log10({0})", None),),
    "make_date": (_both("iii", DATE, "make_date({0}, {1}, {2})"),),
    "random": (Function("", FLOAT8, "random()", None),),
}

FIELDS: dict[str, tuple[int, str, str]] = {
    "year": (0, "extract(year FROM {0})", "extract(YEAR FROM {0})"),
    "quarter": (0, "extract(quarter FROM {0})", "extract(QUARTER FROM {0})"),
    "month": (0, "extract(month FROM {0})", "extract(MONTH FROM {0})"),
    "week": (0, "extract(week FROM {0})", "extract(WEEK FROM {0})"),
    "day": (0, "extract(day FROM {0})", "extract(DAY FROM {0})"),
    "doy": (0, "extract(doy FROM {0})", "extract(DOY FROM {0})"),
    "dow": (0, "extract(dow FROM {0})", "(extract(DOW FROM {0}) - 1)"),
    "isodow": (0, "extract(isodow FROM {0})", "extract(DOW_ISO FROM {0})"),
    "hour": (0, "extract(hour FROM {0})", "extract(HOUR FROM {0})"),
    "minute": (0, "extract(minute FROM {0})", "extract(MINUTE FROM {0})"),
    "second": (6, "(extract(microsecond FROM {0}) * 0.000001)", "extract(SECOND FROM {0})"),
    "epoch": (6, "(epoch_us({0}) * 0.000001)", "(unix_micros(CAST({0} AS TIMESTAMP)) * 0.000001)"),
}
"""Fields of extract(): decimals of the result, and the SQL of each lane. The clock's fields need a timestamp."""

DATE_FORMATS = {
    "YYYY": ("%Y", "yyyy"), "MM": ("%m", "MM"), "DD": ("%d", "dd"), "HH24": ("%H", "HH"), "MI": ("%M", "mm"),
    "SS": ("%S", "ss"),
}  # fmt: skip
"""Patterns of to_char() that both lanes print alike."""
