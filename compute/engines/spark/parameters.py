"""Parameters: a one-row record batch as typed literals, put where the statement's markers are.

Spark Connect has typed parameters of its own, but Delta's parser (4.4 on Spark 4.2) drops them: it inherits a
`parsePlanWithParameters` that ignores its parameters. Spark itself substitutes literals into the text, and so do we.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal

import pyarrow as pa

from catalog.errors import FeatureNotSupported
from compute.engines.spark.lexer import tokens

_Test = Callable[[pa.DataType], bool]


def substitute(sql: str, parameters: pa.RecordBatch | None) -> str:
    """The statement with each marker ``:name`` replaced by the literal of the column of that name.

    Raises ValueError unless there is exactly one row, FeatureNotSupported for a type that has no literal in Spark.
    """
    if parameters is None:
        return sql
    literals = _named_literals(parameters)
    return "".join(
        literals.get(token.text[1:], token.text) if token.kind == "marker" else token.text for token in tokens(sql)
    )


def _named_literals(batch: pa.RecordBatch) -> Mapping[str, str]:
    if batch.num_rows != 1:
        raise ValueError(f"parameters have {batch.num_rows} rows, not 1")
    columns = zip(batch.schema.names, batch.columns, strict=True)
    return {name: literal(column[0]) for name, column in columns}


def literal(scalar: pa.Scalar) -> str:
    """One value as a constant expression of the Spark type that equals its Arrow type. Raises FeatureNotSupported."""
    if not scalar.is_valid:
        return f"CAST(NULL AS {spark_type(scalar.type)})"
    if pa.types.is_list(scalar.type) or pa.types.is_large_list(scalar.type):
        elements = ", ".join(literal(element) for element in scalar.values)
        return f"CAST(array({elements}) AS {spark_type(scalar.type)})"
    return _render(scalar)


def spark_type(kind: pa.DataType) -> str:
    """The Spark type that equals an Arrow type, as SQL spells it. Raises FeatureNotSupported."""
    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision}, {kind.scale})"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"ARRAY<{spark_type(kind.value_type)}>"
    for is_kind, name in _TYPES:
        if is_kind(kind):
            return name
    raise FeatureNotSupported(f"a parameter of type {kind} has no literal in spark")


def quote_text(text: str) -> str:
    """A string literal; Spark reads backslashes in it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _render(scalar: pa.Scalar) -> str:
    kind = spark_type(scalar.type)
    match kind:
        case "STRING":
            return quote_text(scalar.as_py())
        case "BINARY":
            return f"X'{scalar.as_py().hex()}'"
        case "DATE":
            return f"date_from_unix_date({scalar.value})"
        case "TIMESTAMP":
            return f"timestamp_micros({_microseconds(scalar)})"
        case "TIMESTAMP_NTZ":
            return f"timestampadd(MICROSECOND, {_microseconds(scalar)}, TIMESTAMP_NTZ'1970-01-01 00:00:00')"
        case "INTERVAL":
            months, days, nanoseconds = scalar.as_py()
            seconds = Decimal(nanoseconds // 1000).scaleb(-6)
            return f"make_interval(0, {months}, 0, {days}, 0, 0, CAST('{seconds:f}' AS DECIMAL(18, 6)))"
    value = scalar.as_py()
    if kind == "BIGINT" and value >= 0:
        return f"{value}L"  # a literal, as functions want their seed
    text = format(value, "f") if pa.types.is_decimal(scalar.type) else str(value)
    return f"CAST('{text}' AS {kind})"


def _microseconds(scalar: pa.Scalar) -> int:
    return int(scalar.cast(pa.timestamp("us", scalar.type.tz)).value)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


_TYPES: tuple[tuple[_Test, str], ...] = (
    (pa.types.is_null, "VOID"),
    (pa.types.is_boolean, "BOOLEAN"),
    (pa.types.is_int8, "TINYINT"),
    (pa.types.is_int16, "SMALLINT"),
    (pa.types.is_int32, "INT"),
    (pa.types.is_int64, "BIGINT"),
    (pa.types.is_float32, "FLOAT"),
    (pa.types.is_float64, "DOUBLE"),
    (_is_text, "STRING"),
    (_is_bytes, "BINARY"),
    (pa.types.is_date32, "DATE"),
    (lambda kind: pa.types.is_timestamp(kind) and kind.tz is not None, "TIMESTAMP"),
    (pa.types.is_timestamp, "TIMESTAMP_NTZ"),
    (pa.types.is_interval, "INTERVAL"),
)
