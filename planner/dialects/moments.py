"""to_date() and to_timestamp() of constants: a text is read by its pattern once, as the statement is planned."""

import datetime
import re

from catalog.errors import DatetimeFieldOverflow
from planner.dialects.expression import Unverified

_PARTS = {
    "YYYY": r"(?P<YYYY>\d{4})",
    "MM": r"(?P<MM>\d{2})",
    "DD": r"(?P<DD>\d{2})",
    "HH24": r"(?P<HH24>\d{2})",
    "MI": r"(?P<MI>\d{2})",
    "SS": r"(?P<SS>\d{2})",
    "US": r"(?P<US>\d{6})",
}
_DAY = ("YYYY", "MM", "DD")
_CLOCK = ("HH24", "MI", "SS", "US")
_PIECES = re.compile(rf"{'|'.join(_PARTS)}|.", re.DOTALL)
_SEPARATORS = "-/:. "


def read_moment(text: str, pattern: str) -> str:
    """The moment that PostgreSQL reads, as a literal in ISO order.

    Every part has all its digits, with the pattern's own separators between. Raises `Unverified` for all else that
    PostgreSQL takes, and `DatetimeFieldOverflow` for a day that never was.
    """
    pieces = _PIECES.findall(pattern)
    parts = [piece for piece in pieces if piece not in _SEPARATORS]
    if len(set(parts)) != len(parts) or not set(_DAY) <= set(parts) <= _PARTS.keys():
        raise Unverified(f"dates are not read by the pattern '{pattern}' on lakehouse tables")
    found = re.fullmatch("".join(_PARTS.get(piece, re.escape(piece)) for piece in pieces), text, re.ASCII)
    if found is None:
        raise Unverified(f"'{text}' is not read by the pattern '{pattern}' on lakehouse tables")
    values = found.groupdict(default="0")
    try:
        year, month, day, hour, minute, second, micros = (int(values.get(part, "0")) for part in _DAY + _CLOCK)
        moment = datetime.datetime(year, month, day, hour, minute, second, micros)
    except ValueError as error:
        raise DatetimeFieldOverflow(f'date/time field value out of range: "{text}"') from error
    return moment.isoformat(sep=" ")
