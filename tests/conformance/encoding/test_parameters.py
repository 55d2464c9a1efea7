"""Parameters: what PostgreSQL takes we read as the same value, what it refuses we refuse with the same words."""

import random
import struct
from datetime import date

import pyarrow as pa
import pytest

from catalog.errors import SqlError
from catalog.types import ARRAY_OF, Oid, PgType
from gateway.copy.columns import read_column
from gateway.pgwire.calendar import Customs
from gateway.pgwire.decode import decode_parameters
from gateway.pgwire.encode import date_order, find_time_zone
from tests.conformance.encoding.oracle import Oracle, encode

RANDOM = random.Random(24)
INTEGER_TEXTS = (
    "0", "1", "-1", " 12 ", "+7", "0x1F", "-0b101", "0o17", "1_000", "1__0", "_1", "1_", "", " ", "abc", "1.5",
    "1e3", "0x",
    "32767", "32768", "-32768", "-32769", "2147483647", "2147483648", "9223372036854775807", "9223372036854775808",
    "-9223372036854775809", "99999999999999999999999", "--1", "1 2", "0x8000",
)  # fmt: skip
FLOAT_TEXTS = (
    "0", "1.5", "-1e10", ".5", "5.", " 1 ", "NaN", "nan", "Infinity", "-inf", "+Infinity", "inf", "1e400", "-1e400",
    "1e-400",
    "1e39", "1e-50", "", "abc", "1.5x", "1e", "0x1p3", "1_0", "0.1", "1e308", "3.4028235e38", "0e500", "+-1",
)  # fmt: skip
NUMERIC_TEXTS = (
    "0", "1.50", "-0.001", " 12 ", "+7", "1e3", "1.5e-3", "-0", "0.00", ".5", "5.", "1_000.5", "0x1F", "1e", "abc",
    "", "1..2",
    "12345678901234567890123456789012345678", "1e30", "--5", "1e5e", "0o17", "1_", "1._5",
)  # fmt: skip
BOOL_TEXTS = (
    "t",
    "TRUE",
    "tru",
    "f",
    "fal",
    "yes",
    "y",
    "n",
    "no",
    "on",
    "of",
    "off",
    "o",
    "1",
    "0",
    " true ",
    "",
    "2",
    "tr ue",
    "ja",
    "onn",
)
DATE_TEXTS = (
    "2024-02-29", "2023-02-29", "2024-1-5", "20240105", "01/05/2024", "2024/01/05", "0044-03-15 BC", "0001-01-01",
    "infinity",
    "-infinity", "epoch", "5874897-12-31", "5874898-01-01", "2024-13-01", "2024-00-10", "2024-01-32", "abc", "",
    "4714-11-24 BC",
    "4714-11-23 BC", "2024-01-05 12:34:56", " 2024-01-05 ", "0000-01-01", "2024-01-05 AD", "12345-06-07",
)  # fmt: skip
TIMESTAMP_TEXTS = (
    "2024-01-05", "2024-01-05 12:34", "2024-01-05 12:34:56", "2024-01-05T12:34:56", "2024-01-05 12:34:56.789",
    "20240105 12:34:56",
    "2024-01-05 12:34:56.1234567", "2024-01-05 24:00:00", "2024-01-05 24:00:01", "2024-01-05 12:60:00",
    "2024-01-05 12:34:60",
    "2024-01-05 12:34:61", "2024-01-05 12:34:56+02", "2024-01-05 12:34:56 -05:30", "2024-01-05 12:34:56Z",
    "infinity", "-infinity",
    "epoch", "0044-03-15 12:00:00 BC", "294246-12-31 23:59:59", "294277-01-01", "abc", "", "2024-01-05 1:2",
    "01/05/2024 12:34:56",
    "2024-01-05 12:34:56 UTC", "2024-01-05 12:34:56+0530", "2024-07-05 12:34:56 America/New_York",
    "2024-03-10 02:30:00",
    "2024-11-03 01:30:00", "1883-11-18 12:00:00", "2024-01-05 12:34:56+16", "2024-01-05 12:34:56.",
    "4714-11-24 00:00:00 BC",
    "2024-01-05 12:34:56+05:30:15",
)  # fmt: skip
INTERVAL_TEXTS = (
    "1 day", "2 days 03:04:05", "1 year 2 mons -3 days", "-1 day 02:03:04.5", "1 mon ago", "P1Y2M3DT4H5M6.5S",
    "PT0.001S", "P1W", "1-2",
    "1.5 days", "1.5 months", "1.5 years", "0.5 weeks", "1 day 12 hours 30 minutes", "90", "00:00:01", "100:00:00",
    "abc", "", "1 foo",
    "@ 1 minute", "1 century", "-00:00:00.000001", "1 ms 5 us", "3 4:05:06", "1 day, 0:00:00",
    "0 years 0 mons 1 days 2 hours 3 mins 4.5 secs",
    "1 day -00:00:01", "2147483647 days", "2147483648 days", "1 year 1 year", "+1 day", "P-1Y", "1h",
    "3 hours 04:05:06", "1 week 1 day",
)  # fmt: skip
OTHERS = {
    Oid.TEXT: ("", "a", "é", "x" * 1000),
    Oid.VARCHAR: ("", "é"),
    Oid.BPCHAR: ("a ", "é"),
    Oid.CHAR: ("a", "", "ab"),
    Oid.OID: ("0", "1", "4294967295", "-1", "4294967296", "abc", "", "1x"),
    Oid.BYTEA: ("\\x00ff", "\\xABcd", "\\x0", "\\xzz", "abc\\\\d\\001", "\\9", "", "\\x 00 11"),
    Oid.UUID: (
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "{A0EEBC999C0B4EF8BB6D6BB9BD380A11}",
        "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11",
        "abc", "", "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1g",
    ),
    Oid.JSON: ('{"a": 1}', "[1,2", "", "nul", "NaN", '"\\u00e9"'),
    Oid.JSONB: ('{"b": 1, "a": 1.50}', "[1,2", "1e2", ""),
}  # fmt: skip
SCALARS = {
    Oid.BOOL: BOOL_TEXTS, Oid.INT2: INTEGER_TEXTS, Oid.INT4: INTEGER_TEXTS, Oid.INT8: INTEGER_TEXTS,
        Oid.FLOAT4: FLOAT_TEXTS,
    Oid.FLOAT8: FLOAT_TEXTS, Oid.NUMERIC: NUMERIC_TEXTS, Oid.DATE: DATE_TEXTS, Oid.TIMESTAMP: TIMESTAMP_TEXTS,
    Oid.TIMESTAMPTZ: TIMESTAMP_TEXTS, Oid.INTERVAL: INTERVAL_TEXTS, **OTHERS,
}  # fmt: skip
ARRAYS = {
    ARRAY_OF[Oid.INT4]: (
        "{}",
        "{1,2,NULL}",
        " { 1 , 2 } ",
        "{1,,2}",
        "{1",
        "1}",
        "",
        "{1}x",
        "{a}",
        '{"1"}',
        "{null}",
        "{ }",
        "{1,}",
    ),
    ARRAY_OF[Oid.TEXT]: (
        '{a,"b c",NULL,"NULL",""}',
        '{"a\\"b\\\\c"}',
        '{a"b}',
        "{a b}",
        "{\\{}",
        '{"a" b}',
        '{"é"}',
        "{a\\,b}",
        '{"a}',
    ),
    ARRAY_OF[Oid.NUMERIC]: ("{1.50,2.00,NULL}", "{1e3}"),
    ARRAY_OF[Oid.TIMESTAMPTZ]: ('{"2024-01-05 12:34:56",NULL}',),
    ARRAY_OF[Oid.UUID]: ("{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",),
}
CASES = [(oid, text) for oid, texts in (SCALARS | ARRAYS).items() for text in texts]
ZONE = "America/New_York"


def take(value: bytes, oid: int, format_code: int) -> bytes | tuple[str, str]:
    """Our counterpart of `Oracle.take`: read as a parameter, sent back as a result."""
    try:
        row = decode_parameters([oid], [format_code], [value], ZONE)
        return encode(row.column(0), PgType(oid), 0, TimeZone=ZONE)[0] or b""
    except SqlError as error:
        return error.sqlstate, error.message


@pytest.mark.parametrize(("oid", "text"), CASES, ids=lambda part: str(part)[:40])
def test_texts_mean_what_they_mean_to_postgresql(byte_oracle: Oracle, oid: int, text: str) -> None:
    byte_oracle.set("TimeZone", ZONE)
    byte_oracle.set("bytea_output", "hex")
    assert take(text.encode(), oid, 0) == byte_oracle.take(text.encode(), oid, 0)


ORDERS = (
    "01/02/2020",
    "13-02-2020",
    "02.13.2020",
    "2020/02/13",
    "2020-02-13",
    "31.12.1999 23:59:59.5 UTC",
    "05-06-0044 BC",
)


@pytest.mark.parametrize("style", ["ISO, MDY", "SQL, DMY", "German, DMY", "Postgres, YMD"])
@pytest.mark.parametrize("oid", [Oid.DATE, Oid.TIMESTAMP, Oid.TIMESTAMPTZ, ARRAY_OF[Oid.DATE]])
def test_dates_are_read_in_the_order_of_the_style(byte_oracle: Oracle, style: str, oid: int) -> None:
    byte_oracle.set("TimeZone", ZONE)
    byte_oracle.set("DateStyle", style)
    try:
        for text in ORDERS:
            written = f"{{{text}}}" if oid == ARRAY_OF[Oid.DATE] else text
            try:
                row = decode_parameters([oid], [0], [written.encode()], ZONE, date_order=date_order(style))
                ours: bytes | tuple[str, str] = (
                    encode(row.column(0), PgType(oid), 0, TimeZone=ZONE, DateStyle=style)[0] or b""
                )
            except SqlError as error:
                ours = error.sqlstate, error.message
            assert ours == byte_oracle.take(written.encode(), oid, 0)
    finally:
        byte_oracle.set("DateStyle", "ISO, MDY")


def test_a_column_of_dates_is_read_in_that_order_too() -> None:
    customs = Customs(find_time_zone(ZONE), "DMY")
    found, faults = read_column(pa.array(["31/12/1999", "2020-01-02", "01.02.2020"]), PgType(Oid.DATE), 0, customs)
    assert (found.to_pylist(), faults) == ([date(1999, 12, 31), date(2020, 1, 2), date(2020, 2, 1)], {})


BINARIES = [
    (Oid.BOOL, b"\1"), (Oid.BOOL, b"\0"), (Oid.BOOL, b"\7"), (Oid.BOOL, b""), (Oid.BOOL, b"\1\1"),
    (Oid.INT2, b"\xff\xfe"), (Oid.INT4, b"\0\0\0\1"), (Oid.INT4, b"\0\0\1"), (Oid.INT4, b"\0\0\0\0\1"),
    (Oid.INT8, b"\x80" + b"\0" * 7),
    (Oid.OID, b"\xff\xff\xff\xff"), (Oid.FLOAT4, struct.pack("!f", 0.1)), (Oid.FLOAT8, struct.pack("!d", 1e300)),
    (Oid.FLOAT8, b"\0"),
    (Oid.TEXT, "é".encode()), (Oid.TEXT, b"\xff"), (Oid.TEXT, b"a\xc3"), (Oid.TEXT, b"a\0b"),
    (Oid.BYTEA, bytes(range(256))),
    (Oid.DATE, struct.pack("!i", 8000)), (Oid.DATE, struct.pack("!i", 2**31 - 1)),
    (Oid.DATE, struct.pack("!i", -(2**31))),
    (Oid.DATE, struct.pack("!i", 2**31 - 2)), (Oid.TIMESTAMP, struct.pack("!q", 10**15)),
    (Oid.TIMESTAMP, struct.pack("!q", 2**63 - 1)),
    (Oid.TIMESTAMPTZ, struct.pack("!q", -(10**15))), (Oid.TIMESTAMPTZ, struct.pack("!q", -(2**63))),
    (Oid.TIMESTAMP, struct.pack("!q", -(2**63) + 5)), (Oid.INTERVAL, struct.pack("!qii", 10**9, -3, 14)),
    (Oid.INTERVAL, b"\0" * 15),
    (Oid.UUID, bytes(range(16))), (Oid.UUID, bytes(15)), (Oid.JSONB, b'\1{"a": 1}'), (Oid.JSONB, b'\2{"a": 1}'),
    (Oid.JSON, b"[1]"),
    (Oid.NUMERIC, struct.pack("!HhHH2H", 2, 0, 0, 2, 1, 5000)), (Oid.NUMERIC, struct.pack("!HhHH", 0, 0, 0, 0)),
    (Oid.NUMERIC, struct.pack("!HhHHH", 1, -2, 0x4000, 8, 12)), (Oid.NUMERIC, struct.pack("!HhHHH", 1, 3, 0, 0, 7)),
    (Oid.NUMERIC, struct.pack("!HhHHH", 1, 0, 0x1234, 0, 7)), (Oid.NUMERIC, struct.pack("!HhHHH", 1, 0, 0, 0, 10000)),
    (Oid.NUMERIC, struct.pack("!HhHHH", 2, 0, 0, 0, 1)), (Oid.NUMERIC, b"\0\1"),
    (Oid.NUMERIC, struct.pack("!HhHH2H", 2, 0, 0, 1, 1, 5678)),
    (1007, struct.pack("!iiiiiiii", 1, 0, 23, 1, 1, 4, 7, 0)[:28]), (1007, struct.pack("!iii", 0, 0, 23)),
    (1007, b"\0"),
    (1007, struct.pack("!iiiiii", 1, 1, 23, 1, 1, -1)), (1007, struct.pack("!iiiiiii", 1, 0, 20, 1, 1, 4, 7)),
    (1007, struct.pack("!iiiii", 1, 2, 23, 1, 1)), (1009, struct.pack("!iiiiii", 1, 0, 25, 1, 1, 1) + b"x"),
    (1007, struct.pack("!iiiiii", 1, 0, 23, 1, 1, 2) + b"\0\1"), (Oid.CHAR, b"a"),
]  # fmt: skip


@pytest.mark.parametrize(("oid", "value"), BINARIES, ids=lambda part: str(part)[:40])
def test_binaries_mean_what_they_mean_to_postgresql(byte_oracle: Oracle, oid: int, value: bytes) -> None:
    byte_oracle.set("TimeZone", ZONE)
    byte_oracle.set("bytea_output", "hex")
    assert take(value, oid, 1) == byte_oracle.take(value, oid, 1)


def test_random_local_times_are_the_same_moments(byte_oracle: Oracle) -> None:
    """Also those that a change of the offset skips or repeats."""
    changes = ["2024-03-10 0", "2024-11-03 0", "2011-12-30 0", "1967-04-30 0", "2024-03-31 0", "2024-10-27 0"]
    texts = [f"{RANDOM.choice(changes)}{RANDOM.randrange(5)}:{RANDOM.randrange(60):02}:00" for _ in range(300)]
    for zone in ("America/New_York", "Europe/Berlin", "Pacific/Apia", "Australia/Lord_Howe", "<+05>-05"):
        byte_oracle.set("TimeZone", zone)
        rows = (decode_parameters([Oid.TIMESTAMPTZ], [], [text.encode()], zone).column(0) for text in texts)
        ours = [encode(row, PgType(Oid.TIMESTAMPTZ), 0, TimeZone=zone)[0] for row in rows]
        assert ours == byte_oracle.cast(texts, "timestamptz", 0)
