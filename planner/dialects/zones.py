"""Time zones: those that the engines know as PostgreSQL does, and what a local time means in them.

Local times that come twice, or never, are PostgreSQL's: of two moments the later one, and where clocks are put forward
the time that would have been without. Reference: `DetermineTimeZoneOffset` in `src/backend/utils/adt/datetime.c`.
"""

import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from planner.dialects.expression import Unverified

UTC = frozenset({"UTC", "Etc/UTC", "GMT", "Z", "utc"})
_DISPUTED = frozenset(
    {
        "Africa/Casablanca", "Africa/El_Aaiun", "America/Edmonton", "America/Vancouver", "America/Yellowknife",
        "Canada/Mountain", "Canada/Pacific",
    }
)  # fmt: skip
"""Their rules were changed of late, so that who knows them depends on a release."""
_HINT = "SET TimeZone to a name such as Europe/Berlin, or to UTC."


def check_zone(name: str) -> str:
    """The name, if the engines read it as PostgreSQL does. Raises `Unverified`."""
    if name in UTC:
        return "UTC"
    if "/" not in name or name in _DISPUTED or find_zone(name) is None:
        raise Unverified(f'the time zone "{name}" is not supported on lakehouse tables', hint=_HINT)
    return name


@lru_cache(maxsize=64)
def find_zone(name: str) -> ZoneInfo | None:
    """None for one that has no rules of that name, such as an offset."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def place(local: datetime.datetime, name: str) -> datetime.datetime:
    """The moment of a local time. Raises `Unverified`."""
    zone = find_zone(check_zone(name))
    assert zone is not None, "a zone that was checked"
    return max((local.replace(tzinfo=zone, fold=fold) for fold in (0, 1)), key=datetime.datetime.timestamp)
