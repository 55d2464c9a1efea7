"""Parameters: a one-row record batch as Spark's typed literals, NULLs with their type."""

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa

from compute.spark.protocol import expressions, types


def named_literals(batch: pa.RecordBatch | None) -> Mapping[str, "expressions.Expression"]:
    """Column name -> literal. Raises ValueError unless there is exactly one row, TypeError for a type without literals."""
    if batch is None:
        return {}
    if batch.num_rows != 1:
        raise ValueError(f"parameters have {batch.num_rows} rows, not 1")
    columns = zip(batch.schema.names, batch.columns, strict=True)
    return {name: expressions.Expression(literal=literal(column[0])) for name, column in columns}


def literal(scalar: pa.Scalar) -> "expressions.Expression.Literal":
    """One value as a literal of the Spark type that equals its Arrow type. Raises TypeError."""
    if not scalar.is_valid:
        return expressions.Expression.Literal(null=spark_type(scalar.type))
    if pa.types.is_list(scalar.type) or pa.types.is_large_list(scalar.type):
        return _array(scalar)
    for matches, build in _VALUES:
        if matches(scalar.type):
            return build(scalar)
    raise TypeError(f"a parameter of type {scalar.type} has no literal in Spark")


def spark_type(kind: pa.DataType) -> "types.DataType":
    """The Spark type that equals an Arrow type. Raises TypeError."""
    if pa.types.is_decimal(kind):
        return types.DataType(decimal=types.DataType.Decimal(precision=kind.precision, scale=kind.scale))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        array = types.DataType.Array(element_type=spark_type(kind.value_type), contains_null=True)
        return types.DataType(array=array)
    for matches, name in _TYPES:
        if matches(kind):
            made = types.DataType()
            getattr(made, name).SetInParent()
            return made
    raise TypeError(f"a parameter of type {kind} has no type in Spark")


def _array(scalar: pa.Scalar) -> "expressions.Expression.Literal":
    made = expressions.Expression.Literal()
    made.array.element_type.CopyFrom(spark_type(scalar.type.value_type))
    made.array.elements.extend(literal(element) for element in scalar.values)
    return made


def _decimal(scalar: pa.Scalar) -> "expressions.Expression.Literal":
    digits = expressions.Expression.Literal.Decimal(
        value=format(scalar.as_py(), "f"), precision=scalar.type.precision, scale=scalar.type.scale
    )
    return expressions.Expression.Literal(decimal=digits)


def _timestamp(scalar: pa.Scalar) -> "expressions.Expression.Literal":
    name = "timestamp" if scalar.type.tz else "timestamp_ntz"
    return expressions.Expression.Literal(**{name: scalar.cast(pa.timestamp("us", scalar.type.tz)).value})


def _interval(scalar: pa.Scalar) -> "expressions.Expression.Literal":
    months, days, nanoseconds = scalar.as_py()
    parts = expressions.Expression.Literal.CalendarInterval(months=months, days=days, microseconds=nanoseconds // 1000)
    return expressions.Expression.Literal(calendar_interval=parts)


def _plain(
    name: str, convert: Callable[[pa.Scalar], Any] = lambda scalar: scalar.as_py()
) -> Callable[[pa.Scalar], Any]:
    return lambda scalar: expressions.Expression.Literal(**{name: convert(scalar)})


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


_VALUES: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.Scalar], Any]], ...] = (
    (pa.types.is_boolean, _plain("boolean")),
    (pa.types.is_int8, _plain("byte")),
    (pa.types.is_int16, _plain("short")),
    (pa.types.is_int32, _plain("integer")),
    (pa.types.is_int64, _plain("long")),
    (pa.types.is_float32, _plain("float")),
    (pa.types.is_float64, _plain("double")),
    (_is_text, _plain("string")),
    (_is_bytes, _plain("binary")),
    (pa.types.is_date32, _plain("date", lambda scalar: scalar.value)),
    (pa.types.is_timestamp, _timestamp),
    (pa.types.is_decimal, _decimal),
    (pa.types.is_interval, _interval),
)
_TYPES: tuple[tuple[Callable[[pa.DataType], bool], str], ...] = (
    (pa.types.is_null, "null"),
    (pa.types.is_boolean, "boolean"),
    (pa.types.is_int8, "byte"),
    (pa.types.is_int16, "short"),
    (pa.types.is_int32, "integer"),
    (pa.types.is_int64, "long"),
    (pa.types.is_float32, "float"),
    (pa.types.is_float64, "double"),
    (_is_text, "string"),
    (_is_bytes, "binary"),
    (pa.types.is_date32, "date"),
    (lambda kind: pa.types.is_timestamp(kind) and kind.tz is not None, "timestamp"),
    (pa.types.is_timestamp, "timestamp_ntz"),
    (pa.types.is_interval, "calendar_interval"),
)
