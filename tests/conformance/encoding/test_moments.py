"""Dates, timestamps, time zones and intervals: byte for byte as PostgreSQL sends them."""

import random

import pyarrow as pa
import pytest

from catalog.types import Oid, PgType
from gateway.pgwire.calendar import parse_date
from tests.conformance.encoding.oracle import FORMATS, Oracle, encode

RANDOM = random.Random(21)
DAY = 86_400_000_000
FIRST, LAST = -210_866_803_200_000_000, 9_223_371_331_200_000_000
"""4714-11-24 BC and the day after the last timestamp that both Arrow and PostgreSQL hold."""
ZONES = (  # whose rules don't differ between the releases of the tz database that we and PostgreSQL have
    "UTC", "America/New_York", "Europe/Berlin", "Europe/London", "Asia/Kolkata", "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/Sao_Paulo", "Pacific/Apia", "Africa/Casablanca", "Antarctica/Troll", "Africa/Cairo", "Etc/GMT+5",
    "<+05>-05", "<-03:30>+03:30", "europe/LONDON",
)  # fmt: skip


def moments() -> list[int | None]:
    """Microseconds since 1970: edges, all of PostgreSQL's range, and mostly the last two centuries."""
    edges = [0, -1, 1, 999_999, 1_000_000, 123_000, -62_135_596_800_000_000, -62_135_596_800_000_001, FIRST, LAST - DAY]
    whole = (RANDOM.randrange(FIRST, LAST - DAY) for _ in range(2_000))
    recent = (RANDOM.randrange(-5_000_000_000, 5_000_000_000) * 1_000_000 for _ in range(20_000))
    far = (RANDOM.randrange(4_000_000_000, 40_000_000_000) * 1_000_000 for _ in range(5_000))
    coarse = (RANDOM.randrange(10**9) * 10 ** RANDOM.randrange(6) for _ in range(2_000))
    return [None, *edges, *whole, *recent, *far, *coarse]


def micros_as(spelling: str) -> str:
    return (
        f"SELECT (CASE WHEN v IS NULL THEN NULL ELSE '1970-01-01'::{spelling}"
        " + (v::int8 / 86400000000) * interval '1 day' + (v::int8 % 86400000000) * interval '1 microsecond' END)"
        " FROM unnest($1) WITH ORDINALITY AS u(v, i) ORDER BY i"
    )


def texts(values: list[int | None]) -> list[str | None]:
    return [None if value is None else str(value) for value in values]


@pytest.mark.parametrize("format_code", FORMATS)
def test_timestamps(byte_oracle: Oracle, format_code: int) -> None:
    values = moments()
    expected = byte_oracle.send(micros_as("timestamp"), texts(values), format_code)
    assert encode(pa.array(values, pa.timestamp("us")), PgType(Oid.TIMESTAMP), format_code) == expected


@pytest.mark.parametrize("zone", ZONES)
def test_timestamps_in_a_time_zone(byte_oracle: Oracle, zone: str) -> None:
    values = moments()
    byte_oracle.set("TimeZone", "UTC")
    binary = byte_oracle.send(micros_as("timestamptz"), texts(values), 1)
    byte_oracle.set("TimeZone", zone)
    shown = byte_oracle.send(
        "SELECT ('2000-01-01 00:00:00+00'::timestamptz AT TIME ZONE 'UTC' + (v::int8 / 86400000000) * interval '1 day'"
        " + (v::int8 % 86400000000) * interval '1 microsecond') AT TIME ZONE 'UTC'"
        " FROM unnest($1) WITH ORDINALITY AS u(v, i) ORDER BY i",
        [None if value is None else str(value - 946_684_800_000_000) for value in values],
        0,
    )
    array = pa.array(values, pa.timestamp("us", "UTC"))
    assert encode(array, PgType(Oid.TIMESTAMPTZ), 1, TimeZone=zone) == binary
    ours = encode(array, PgType(Oid.TIMESTAMPTZ), 0, TimeZone=zone)
    assert [pair for pair in zip(values, ours, shown, strict=True) if pair[1] != pair[2]] == []


@pytest.mark.parametrize("format_code", FORMATS)
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_units_of_arrow(byte_oracle: Oracle, unit: str, format_code: int) -> None:
    values = pa.array([0, 1_700_000_000, -1_700_000_001], pa.int64())
    array = pa.compute.multiply(values, {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]).cast(pa.timestamp(unit))
    expected = byte_oracle.cast(
        ["1970-01-01 00:00:00", "2023-11-14 22:13:20", "1916-02-18 01:46:39"], "timestamp", format_code
    )
    assert encode(array, PgType(Oid.TIMESTAMP), format_code) == expected


@pytest.mark.parametrize("format_code", FORMATS)
def test_the_ends_of_time(byte_oracle: Oracle, format_code: int) -> None:
    ends = ["infinity", "-infinity", "-infinity"]
    moments_ = pa.array([2**63 - 1, -(2**63) + 1, -(2**63)], pa.int64())
    days = pa.array([2**31 - 1, -(2**31) + 1, -(2**31)], pa.int32()).view(pa.date32())
    assert encode(moments_.view(pa.timestamp("us")), PgType(Oid.TIMESTAMP), format_code) == byte_oracle.cast(
        ends, "timestamp", format_code
    )
    assert encode(moments_.view(pa.timestamp("us", "UTC")), PgType(Oid.TIMESTAMPTZ), format_code) == byte_oracle.cast(
        ends, "timestamptz", format_code
    )
    assert encode(days, PgType(Oid.DATE), format_code) == byte_oracle.cast(ends, "date", format_code)


@pytest.mark.parametrize("format_code", FORMATS)
def test_dates(byte_oracle: Oracle, format_code: int) -> None:
    last = parse_date("5874897-12-31")
    edges = [0, -1, -719_162, -719_163, -719_528, -2_440_588, last, 2_932_896, 2_932_897, None]
    values = [*edges, *(RANDOM.randrange(-2_440_588, last) for _ in range(5_000)), *range(10_900, 11_400)]
    sql = "SELECT '1970-01-01'::date + v::int4 FROM unnest($1) WITH ORDINALITY AS u(v, i) ORDER BY i"
    expected = byte_oracle.send(sql, texts(values), format_code)
    assert encode(pa.array(values, pa.int32()).view(pa.date32()), PgType(Oid.DATE), format_code) == expected


@pytest.mark.parametrize("format_code", FORMATS)
def test_intervals(byte_oracle: Oracle, format_code: int) -> None:
    edges = (0, 1, -1, 11, 12, 13, -12, -13, 25)
    times = (0, 1, -1, 3_723_000_000)
    parts = [(months, days, micros) for months in edges for days in (0, 1, -1, 40) for micros in times]
    far = [
        (RANDOM.randrange(-(10**5), 10**5), RANDOM.randrange(-(10**6), 10**6), RANDOM.randrange(-(10**15), 10**15))
        for _ in range(2_000)
    ]
    values = parts + far
    expected = byte_oracle.cast([f"{m} months {d} days {us} us" for m, d, us in values], "interval", format_code)
    array = pa.array([pa.MonthDayNano([m, d, us * 1000]) for m, d, us in values], pa.month_day_nano_interval())
    assert encode(array, PgType(Oid.INTERVAL), format_code) == expected


@pytest.mark.parametrize("format_code", FORMATS)
def test_durations(byte_oracle: Oracle, format_code: int) -> None:
    expected = byte_oracle.cast(["90 seconds", "-1 hour", "0"], "interval", format_code)
    for unit, size in (("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)):
        array = pa.array([90 * size, -3600 * size, 0], pa.duration(unit))
        assert encode(array, PgType(Oid.INTERVAL), format_code) == expected
