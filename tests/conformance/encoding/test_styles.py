"""DateStyle, IntervalStyle and extra_float_digits: byte for byte as PostgreSQL prints values under them."""

from collections.abc import Iterator

import pyarrow as pa
import pytest

from catalog.types import ARRAY_OF, Oid, PgType
from tests.conformance.encoding.oracle import Oracle, encode
from tests.conformance.encoding.test_moments import ZONES, micros_as, moments, texts
from tests.conformance.encoding.test_numbers import float4_samples, float8_samples

DATE_STYLES = ("ISO, DMY", "SQL, DMY", "SQL, MDY", "Postgres, DMY", "Postgres, YMD", "German, DMY")
INTERVAL_STYLES = ("postgres", "postgres_verbose", "sql_standard", "iso_8601")
DAYS = [0, -719_163, -719_162, -2_440_588, 11_016, 2_932_897, *range(10_950, 10_970), None]


@pytest.fixture
def styled(byte_oracle: Oracle) -> Iterator[Oracle]:
    """Its settings go back to the defaults."""
    yield byte_oracle
    defaults = {"DateStyle": "ISO, MDY", "IntervalStyle": "postgres", "extra_float_digits": "1", "TimeZone": "UTC"}
    for name, value in defaults.items():
        byte_oracle.set(name, value)


@pytest.mark.parametrize("style", DATE_STYLES)
def test_dates(styled: Oracle, style: str) -> None:
    styled.set("DateStyle", style)
    sql = "SELECT '1970-01-01'::date + v::int4 FROM unnest($1) WITH ORDINALITY AS u(v, i) ORDER BY i"
    expected = styled.send(sql, texts(DAYS), 0)
    assert encode(pa.array(DAYS, pa.int32()).view(pa.date32()), PgType(Oid.DATE), 0, DateStyle=style) == expected


@pytest.mark.parametrize("style", DATE_STYLES)
def test_timestamps(styled: Oracle, style: str) -> None:
    values = moments()[:4000]
    styled.set("DateStyle", style)
    expected = styled.send(micros_as("timestamp"), texts(values), 0)
    assert encode(pa.array(values, pa.timestamp("us")), PgType(Oid.TIMESTAMP), 0, DateStyle=style) == expected


@pytest.mark.parametrize("zone", ZONES)
def test_time_zones_have_names(styled: Oracle, zone: str) -> None:
    values = moments()[-4000:]
    styled.set("DateStyle", "ISO, MDY")
    styled.set("TimeZone", "UTC")
    utc = styled.send(micros_as("timestamp"), texts(values), 0)
    styled.set("TimeZone", zone)
    for style in ("SQL, DMY", "Postgres, MDY", "German, DMY"):
        styled.set("DateStyle", style)
        shown = styled.cast([None if text is None else f"{text.decode()}+00" for text in utc], "timestamptz", 0)
        array = pa.array(values, pa.timestamp("us", "UTC"))
        ours = encode(array, PgType(Oid.TIMESTAMPTZ), 0, TimeZone=zone, DateStyle=style)
        assert [pair for pair in zip(values, ours, shown, strict=True) if pair[1] != pair[2]] == []


@pytest.mark.parametrize("style", INTERVAL_STYLES)
def test_intervals(styled: Oracle, style: str) -> None:
    edges, times = (0, 1, -1, 11, 12, 13, -12, -13, 25), (0, 1, -1, 60_000_000, -61_500_000, 3_723_000_000, -(10**13))
    values = [(months, days, micros) for months in edges for days in (0, 1, -1, 40) for micros in times]
    styled.set("IntervalStyle", style)
    expected = styled.cast([f"{m:+} months {d:+} days {us:+} us" for m, d, us in values], "interval", 0)
    array = pa.array([pa.MonthDayNano([m, d, us * 1000]) for m, d, us in values], pa.month_day_nano_interval())
    assert encode(array, PgType(Oid.INTERVAL), 0, IntervalStyle=style) == expected


@pytest.mark.parametrize("digits", [3, 0, -1, -6, -14, -15])
@pytest.mark.parametrize("spelling", ["float8", "float4"])
def test_floats(styled: Oracle, spelling: str, digits: int) -> None:
    if spelling == "float8":
        values, oid = pa.array(float8_samples()[::20], pa.float64()), Oid.FLOAT8
    else:
        values, oid = pa.array(float4_samples()[::20], pa.float64()).cast(pa.float32(), safe=False), Oid.FLOAT4
    styled.set("extra_float_digits", str(digits))
    expected = styled.cast([repr(value) for value in values.to_pylist()], spelling, 0)
    ours = encode(values, PgType(oid), 0, extra_float_digits=str(digits))
    assert [pair for pair in zip(ours, expected, strict=True) if pair[0] != pair[1]] == []


def test_elements_of_arrays(styled: Oracle) -> None:
    styled.set("DateStyle", "Postgres, DMY")
    styled.set("extra_float_digits", "0")
    moment = pa.array([[0, None]], pa.list_(pa.timestamp("us")))
    ours = encode(moment, PgType(ARRAY_OF[Oid.TIMESTAMP]), 0, DateStyle="Postgres, DMY")
    assert ours == styled.cast(['{"1970-01-01 00:00:00",NULL}'], "timestamp[]", 0)
    ours = encode(pa.array([[0.1 + 0.2]]), PgType(ARRAY_OF[Oid.FLOAT8]), 0, extra_float_digits="0")
    assert ours == styled.cast(["{0.30000000000000004}"], "float8[]", 0)


def test_json_has_no_style() -> None:
    array = pa.array([{"d": 0}], pa.struct([("d", pa.date32())]))
    assert encode(array, PgType(Oid.JSONB), 0, DateStyle="German, DMY") == [b'{"d": "1970-01-01"}']
