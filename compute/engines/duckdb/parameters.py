"""Parameters: a one-row record batch as the Python values that DuckDB binds by name."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

_INFINITE_DATES = {2**31 - 1: "infinity", 1 - 2**31: "-infinity"}
_INFINITE_TIMESTAMPS = {2**63 - 1: "infinity", 1 - 2**63: "-infinity"}
"""As DuckDB has them, and so the gateway's decoder."""
_NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


def named_values(batch: pa.RecordBatch | None) -> dict[str, Any]:
    """Column name -> value. Raises ValueError unless there is exactly one row."""
    if batch is None:
        return {}
    if batch.num_rows != 1:
        raise ValueError(f"parameters have {batch.num_rows} rows, not 1")
    return {name: _value(column[0]) for name, column in zip(batch.schema.names, batch.columns, strict=True)}


def _value(scalar: pa.Scalar) -> Any:
    """Intervals and infinite dates have no Python type: they travel as text, which the statement's own cast reads."""
    if not scalar.is_valid:
        return None
    if pa.types.is_date(scalar.type) and scalar.value in _INFINITE_DATES:
        return _INFINITE_DATES[scalar.value]
    if pa.types.is_timestamp(scalar.type) and scalar.value in _INFINITE_TIMESTAMPS:
        return _INFINITE_TIMESTAMPS[scalar.value]
    if pa.types.is_interval(scalar.type):
        months, days, nanoseconds = scalar.as_py()
        return f"{months} months {days} days {nanoseconds // 1000} microseconds"
    if pa.types.is_timestamp(scalar.type):
        return _instant(scalar)
    return scalar.as_py()


def _instant(scalar: pa.Scalar) -> datetime:
    """By hand, since Arrow would look the zone's name up in files, and cast by a module, that a machine has not."""
    microseconds = scalar.value * _NANOSECONDS[scalar.type.unit] // 1000
    zone = UTC if scalar.type.tz else None
    return datetime(1970, 1, 1, tzinfo=zone) + timedelta(microseconds=microseconds)
