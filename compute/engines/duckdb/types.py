"""Delta's types in DuckDB's spelling, and expressions that read a Parquet column as its Delta type."""

import json
import re
from typing import Any

from catalog.names import quote_identifier

_PRIMITIVES = {
    "boolean": "BOOLEAN",
    "byte": "TINYINT",
    "short": "SMALLINT",
    "integer": "INTEGER",
    "long": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "string": "VARCHAR",
    "binary": "BLOB",
    "date": "DATE",
    "timestamp": "TIMESTAMPTZ",
    "timestamp_ntz": "TIMESTAMP",
}
_DECIMAL = re.compile(r"decimal\((\d+),\s*(-?\d+)\)")
_NAIVE_TIMESTAMP = re.compile(r"TIMESTAMP(?! WITH TIME ZONE)")
_SIZED_TEXT = re.compile(r"(?:var)?char\(\d+\)")
_PHYSICAL_NAME = "delta.columnMapping.physicalName"


class UnreadableType(ValueError):
    """A Delta type that this lane does not read. Routing should have sent the table to the other lane."""


def parse_type(delta_type: str) -> Any:
    """The schema string of one column as a name or a nested structure (dict), as the Delta protocol spells it."""
    return json.loads(delta_type) if delta_type.startswith("{") else delta_type


def duckdb_type(kind: Any) -> str:
    """DuckDB's spelling of a parsed Delta type. Raises UnreadableType."""
    if isinstance(kind, str):
        return _primitive(kind)
    match kind.get("type"):
        case "array":
            return duckdb_type(kind["elementType"]) + "[]"
        case "map":
            return f"MAP({duckdb_type(kind['keyType'])}, {duckdb_type(kind['valueType'])})"
        case "struct" if kind["fields"]:
            fields = (f"{quote_identifier(field['name'])} {duckdb_type(field['type'])}" for field in kind["fields"])
            return f"STRUCT({', '.join(fields)})"
    raise UnreadableType(str(kind.get("type")))


def _primitive(name: str) -> str:
    if spelled := _PRIMITIVES.get(name):
        return spelled
    if decimal := _DECIMAL.fullmatch(name):
        return f"DECIMAL({decimal[1]},{decimal[2]})"
    if _SIZED_TEXT.fullmatch(name):
        return "VARCHAR"
    raise UnreadableType(name)


def cast_column(value: str, kind: Any, found: str) -> str:
    """An expression of a parsed Delta type over the Parquet value `value` (an SQL expression) of DuckDB type `found`.

    A cast to the type that the value already has costs nothing, and filters are pushed through it. An instant without a
    zone (old writers' INT96) is UTC, whatever the session's time zone. Nested values are rebuilt where column mapping
    gave their fields other names, or where such instants are in them.
    """
    naive = _NAIVE_TIMESTAMP.search(found) is not None
    if kind == "timestamp" and naive:
        return f"timezone('UTC', CAST({value} AS TIMESTAMP))"
    if _is_mapped(kind) or (naive and _holds_instant(kind)):
        return _rebuild(value, kind, depth=0)
    return f"CAST({value} AS {duckdb_type(kind)})"


def _holds_instant(kind: Any) -> bool:
    if isinstance(kind, str):
        return kind == "timestamp"
    if kind["type"] == "struct":
        return any(_holds_instant(field["type"]) for field in kind["fields"])
    return any(_holds_instant(kind[part]) for part in ("elementType", "keyType", "valueType") if part in kind)


def _is_mapped(kind: Any) -> bool:
    if isinstance(kind, str):
        return False
    if kind["type"] == "struct":
        return any(_physical_name(field) != field["name"] or _is_mapped(field["type"]) for field in kind["fields"])
    return any(_is_mapped(kind[part]) for part in ("elementType", "keyType", "valueType") if part in kind)


def _physical_name(field: Any) -> str:
    return str(field.get("metadata", {}).get(_PHYSICAL_NAME, field["name"]))


def _rebuild(value: str, kind: Any, depth: int) -> str:
    if kind == "timestamp":
        return f"make_timestamptz(epoch_us({value}))"
    if isinstance(kind, str):
        return f"CAST({value} AS {duckdb_type(kind)})"
    item = f"item_{depth}"
    match kind["type"]:
        case "array":
            return f"list_transform({value}, lambda {item}: {_rebuild(item, kind['elementType'], depth + 1)})"
        case "map":
            key = _rebuild(f"{item}.key", kind["keyType"], depth + 1)
            inner = _rebuild(f"{item}.value", kind["valueType"], depth + 1)
            entries = f"lambda {item}: {{'key': {key}, 'value': {inner}}}"
            return f"map_from_entries(list_transform(map_entries({value}), {entries}))"
    fields = (
        f"{quote_identifier(field['name'])} := "
        + _rebuild(f"{value}.{quote_identifier(_physical_name(field))}", field["type"], depth + 1)
        for field in kind["fields"]
    )
    return f"CASE WHEN {value} IS NOT NULL THEN struct_pack({', '.join(fields)}) END"


def quote_literal(text: str) -> str:
    """A string constant. DuckDB knows no escape but the doubled quote."""
    return "'" + text.replace("'", "''") + "'"


def partition_constant(text: str | None, kind: str) -> str:
    """A partition value of the Delta log as a typed constant. The empty string is NULL for every type (Delta protocol).

    A timestamp without offset is UTC; binary is the string whose characters are the bytes.
    """
    spelled = duckdb_type(kind)
    if not text:
        return f"CAST(NULL AS {spelled})"
    if kind == "binary":
        return f"from_hex('{text.encode('latin-1').hex()}')"
    if kind == "timestamp" and not re.search(r"(Z|[+-]\d\d(:?\d\d)?)$", text[10:]):
        text += "+00"
    return f"CAST({quote_literal(text)} AS {spelled})"
