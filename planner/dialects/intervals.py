"""PostgreSQL's interval literals, read into months, days and microseconds.

The traditional forms are read: ``1 year 2 mons 3 days 04:05:06.7``, ``1-2``, ``90`` with a field, and ``ago``. ISO 8601
forms are refused. Reference: PostgreSQL "Interval Input" and `DecodeInterval`.
"""

import re

from planner.dialects.expression import Unverified
from planner.dialects.spelling import Span

_SECOND = 1_000_000
_UNITS: dict[str, tuple[str, int]] = {
    "millennium": ("months", 12_000), "century": ("months", 1200), "decade": ("months", 120), "year": ("months", 12),
    "y": ("months", 12), "yr": ("months", 12), "month": ("months", 1), "mon": ("months", 1), "week": ("days", 7),
    "w": ("days", 7), "day": ("days", 1), "d": ("days", 1), "hour": ("microseconds", 3600 * _SECOND),
    "h": ("microseconds", 3600 * _SECOND), "hr": ("microseconds", 3600 * _SECOND),
    "minute": ("microseconds", 60 * _SECOND), "m": ("microseconds", 60 * _SECOND),
    "min": ("microseconds", 60 * _SECOND), "second": ("microseconds", _SECOND), "s": ("microseconds", _SECOND),
    "sec": ("microseconds", _SECOND), "millisecond": ("microseconds", 1000), "ms": ("microseconds", 1000),
    "microsecond": ("microseconds", 1), "us": ("microseconds", 1),
}  # fmt: skip
_FIELDS = {4: "year", 2: "month", 8: "day", 1024: "hour", 2048: "minute", 4096: "second"}
_TOKEN = re.compile(
    r"\s*(?:(?P<sign>[+-])?(?P<clock>\d+:\d{1,2}(?::\d{1,2}(?:\.\d{1,6})?)?)"
    r"|(?P<yearmonth>[+-]?\d+-\d{1,2})|(?P<number>[+-]?\d+(?:\.\d+)?)\s*(?P<unit>[a-z]+)?|(?P<ago>ago))"
)


def parse_interval(text: str, field: int | None = None) -> Span:
    """`field` is the mask of ``INTERVAL '…' DAY`` (its typmod), which names a bare number's unit.

    Raises `Unverified` for a form that is not read here; PostgreSQL has accepted or refused the text before.
    """
    total = {"months": 0, "days": 0, "microseconds": 0}
    lowered, position = text.lower().strip(), 0
    while position < len(lowered):
        match = _TOKEN.match(lowered, position)
        if not match:
            raise Unverified(f'interval "{text}" is written in a form that is not supported')
        position = match.end()
        if match["ago"]:
            total = {unit: -amount for unit, amount in total.items()}
        else:
            for unit, amount in _amounts(match, text, _FIELDS.get(field or 0, "second")):
                total[unit] += amount
    return Span(**total)


def _amounts(match: re.Match[str], text: str, bare: str) -> list[tuple[str, int]]:
    if match["clock"]:
        hours, minutes, *rest = match["clock"].split(":")
        seconds = int(hours) * 3600 + int(minutes) * 60
        amount = seconds * _SECOND + _fraction(rest[0] if rest else "0")
        return [("microseconds", -amount if match["sign"] == "-" else amount)]
    if match["yearmonth"]:
        negative = match["yearmonth"].startswith("-")
        years, months = match["yearmonth"].lstrip("+-").split("-")
        amount = int(years) * 12 + int(months)
        return [("months", -amount if negative else amount)]
    word = match["unit"] or bare
    unit = _UNITS.get(word) or _UNITS.get(word.removesuffix("s")) or _UNITS.get({"centuries": "century"}.get(word, ""))
    if unit is None:
        raise Unverified(f'interval "{text}" is written in a form that is not supported')
    if "." not in match["number"]:
        return [(unit[0], int(match["number"]) * unit[1])]
    if unit[0] != "microseconds":
        raise Unverified("fractions of days and months in an interval are not supported")
    return [("microseconds", round(float(match["number"]) * unit[1]))]


def _fraction(seconds: str) -> int:
    whole, _, fraction = seconds.partition(".")
    return int(whole) * _SECOND + int(fraction.ljust(6, "0") or 0)
