"""Spark's types, as its analyser tells them, in Arrow's types and in Delta's spelling.

The Arrow types are those that Spark itself gives a result's columns: a described schema equals the executed one.
"""

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from compute.spark.protocol import types

DELTA_TYPE = b"delta_type"
"""Key of a field's metadata: the type as Delta's schema string spells it, which `catalog.types.shadow_type` reads."""

_VARIANT = pa.struct([pa.field("value", pa.binary(), False), pa.field("metadata", pa.binary(), False)])
_SCALARS: dict[str, tuple[pa.DataType, str]] = {
    "null": (pa.null(), "void"),
    "boolean": (pa.bool_(), "boolean"),
    "byte": (pa.int8(), "byte"),
    "short": (pa.int16(), "short"),
    "integer": (pa.int32(), "integer"),
    "long": (pa.int64(), "long"),
    "float": (pa.float32(), "float"),
    "double": (pa.float64(), "double"),
    "string": (pa.string(), "string"),
    "char": (pa.string(), "string"),
    "var_char": (pa.string(), "string"),
    "binary": (pa.binary(), "binary"),
    "date": (pa.date32(), "date"),
    "timestamp_ntz": (pa.timestamp("us"), "timestamp_ntz"),
    "day_time_interval": (pa.duration("us"), "interval day to second"),
    "calendar_interval": (pa.month_day_nano_interval(), "interval"),
    "variant": (_VARIANT, "variant"),
}


class UnknownType(Exception):
    """A type that results cannot carry; the message is Spark's name for it."""


def arrow_schema(row: "types.DataType.Struct", time_zone: str) -> pa.Schema:
    """The schema of a query's result; each field's metadata holds its `DELTA_TYPE`. Raises UnknownType."""
    return pa.schema([_field(field, time_zone) for field in row.fields])


def _field(field: "types.DataType.StructField", time_zone: str) -> pa.Field:
    spelling = delta_type(field.data_type)
    text = spelling if isinstance(spelling, str) else json.dumps(spelling, separators=(",", ":"))
    return pa.field(field.name, arrow_type(field.data_type, time_zone), field.nullable, {DELTA_TYPE: text.encode()})


def arrow_type(kind: "types.DataType", time_zone: str) -> pa.DataType:
    """The Arrow type of a Spark type; timestamps carry the session's time zone. Raises UnknownType."""
    name = kind.WhichOneof("kind") or ""
    if name == "timestamp":
        return pa.timestamp("us", time_zone)
    if name == "decimal":
        return pa.decimal128(kind.decimal.precision, kind.decimal.scale)
    if name == "array":
        element = arrow_type(kind.array.element_type, time_zone)
        return pa.list_(pa.field("element", element, kind.array.contains_null))
    if name == "map":
        key, value = (arrow_type(part, time_zone) for part in (kind.map.key_type, kind.map.value_type))
        return pa.map_(key, pa.field("value", value, kind.map.value_contains_null))
    if name == "struct":
        return pa.struct([pa.field(f.name, arrow_type(f.data_type, time_zone), f.nullable) for f in kind.struct.fields])
    return _scalar(name)[0]


def delta_type(kind: "types.DataType") -> str | dict[str, Any]:
    """The type as in Delta's schema string: a primitive's name, or the object of a nested type. Raises UnknownType."""
    name = kind.WhichOneof("kind") or ""
    if name == "timestamp":
        return "timestamp"
    if name == "decimal":
        return f"decimal({kind.decimal.precision},{kind.decimal.scale})"
    if name == "array":
        element = delta_type(kind.array.element_type)
        return {"type": "array", "elementType": element, "containsNull": kind.array.contains_null}
    if name == "map":
        key, value = delta_type(kind.map.key_type), delta_type(kind.map.value_type)
        nullable = kind.map.value_contains_null
        return {"type": "map", "keyType": key, "valueType": value, "valueContainsNull": nullable}
    if name == "struct":
        fields = [_delta_field(field) for field in kind.struct.fields]
        return {"type": "struct", "fields": fields}
    return _scalar(name)[1]


def _delta_field(field: "types.DataType.StructField") -> dict[str, Any]:
    return {"name": field.name, "type": delta_type(field.data_type), "nullable": field.nullable, "metadata": {}}


def _scalar(name: str) -> tuple[pa.DataType, str]:
    if name not in _SCALARS:
        raise UnknownType(name or "unknown")
    return _SCALARS[name]
