"""Aggregates and window functions with PostgreSQL's result types.

``sum`` widens (int4 -> int8, int8 -> numeric), ``avg`` of exact numbers is the exact sum over the count as a double.
A call is given as a function that adds FILTER and OVER, because a rewrite may need two calls.
"""

from collections.abc import Callable

from catalog.types import Oid, PgType
from planner.dialects.coercion import (
    APPROXIMATE,
    BOOL,
    FLOAT4,
    FLOAT8,
    FLOATS,
    INT4,
    INT8,
    NUMBERS,
    decimal,
    digits,
)
from planner.dialects.expression import Expression, Unverified
from planner.plan import Lane

Call = Callable[[str], str]
"""Takes ``sum(x)``, gives it with its FILTER and OVER."""

_NUMERIC_STATISTICS = frozenset({"stddev", "stddev_samp", "stddev_pop", "variance", "var_samp", "var_pop"})
_FLOAT_PAIRS = frozenset({"corr", "covar_pop", "covar_samp", "regr_slope", "regr_intercept", "regr_r2"})
AGGREGATES = (
    frozenset({"count", "sum", "avg", "min", "max", "bool_and", "bool_or", "every"})
    | _NUMERIC_STATISTICS
    | _FLOAT_PAIRS
)
RANKINGS = {
    "row_number": ("row_number()", INT8), "rank": ("rank()", INT8), "dense_rank": ("dense_rank()", INT8),
    "percent_rank": ("percent_rank()", FLOAT8), "cume_dist": ("cume_dist()", FLOAT8),
}  # fmt: skip
NAVIGATION = frozenset({"lag", "lead", "first_value", "last_value", "nth_value"})


def aggregate(name: str, values: list[Expression], distinct: bool, call: Call, lane: Lane) -> Expression:
    """The aggregate `name` over typed arguments. Raises `Unverified` for a kind of argument without a rewrite."""
    prefix = "DISTINCT " if distinct else ""
    if name == "count":
        argument = prefix + values[0].sql if values else "*"
        return Expression(call(f"count({argument})"), INT8, name=name)
    types = [value.type for value in values]
    if not types or None in types:
        raise Unverified(f"{name}() of an untyped literal is not supported")
    first = values[0].type
    assert first is not None
    if name in ("sum", "avg"):
        sql, type_ = (_sum if name == "sum" else _avg)(prefix, values[0].sql, first, call, lane)
        return Expression(sql, type_, name=name)
    if name in ("min", "max") and first.oid not in (Oid.BOOL, Oid.BPCHAR, Oid.JSONB, Oid.INTERVAL, Oid.BYTEA):
        type_ = PgType(first.oid) if first.oid == Oid.VARCHAR else first
        return Expression(call(f"{name}({values[0].sql})"), type_, name=name)
    if name in ("bool_and", "bool_or", "every") and first.oid == Oid.BOOL:
        function = "bool_and" if name == "every" else name
        return Expression(call(f"{function}({values[0].sql})"), BOOL, name=name)
    if name in _NUMERIC_STATISTICS | _FLOAT_PAIRS and not distinct:
        return _statistic(name, values, first, call)
    raise Unverified(f"{name}() of these arguments is not supported")


def _sum(prefix: str, sql: str, type_: PgType, call: Call, lane: Lane) -> tuple[str, PgType]:
    if type_.oid in (Oid.INT2, Oid.INT4):
        return f"CAST({call(f'sum({prefix}{sql})')} AS BIGINT)", INT8
    if type_.oid in FLOATS:
        single = type_.oid == Oid.FLOAT4
        total = call(f"sum({prefix}{sql})")
        return (f"CAST({total} AS FLOAT)", FLOAT4) if single else (total, FLOAT8)
    if type_ == APPROXIMATE:
        return call(f"sum({prefix}{sql})"), APPROXIMATE
    if type_.oid not in NUMBERS:
        raise Unverified("sum() of this type is not supported")
    scale = digits(type_)[1]
    operand = f"CAST({sql} AS DECIMAL(28,0))" if type_.oid == Oid.INT8 and lane is Lane.SPARK else sql
    return f"CAST({call(f'sum({prefix}{operand})')} AS DECIMAL(38,{scale}))", decimal(38, scale)


def _avg(prefix: str, sql: str, type_: PgType, call: Call, lane: Lane) -> tuple[str, PgType]:
    if type_.oid not in NUMBERS:
        raise Unverified("avg() of this type is not supported")
    if type_.oid in FLOATS or type_ == APPROXIMATE:
        return call(f"avg({prefix}CAST({sql} AS DOUBLE))"), FLOAT8 if type_.oid in FLOATS else APPROXIMATE
    if lane is Lane.DUCKDB:
        return call(f"avg({prefix}{sql})"), APPROXIMATE
    total = _sum(prefix, f"CAST({sql} AS DECIMAL(28,{digits(type_)[1]}))", decimal(28, digits(type_)[1]), call, lane)[0]
    return f"(CAST({total} AS DOUBLE) / nullif({call(f'count({prefix}{sql})')}, 0))", APPROXIMATE


def _statistic(name: str, values: list[Expression], first: PgType, call: Call) -> Expression:
    if any(value.type is None or value.type.oid not in NUMBERS for value in values):
        raise Unverified(f"{name}() of these arguments is not supported")
    function = {"stddev": "stddev_samp", "variance": "var_samp"}.get(name, name)
    arguments = ", ".join(f"CAST({value.sql} AS DOUBLE)" for value in values)
    if name in _NUMERIC_STATISTICS and first.oid not in FLOATS:
        raise Unverified(f"{name}() of exact numbers is not supported", hint="Cast them to double precision.")
    return Expression(call(f"{function}({arguments})"), FLOAT8, name=name)


def window_function(name: str, values: list[Expression], call: Call, lane: Lane) -> Expression | None:
    """A function that exists only with OVER, None if `name` is none of them."""
    if name in RANKINGS:
        function, type_ = RANKINGS[name]
        sql = call(function)
        return Expression(f"CAST({sql} AS BIGINT)" if type_ == INT8 else sql, type_, name=name)
    if name == "ntile":
        spelled = "INTEGER" if lane is Lane.DUCKDB else "INT"
        return Expression(f"CAST({call(f'ntile({values[0].sql})')} AS {spelled})", INT4, name=name)
    if name in NAVIGATION:
        arguments = ", ".join(value.sql for value in values)
        return Expression(call(f"{name}({arguments})"), values[0].type, name=name)
    return None
