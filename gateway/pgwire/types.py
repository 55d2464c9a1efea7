"""Which PostgreSQL types travel, and as which Arrow type.

Every type here can be sent and received in both formats. A parameter's value has exactly the Arrow type given here,
save that a numeric's precision and scale fit the value. A uuid, "char" or JSON value travels to the engines as text.
"""

import pyarrow as pa

from catalog.types import ARRAY_OF, ELEMENT_OF, Oid

ARROW_TYPES: dict[int, pa.DataType] = {
    Oid.BOOL: pa.bool_(),
    Oid.BYTEA: pa.binary(),
    Oid.CHAR: pa.string(),
    Oid.NAME: pa.string(),
    Oid.INT8: pa.int64(),
    Oid.INT2: pa.int16(),
    Oid.INT4: pa.int32(),
    Oid.TEXT: pa.string(),
    Oid.OID: pa.int64(),
    Oid.JSON: pa.string(),
    Oid.FLOAT4: pa.float32(),
    Oid.FLOAT8: pa.float64(),
    Oid.UNKNOWN: pa.string(),
    Oid.BPCHAR: pa.string(),
    Oid.VARCHAR: pa.string(),
    Oid.DATE: pa.date32(),
    Oid.TIMESTAMP: pa.timestamp("us"),
    Oid.TIMESTAMPTZ: pa.timestamp("us", "UTC"),
    Oid.INTERVAL: pa.month_day_nano_interval(),
    Oid.NUMERIC: pa.decimal128(38, 0),
    Oid.UUID: pa.string(),
    Oid.JSONB: pa.string(),
}
"""Scalar OID -> Arrow type; numeric's is a stand-in."""

SENDABLE = frozenset(ARROW_TYPES) | frozenset(ARRAY_OF.values())
"""The OIDs of result columns that the encoder can write, in both formats."""

SPELLINGS: dict[int, str] = {
    Oid.BOOL: "boolean",
    Oid.BYTEA: "bytea",
    Oid.CHAR: '"char"',
    Oid.NAME: "name",
    Oid.INT8: "bigint",
    Oid.INT2: "smallint",
    Oid.INT4: "integer",
    Oid.TEXT: "text",
    Oid.OID: "oid",
    Oid.JSON: "json",
    Oid.FLOAT4: "real",
    Oid.FLOAT8: "double precision",
    Oid.UNKNOWN: "unknown",
    Oid.BPCHAR: "character",
    Oid.VARCHAR: "character varying",
    Oid.DATE: "date",
    Oid.TIMESTAMP: "timestamp",
    Oid.TIMESTAMPTZ: "timestamp with time zone",
    Oid.INTERVAL: "interval",
    Oid.NUMERIC: "numeric",
    Oid.UUID: "uuid",
    Oid.JSONB: "json",
}
"""Scalar OID -> the name that PostgreSQL's input functions give it in their messages."""


def is_receivable(oid: int) -> bool:
    """Whether a parameter may have that type: any scalar here, or an array of one."""
    return ELEMENT_OF.get(oid, oid) in ARROW_TYPES
