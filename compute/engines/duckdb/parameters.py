"""Parameters: a one-row record batch as the Python values that DuckDB binds by name."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa


def named_values(batch: pa.RecordBatch | None) -> dict[str, Any]:
    """Column name -> value. Raises ValueError unless there is exactly one row."""
    if batch is None:
        return {}
    if batch.num_rows != 1:
        raise ValueError(f"parameters have {batch.num_rows} rows, not 1")
    return {name: _value(column[0]) for name, column in zip(batch.schema.names, batch.columns, strict=True)}


def _value(scalar: pa.Scalar) -> Any:
    """Intervals have no Python type: they travel as text, which the statement's own cast reads."""
    if not scalar.is_valid:
        return None
    if pa.types.is_interval(scalar.type):
        months, days, nanoseconds = scalar.as_py()
        return f"{months} months {days} days {nanoseconds // 1000} microseconds"
    if pa.types.is_timestamp(scalar.type):
        return _instant(scalar)
    return scalar.as_py()


def _instant(scalar: pa.Scalar) -> datetime:
    """By hand, since Arrow would look the zone's name up in files that a machine has not."""
    microseconds = scalar.cast(pa.timestamp("us", scalar.type.tz), safe=False).value
    zone = UTC if scalar.type.tz else None
    return datetime(1970, 1, 1, tzinfo=zone) + timedelta(microseconds=microseconds)
