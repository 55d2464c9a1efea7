"""Dates and times as PostgreSQL reads them: ISO 8601 first, then in the order of DateStyle, any year of its range.

Answers are integers since 1970-01-01 (Arrow's epoch), because Python's own dates end at the year 9999 and know no BC.
Spellings beyond these (weekdays, month names, ``today``, zone abbreviations) are refused rather than guessed.

Reference: PostgreSQL documentation, "Date/Time Types", "Date/Time Input".
"""

import re
from dataclasses import dataclass
from datetime import timedelta

from catalog.errors import (
    DatetimeFieldOverflow,
    InvalidDatetimeFormat,
    InvalidParameterValue,
    InvalidTimeZoneDisplacement,
)
from gateway.pgwire.encode import find_time_zone
from lakegate_native import TimeZone

SECOND = 1_000_000
DAY = 86_400 * SECOND
PAST, FUTURE = -(2**63) + 1, 2**63 - 1
"""`-infinity` and `infinity` in microseconds, as DuckDB has them."""
FIRST_DAY, LAST_DATE = -2_440_588, 2_145_042_905
"""4714-11-24 BC and 5874897-12-31, in days."""
END_OF_TIMESTAMPS = 106_751_991 * DAY
"""294247-01-10: Arrow's microseconds since 1970 end 29 years before PostgreSQL's, which count from 2000."""
_ENDS = {"infinity": FUTURE, "+infinity": FUTURE, "-infinity": PAST, "epoch": 0}
_DATE = re.compile(
    r"(?:(?P<year>\d{4,7})-(?P<month>\d{1,2})-(?P<day>\d{1,2})|(?P<packed>\d{8})"
    r"|(?P<first>\d{1,2})[-/.](?P<second>\d{1,2})[-/.](?P<last_year>\d{4,7})"
    r"|(?P<first_year>\d{4,7})[/.](?P<first_month>\d{1,2})[/.](?P<first_day>\d{1,2}))",
    re.ASCII,
)
_TIME = re.compile(r"(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{0,9}))?)?", re.ASCII)
_OFFSET = re.compile(r"([+-])(\d{1,2})(?::?(\d{2})(?::?(\d{2}))?)?", re.ASCII)
_MOMENT = re.compile(
    rf"\s*(?P<date>{re.sub(r'[?]P<[a-z_]+>', '?:', _DATE.pattern)})"
    rf"(?:(?:\s*[Tt]\s*|\s+)(?P<time>{_TIME.pattern}))?"
    r"\s*(?P<zone>[Zz]|[+-][\d:]+|[A-Za-z][A-Za-z0-9_+/-]*)??"
    r"\s*(?P<era>[Bb][Cc]|[Aa][Dd])?\s*",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Customs:
    """How a session reads dates and times: its time zone, and the order of its DateStyle, such as ``MDY``."""

    zone: TimeZone
    order: str = "MDY"


def parse_date(text: str, order: str = "MDY") -> int:
    """Days since 1970-01-01. A time of day is dropped, as PostgreSQL does."""
    end = _ENDS.get(text.strip().lower())
    if end is not None:
        return {FUTURE: 2**31 - 1, PAST: -(2**31) + 1}.get(end, end)
    found = _match(text, "date")
    days = _days(found, text, order)
    if not FIRST_DAY <= days <= LAST_DATE:
        raise DatetimeFieldOverflow(f'date out of range: "{text}"')
    return days


def parse_timestamp(text: str, order: str = "MDY") -> int:
    """Microseconds since 1970-01-01 without time zone; a zone that is written is ignored, as PostgreSQL does."""
    end = _ENDS.get(text.strip().lower())
    if end is not None:
        return end
    return _checked(_local(_match(text, "timestamp"), text, order), text)


def parse_timestamptz(text: str, customs: Customs) -> int:
    """Microseconds since 1970-01-01 UTC. Without a zone the session's counts."""
    end = _ENDS.get(text.strip().lower())
    if end is not None:
        return end
    found = _match(text, "timestamp with time zone")
    local = _local(found, text, customs.order)
    zone = _zone(found, text, "timestamp with time zone")
    if zone is None:
        zone = customs.zone
    if isinstance(zone, timedelta):
        return _checked(local - zone // timedelta(microseconds=1), text)
    seconds, micros = divmod(local, SECOND)
    return _checked(zone.to_utc(seconds) * SECOND + micros, text)


def _match(text: str, spelling: str) -> re.Match[str]:
    found = _MOMENT.fullmatch(" ".join(text.split()))
    if found is None:
        raise InvalidDatetimeFormat(f'invalid input syntax for type {spelling}: "{text}"')
    _zone(found, text, spelling)
    return found


def _zone(found: re.Match[str], text: str, spelling: str) -> TimeZone | timedelta | None:
    """The zone that is written: a name's, or an offset east of UTC."""
    zone = found["zone"]
    if not zone:
        return None
    if zone[0] in "+-":
        return _offset(zone, text)
    try:
        return find_time_zone("UTC" if zone in "Zz" else zone)
    except InvalidParameterValue:
        if "/" in zone:
            raise InvalidParameterValue(f'time zone "{zone.lower()}" not recognized') from None
        raise InvalidDatetimeFormat(f'invalid input syntax for type {spelling}: "{text}"') from None


def _local(found: re.Match[str], text: str, order: str) -> int:
    return _days(found, text, order) * DAY + (_time(found["time"], text) if found["time"] else 0)


def _checked(micros: int, text: str) -> int:
    if not FIRST_DAY * DAY <= micros < END_OF_TIMESTAMPS:
        raise DatetimeFieldOverflow(f'timestamp out of range: "{text}"')
    return micros


def _days(found: re.Match[str], text: str, order: str) -> int:
    parts = _DATE.fullmatch(found["date"])
    assert parts is not None, "the whole pattern holds the date's"
    year, month, day = _date_fields(parts, order)
    is_bc = (found["era"] or "").upper() == "BC"
    if year == 0 or not 1 <= month <= 12 or not 1 <= day <= _month_length(1 - year if is_bc else year, month):
        raise DatetimeFieldOverflow(f'date/time field value out of range: "{text}"')
    return days_from_civil(1 - year if is_bc else year, month, day)


def _date_fields(parts: re.Match[str], order: str) -> tuple[int, int, int]:
    """Year, month and day. A year that is written first is one whatever the order; where the order wants one first
    and none is there, the date cannot be."""
    if packed := parts["packed"]:
        return int(packed[:4]), int(packed[4:6]), int(packed[6:])
    for prefix in ("", "first_"):
        if parts[f"{prefix}year"]:
            return int(parts[f"{prefix}year"]), int(parts[f"{prefix}month"]), int(parts[f"{prefix}day"])
    first, second, last = (int(parts[name]) for name in ("first", "second", "last_year"))
    if order == "YMD":
        return first, second, last
    return (last, second, first) if order == "DMY" else (last, first, second)


def _month_length(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def days_from_civil(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the proleptic Gregorian calendar; year 0 is 1 BC. Howard Hinnant's algorithm."""
    year -= month <= 2
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return era * 146_097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719_468


def _time(time: str, text: str) -> int:
    found = _TIME.fullmatch(time)
    assert found is not None, "the whole pattern holds the time's"
    hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
    micros = round(int((found[4] or "0").ljust(9, "0")) / 1000)
    total = ((hour * 60 + minute) * 60 + second) * SECOND + micros
    if minute > 59 or second > 60 or total > DAY:
        raise DatetimeFieldOverflow(f'date/time field value out of range: "{text}"')
    return total


def _offset(zone: str, text: str) -> timedelta:
    found = _OFFSET.fullmatch(zone)
    if found is None:
        raise InvalidDatetimeFormat(f'invalid input syntax for type timestamp with time zone: "{text}"')
    hour, minute, second = int(found[2]), int(found[3] or 0), int(found[4] or 0)
    if hour > 15 or minute > 59 or second > 59:
        raise InvalidTimeZoneDisplacement(f'time zone displacement out of range: "{text}"')
    size = timedelta(hours=hour, minutes=minute, seconds=second)
    return -size if found[1] == "-" else size
