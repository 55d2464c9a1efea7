"""Texts, bytes, uuids, JSON and arrays: byte for byte as PostgreSQL sends them."""

import json
import random
import uuid
from decimal import Decimal

import pyarrow as pa
import pytest

from catalog.types import ARRAY_OF, VARHDRSZ, Oid, PgType
from tests.conformance.encoding.oracle import FORMATS, Oracle, encode

RANDOM = random.Random(22)
TEXTS = ["", "a", "é", "🦆 duck", "a\tb\nc\\d\"e'f", "NULL", "null", " x ", "{}", None, "x" * 5000, "\x7f\x01", "a,b"]
STRING_TYPES = [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
BINARY_TYPES = [pa.binary(), pa.large_binary(), pa.binary_view()]


@pytest.mark.parametrize("format_code", FORMATS)
@pytest.mark.parametrize("arrow_type", STRING_TYPES, ids=str)
@pytest.mark.parametrize("spelling", ["text", "varchar(20)", "name", "unknown", "json"])
def test_texts(byte_oracle: Oracle, spelling: str, arrow_type: pa.DataType, format_code: int) -> None:
    oid = {"text": 25, "varchar(20)": 1043, "name": 19, "unknown": 705, "json": 114}[spelling]
    texts = ['{"b": 1,\n "a":[ ]}', None, '" \\u00e9"'] if spelling == "json" else TEXTS
    if spelling not in ("text", "json"):
        texts = [text if text is None else text[:20] for text in texts]
    source = "text" if spelling == "unknown" else spelling
    expected = byte_oracle.cast(texts, source, format_code)
    assert encode(pa.array(texts, pa.string()).cast(arrow_type), PgType(oid), format_code) == expected


@pytest.mark.parametrize("format_code", FORMATS)
def test_blank_padding(byte_oracle: Oracle, format_code: int) -> None:
    texts = ["", "a", "é", "🦆🦆", "12345678", None]
    expected = byte_oracle.cast(texts, "char(8)", format_code)
    assert encode(pa.array(texts), PgType(Oid.BPCHAR, 8 + VARHDRSZ), format_code) == expected
    assert encode(pa.array(texts), PgType(Oid.BPCHAR), format_code) == byte_oracle.cast(texts, "bpchar", format_code)


@pytest.mark.parametrize("format_code", FORMATS)
def test_the_single_byte_type(byte_oracle: Oracle, format_code: int) -> None:
    texts = ["a", "", " ", None]
    assert encode(pa.array(texts), PgType(Oid.CHAR), format_code) == byte_oracle.cast(texts, '"char"', format_code)


@pytest.mark.parametrize("output", ["hex", "escape"])
@pytest.mark.parametrize("arrow_type", BINARY_TYPES, ids=str)
@pytest.mark.parametrize("format_code", FORMATS)
def test_bytes(byte_oracle: Oracle, output: str, arrow_type: pa.DataType, format_code: int) -> None:
    values = [b"", bytes(range(256)), b"\\", b"\0", None, RANDOM.randbytes(3000)]
    byte_oracle.set("bytea_output", output)
    expected = byte_oracle.cast([None if v is None else "\\x" + v.hex() for v in values], "bytea", format_code)
    assert encode(pa.array(values, arrow_type), PgType(Oid.BYTEA), format_code, bytea_output=output) == expected


@pytest.mark.parametrize("format_code", FORMATS)
def test_uuids(byte_oracle: Oracle, format_code: int) -> None:
    values = [uuid.UUID(int=0), uuid.UUID(int=2**128 - 1), *(uuid.UUID(bytes=RANDOM.randbytes(16)) for _ in range(50))]
    texts = [str(value) for value in values]
    expected = byte_oracle.cast(texts, "uuid", format_code)
    assert encode(pa.array(texts), PgType(Oid.UUID), format_code) == expected
    assert encode(pa.array([f"{{{text.upper()}}}" for text in texts]), PgType(Oid.UUID), format_code) == expected
    raw = pa.array([value.bytes for value in values], pa.binary(16))
    assert encode(raw, PgType(Oid.UUID), format_code) == expected


JSON_TEXTS = [
    '{"bb": 1, "a": [1, 2.50, -0, -0.0, 1e3, 1.5E-3, 0.10e+1], "b": {"x": null, "": true}, "a": "last"}',
    "[]", "{}", ' [ 1 , "two" , null , false ] ', '"\\u00e9\\ud83e\\udd86\\/\\b\\f\\n\\r\\t\\u0001\\"\\\\"',
    "12345678901234567890.00100",
    "1e400", "-1.23e-5", "0", None, '{"é": 1, "z": 2, "aa": 3}', "[[[[]]], {}]",
]  # fmt: skip


@pytest.mark.parametrize("format_code", FORMATS)
def test_json_text_becomes_jsonb(byte_oracle: Oracle, format_code: int) -> None:
    expected = byte_oracle.cast(JSON_TEXTS, "jsonb", format_code)
    assert encode(pa.array(JSON_TEXTS), PgType(Oid.JSONB), format_code) == expected


@pytest.mark.parametrize("format_code", FORMATS)
def test_nested_values_become_jsonb(byte_oracle: Oracle, format_code: int) -> None:
    value = {"bb": "x\ny", "a": [1, None, 3], "c": {"z": 1.5, "y": True}, "d": None, "e": Decimal("1.50"), "f": 1e20}
    fields = pa.struct(
        [
            ("bb", pa.string()),
            ("a", pa.list_(pa.int32())),
            ("c", pa.struct([("z", pa.float64()), ("y", pa.bool_())])),
            ("d", pa.date32()),
            ("e", pa.decimal128(5, 2)),
            ("f", pa.float64()),
        ]
    )
    text = json.dumps({**value, "e": 0, "f": 10**20}).replace('"e": 0', '"e": 1.50')
    expected = byte_oracle.cast([text, None], "jsonb", format_code)
    assert encode(pa.array([value, None], fields), PgType(Oid.JSONB), format_code) == expected


@pytest.mark.parametrize("format_code", FORMATS)
def test_maps_become_jsonb(byte_oracle: Oracle, format_code: int) -> None:
    maps = [[("bb", 1), ("a", None), ("bb", 3)], [], None]
    expected = byte_oracle.cast(['{"bb": 3, "a": null}', "{}", None], "jsonb", format_code)
    array = pa.array(maps, pa.map_(pa.string(), pa.int64()))
    assert encode(array, PgType(Oid.JSONB), format_code) == expected


def test_moments_in_jsonb(byte_oracle: Oracle) -> None:
    columns = [
        pa.array([0], pa.int32()).view(pa.date32()),
        pa.array([0], pa.timestamp("us")),
        pa.array([1_500_000], pa.timestamp("us", "UTC")),
        pa.array([float("nan")]),
        pa.array([b"\x01"]),
    ]
    struct = pa.StructArray.from_arrays(columns, names=["d", "n", "t", "f", "b"])
    byte_oracle.set("TimeZone", "Asia/Kolkata")
    byte_oracle.set("bytea_output", "hex")
    expected = byte_oracle.send(
        "SELECT to_jsonb(r) FROM (SELECT v::date AS d, v::timestamp AS n, '1970-01-01 00:00:01.5+00'::timestamptz AS t,"
        " 'NaN'::float8 AS f, '\\x01'::bytea AS b FROM unnest($1) AS u(v)) AS r",
        ["1970-01-01"],
        0,
    )
    assert encode(struct, PgType(Oid.JSONB), 0, TimeZone="Asia/Kolkata") == expected


ARRAYS: dict[str, tuple[int, pa.DataType, list]] = {
    "int4": (Oid.INT4, pa.int32(), [[1, -2, None], [], None, [7]]),
    "int8": (Oid.INT8, pa.int64(), [[2**63 - 1], [None]]),
    "bool": (Oid.BOOL, pa.bool_(), [[True, None, False]]),
    "float8": (Oid.FLOAT8, pa.float64(), [[1.5, float("nan"), float("-inf"), 1e100]]),
    "numeric(8,2)": (Oid.NUMERIC, pa.decimal128(8, 2), [[Decimal("1.50"), Decimal("-0.01"), None]]),
    "text": (Oid.TEXT, pa.string(), [[text for text in TEXTS if text is not None], [None, "NULL"], ["a b"], []]),
    "varchar": (Oid.VARCHAR, pa.string(), [["\v\f", "\\", '"', "é"]]),
    "uuid": (Oid.UUID, pa.string(), [[str(uuid.UUID(int=5))]]),
    "bytea": (Oid.BYTEA, pa.binary(), [[b"", b"\x00\xff", None]]),
}


@pytest.mark.parametrize("format_code", FORMATS)
@pytest.mark.parametrize("spelling", ARRAYS)
def test_arrays(byte_oracle: Oracle, spelling: str, format_code: int) -> None:
    oid, arrow_type, rows = ARRAYS[spelling]
    byte_oracle.set("bytea_output", "hex")
    expected = byte_oracle.cast([_literal(row) for row in rows], f"{spelling}[]", format_code)
    typmod = ((8 << 16) | 2) + VARHDRSZ if "(" in spelling else -1
    for list_type in (pa.list_(arrow_type), pa.large_list(arrow_type)):
        assert encode(pa.array(rows, list_type), PgType(ARRAY_OF[oid], typmod), format_code) == expected


@pytest.mark.parametrize("format_code", FORMATS)
def test_arrays_of_moments(byte_oracle: Oracle, format_code: int) -> None:
    byte_oracle.set("TimeZone", "UTC")
    expected = byte_oracle.cast(['{"1970-01-01 00:00:00",NULL}'], "timestamptz[]", format_code)
    array = pa.array([[0, None]], pa.list_(pa.timestamp("us", "UTC")))
    assert encode(array, PgType(ARRAY_OF[Oid.TIMESTAMPTZ]), format_code) == expected
    expected = byte_oracle.cast(["{1 day,00:00:01}"], "interval[]", format_code)
    spans = [[pa.MonthDayNano([0, 1, 0]), pa.MonthDayNano([0, 0, 10**9])]]
    array = pa.array(spans, pa.list_(pa.month_day_nano_interval()))
    assert encode(array, PgType(ARRAY_OF[Oid.INTERVAL]), format_code) == expected


def _literal(row: list | None) -> str | None:
    if row is None:
        return None
    return "{" + ",".join("NULL" if item is None else _quoted(item) for item in row) + "}"


def _quoted(item: object) -> str:
    text = "\\x" + item.hex() if isinstance(item, bytes) else str(item)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
