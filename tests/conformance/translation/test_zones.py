"""What depends on the session's time zone, in any zone and at any moment, above all where clocks are put forward or
back."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.names import TableName
from compute.engines.spark.session import SparkSession
from planner.dialects.expression import Unverified
from planner.dialects.zones import check_zone, find_zone, place
from planner.plan import Lane
from tests.conformance.translation.conftest import Rig
from tests.target import Target

SCHEMA = pa.schema(
    [("id", pa.int32()), ("tz", pa.timestamp("us", tz="UTC")), ("ts", pa.timestamp("us")), ("d", pa.date32())]
)
ZONED = (
    *(f"date_trunc('{unit}', tz)" for unit in ("year", "quarter", "month", "week", "day", "hour", "minute", "second")),
    "date_trunc('day', d)",
    "date_trunc('hour', tz, 'Asia/Kathmandu')",
    "date_trunc('month', tz, 'America/St_Johns')",
    "tz::date",
    "tz::timestamp",
    "ts::timestamptz",
    "d::timestamptz",
    "tz AT TIME ZONE 'Australia/Lord_Howe'",
    "ts AT TIME ZONE 'Australia/Lord_Howe'",
    "tz > ts",
    "d <= tz",
    "tz + interval '1 month'",
    "tz - interval '36 hours'",
    "tz - interval '1 day'",
    "extract(hour FROM tz)",
    "extract(dow FROM tz)",
    "extract(epoch FROM tz)",
    "to_char(tz, 'YYYY-MM-DD HH24:MI:SS')",
)
DUCKDB_ONLY = ("tz + interval '1 month 3 days 02:00'",)
"""Spark has no interval of months and days."""
FAMILIAR = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kolkata")
FIRST, LAST = datetime(1905, 1, 1), datetime(2036, 1, 1)
QUARTER = timedelta(minutes=15)
STEP = timedelta(days=20)


@pytest.fixture(scope="module")
def rig(postgres: Target, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("zones") / "v"
    write_deltalake(folder, make_table(moments("Europe/Berlin")))
    with postgres.connect() as oracle:
        oracle.execute("CREATE SCHEMA samples")
        oracle.execute("CREATE TABLE samples.v (id int, tz timestamptz, ts timestamp, d date)")
        yield Rig(oracle, {TableName("samples", "v"): folder})
        oracle.execute("DROP SCHEMA samples CASCADE")


def make_table(times: Sequence[datetime]) -> pa.Table:
    """Rows of moments, each also as what a clock may show."""
    instants, days = [time.replace(tzinfo=UTC) for time in times], [time.date() for time in times]
    columns: Sequence[Sequence[object]] = (range(len(times)), instants, times, days)
    arrays = [pa.array(list(cells), field.type) for cells, field in zip(columns, SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def offset(zone: str, time: datetime) -> timedelta:
    rules = find_zone(zone)
    assert rules is not None
    found = rules.fromutc(time.replace(tzinfo=rules)).utcoffset()
    assert found is not None
    return found


@lru_cache(maxsize=1024)
def transitions(zone: str) -> tuple[datetime, ...]:
    """When its clocks are put forward or back, in UTC."""
    found, time = [], FIRST
    while time < LAST:
        low, high = time, time + STEP
        if offset(zone, low) != offset(zone, high):
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) // 2
                low, high = (middle, high) if offset(zone, middle) == offset(zone, low) else (low, middle)
            found.append(high.replace(microsecond=0))
        time += STEP
    return tuple(found)


def moments(zone: str) -> list[datetime]:
    """Round each of its latest transitions, in UTC and as clocks show it."""
    found = []
    for change in transitions(zone)[-6:]:
        for time in (change, change + offset(zone, change)):
            found += [time + quarters * QUARTER for quarters in (-9, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 97)]
    return found


@st.composite
def cases(draw: st.DrawFn, zones: Sequence[str]) -> tuple[str, list[datetime]]:
    zone = draw(st.sampled_from(FAMILIAR) | st.sampled_from(zones))
    times = st.datetimes(FIRST, LAST)
    if transitions(zone):
        hours = timedelta(hours=30)
        times |= st.builds(
            lambda change, since: change + since, st.sampled_from(transitions(zone)), st.timedeltas(-hours, hours)
        )
    return zone, draw(st.lists(times, min_size=1, max_size=30))


def fill(rig: Rig, rows: pa.Table) -> None:
    rig.oracle.execute("TRUNCATE samples.v")
    with rig.oracle.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO samples.v VALUES (%s, %s, %s, %s)", zip(*rows.to_pydict().values(), strict=True)
        )


def compare(rig: Rig, zone: str, lane: Lane, expressions: Sequence[str]) -> None:
    """Both give the same rows."""
    rig.time_zone = zone
    rig.oracle.execute(f"SET TimeZone = '{zone}'".encode())
    text = f"SELECT id, {', '.join(expressions)} FROM samples.v ORDER BY id"
    for ours, theirs in zip(rig.answer(text, lane), rig.expected(text).rows, strict=True):
        for expression, have, want in zip(("id", *expressions), map(in_utc, ours), map(in_utc, theirs), strict=True):
            assert (zone, theirs[0], expression, have) == (zone, theirs[0], expression, want)


def in_utc(value: object) -> object:
    """A moment such that it can be compared: Python takes no two for equal in an hour that comes twice."""
    return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value


def is_taken(zone: str) -> bool:
    try:
        return check_zone(zone) == zone
    except Unverified:
        return False


def test_duckdb_in_any_zone(rig: Rig) -> None:
    listed = rig.oracle.execute("SELECT name FROM pg_timezone_names WHERE name LIKE '%/%' ORDER BY 1").fetchall()
    zones = [name for (name,) in listed if is_taken(name)]
    assert len(zones) > 500

    @settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(case=cases(zones))
    def answers_alike(case: tuple[str, list[datetime]]) -> None:
        zone, times = case
        rig.rows = make_table(times)
        fill(rig, rig.rows)
        compare(rig, zone, Lane.DUCKDB, (*ZONED, *DUCKDB_ONLY))

    answers_alike()


@pytest.mark.spark
def test_spark_in_familiar_zones(rig: Rig, spark_session: SparkSession) -> None:
    rig.spark = spark_session
    rows = make_table([time for zone in FAMILIAR for time in moments(zone)])
    fill(rig, rows)
    write_deltalake(rig.snapshots[TableName("samples", "v")].location, rows, mode="overwrite")
    rig.refresh()
    for zone in FAMILIAR:
        compare(rig, zone, Lane.SPARK, ZONED)


def test_literals_in_familiar_zones(rig: Rig) -> None:
    for zone in FAMILIAR:
        rig.oracle.execute(f"SET TimeZone = '{zone}'".encode())
        for time in moments(zone):
            want = rig.oracle.execute(f"SELECT '{time}'::timestamptz".encode()).fetchone()
            assert want is not None
            assert (zone, time, place(time, zone).timestamp()) == (zone, time, want[0].timestamp())


@pytest.mark.parametrize("zone", ["EST5EDT", "<+02>-02", "America/Vancouver", "Nowhere/Land"])
def test_zones_that_are_refused(zone: str) -> None:
    with pytest.raises(Unverified, match="time zone"):
        check_zone(zone)
