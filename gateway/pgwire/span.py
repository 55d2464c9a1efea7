"""Intervals as PostgreSQL reads them: its own style, `1-2 3 04:05:06`, and ISO 8601 durations.

Reference: PostgreSQL documentation, "Interval Input"; `DecodeInterval` for what fractions become.
"""

import re
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from catalog.errors import IntervalFieldOverflow, InvalidDatetimeFormat

_SECOND = 1_000_000
_MONTHS = {"millennium": 12_000, "century": 1200, "decade": 120, "year": 12, "month": 1}
_DAYS = {"week": 7, "day": 1}
_MICROS = {"hour": 3600 * _SECOND, "minute": 60 * _SECOND, "second": _SECOND, "millisecond": 1000, "microsecond": 1}
_UNITS = {
    spelling: unit
    for unit, spellings in {
        "millennium": "millennium millennia mil mils",
        "century": "century centuries cent c",
        "decade": "decade decades dec decs",
        "year": "year years yr yrs y",
        "month": "month months mon mons",
        "week": "week weeks w",
        "day": "day days d",
        "hour": "hour hours hr hrs h",
        "minute": "minute minutes min mins m",
        "second": "second seconds sec secs s",
        "millisecond": "millisecond milliseconds msec msecs ms",
        "microsecond": "microsecond microseconds usec usecs us",
    }.items()
    for spelling in spellings.split()
}
_ISO_DATE = {"Y": "year", "M": "month", "W": "week", "D": "day"}
_ISO_TIME = {"H": "hour", "M": "minute", "S": "second"}
_NUMBER = r"[+-]?(?:\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})"
_TOKEN = re.compile(
    rf"(?a)\s*(?:(?P<time>[+-]?\d{{1,18}}:\d{{2}}(?::\d{{2}}(?:\.\d{{0,9}})?)?)"
    r"|(?P<years>[+-]?\d{1,9})-(?P<months>\d{1,2})"
    rf"|(?P<number>{_NUMBER})\s*(?P<unit>[A-Za-z]+)?)\s*,?"
)
_ISO = re.compile(rf"(?a)P((?:{_NUMBER}[YMWD])*)(?:T((?:{_NUMBER}[HMS])+))?")
_ISO_PART = re.compile(rf"(?a)({_NUMBER})([A-Z])")


class Span(NamedTuple):
    """Months, days and microseconds, each with its own sign."""

    months: int
    days: int
    micros: int


def parse_interval(text: str) -> Span:
    """Raises InvalidDatetimeFormat for what is none, IntervalFieldOverflow for what PostgreSQL cannot hold."""
    body = text.strip()
    ago = body.lower().endswith("ago")
    body = body[:-3] if ago else body.removeprefix("@")
    parts = _iso_parts(body) if body.startswith("P") else _parts(body)
    if not parts:
        raise InvalidDatetimeFormat(f'invalid input syntax for type interval: "{text}"')
    total = Span(*(sum(column) for column in zip(*(_span(number, unit) for number, unit in parts), strict=True)))
    if ago:
        total = Span(-total.months, -total.days, -total.micros)
    if max(abs(total.months), abs(total.days)) >= 2**31 or abs(total.micros) >= 2**63:
        raise IntervalFieldOverflow(f'interval field value out of range: "{text}"')
    return total


def _iso_parts(body: str) -> list[tuple[Fraction, str]]:
    found = _ISO.fullmatch(body)
    if found is None:
        return []
    dates, times = _ISO_PART.findall(found[1]), _ISO_PART.findall(found[2] or "")
    return [
        *((Fraction(number), _ISO_DATE[letter]) for number, letter in dates),
        *((Fraction(number), _ISO_TIME[letter]) for number, letter in times),
    ]


def _parts(body: str) -> list[tuple[Fraction, str]]:
    """Numbers with their units; none where the text is no interval, or names a unit twice."""
    parts: list[tuple[Fraction, str]] = []
    named: list[str] = []
    at = 0
    while at < len(body):
        found = _TOKEN.match(body, at)
        if found is None:
            return []
        at = found.end()
        if found["time"]:
            parts.append((_seconds(found["time"]), "second"))
            named += ["hour", "minute", "second"]
        elif found["years"]:
            years = int(found["years"])
            sign = -1 if found["years"].startswith("-") else 1
            parts += [(Fraction(years), "year"), (Fraction(sign * int(found["months"])), "month")]
            named += ["year", "month"]
        else:
            unit = _UNITS.get((found["unit"] or _implied_unit(body, at)).lower())
            if unit is None:
                return []
            parts.append((Fraction(Decimal(found["number"])), unit))
            named.append(unit)
    return parts if len(set(named)) == len(named) else []


def _implied_unit(body: str, at: int) -> str:
    """A bare number is seconds at the end, days before a time."""
    return "second" if not body[at:].strip() else "day"


def _seconds(time: str) -> Fraction:
    hours, minutes, seconds = (*time.lstrip("+-").split(":"), "0")[:3]
    size = Fraction(int(hours) * 3600 + int(minutes) * 60) + Fraction(Decimal(seconds))
    return -size if time.startswith("-") else size


def _span(number: Fraction, unit: str) -> Span:
    """A fraction goes into smaller units: of a month as 30 days, of a day as 24 hours; of a year, to whole months."""
    whole = int(number)
    rest = number - whole
    if unit == "month":
        days, micros = _split_days(rest * 30)
        return Span(whole, days, micros)
    if unit in _MONTHS:
        return Span(whole * _MONTHS[unit] + round(rest * _MONTHS[unit]), 0, 0)
    if unit in _DAYS:
        days, micros = _split_days(rest * _DAYS[unit])
        return Span(0, whole * _DAYS[unit] + days, micros)
    return Span(0, 0, round(number * _MICROS[unit]))


def _split_days(days: Fraction) -> tuple[int, int]:
    whole = int(days)
    return whole, round((days - whole) * 86_400 * _SECOND)
