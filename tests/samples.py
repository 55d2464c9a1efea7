"""A Delta table with a column of every scalar type and of arrays: ordinary values, the extremes of each, and NULLs."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
from deltalake import write_deltalake

SCHEMA = pa.schema(
    [
        pa.field("id", pa.int32(), nullable=False),
        ("bool", pa.bool_()),
        ("int2", pa.int16()),
        ("int4", pa.int32()),
        ("int8", pa.int64()),
        ("float4", pa.float32()),
        ("float8", pa.float64()),
        ("numeric", pa.decimal128(20, 4)),
        ("text", pa.string()),
        ("bytea", pa.binary()),
        ("date", pa.date32()),
        ("timestamptz", pa.timestamp("us", tz="UTC")),
        ("timestamp", pa.timestamp("us")),
        ("int4_array", pa.list_(pa.int32())),
        ("text_array", pa.list_(pa.string())),
    ]
)
ORDINARY = {
    "bool": True,
    "int2": 7,
    "int4": -70_000,
    "int8": 7_000_000_000,
    "float4": 0.5,
    "float8": 0.1,
    "numeric": Decimal("1234.5600"),
    "text": 'it\'s "here", \\ok\\ ünïcode 🦆',
    "bytea": b"\x00\x01\xff\\",
    "date": date(2024, 2, 29),
    "timestamptz": datetime(2024, 2, 29, 12, 34, 56, 789_000, UTC),
    "timestamp": datetime(2024, 2, 29, 12, 34, 56),
    "int4_array": [1, None, -3],
    "text_array": ["plain", "", "NULL", None, 'q"u\\o,te{}'],
}
GREATEST = {
    "bool": True,
    "int2": 2**15 - 1,
    "int4": 2**31 - 1,
    "int8": 2**63 - 1,
    "float4": float("inf"),
    "float8": 1.7976931348623157e308,
    "numeric": Decimal("9999999999999999.9999"),
    "text": "z" * 1000,
    "bytea": bytes(range(256)),
    "date": date(9999, 12, 31),
    "timestamptz": datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC),
    "timestamp": datetime(9999, 12, 31, 23, 59, 59, 999_999),
    "int4_array": [2**31 - 1],
    "text_array": ["z" * 100],
}
LEAST = {
    "bool": False,
    "int2": -(2**15),
    "int4": -(2**31),
    "int8": -(2**63),
    "float4": float("-inf"),
    "float8": 5e-324,
    "numeric": Decimal("-9999999999999999.9999"),
    "text": "",
    "bytea": b"",
    "date": date(1, 1, 1),
    "timestamptz": datetime(1, 1, 1, tzinfo=UTC),
    "timestamp": datetime(1, 1, 1),
    "int4_array": [],
    "text_array": [],
}
ROWS = (
    {"id": 1, **ORDINARY},
    {"id": 2, **dict.fromkeys(ORDINARY)},
    {"id": 3, **GREATEST},
    {"id": 4, **LEAST},
)
COLUMNS = tuple(ORDINARY)


def write_samples(folder: Path) -> Path:
    """Writes the table into a folder that does not exist yet."""
    write_deltalake(folder, pa.Table.from_pylist(list(ROWS), SCHEMA))
    return folder
