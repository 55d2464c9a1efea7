"""How many failed log-ins are too many: leaky buckets by address and by user, in tables of bounded size.

Names count whether they exist or not, so being refused tells nothing. Whoever has logged in from an address before is
not shut out of it by others who fail with the name from elsewhere; the address's own bucket holds for all.
"""

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass

MOST_KEYS = 20_000
"""Of each table; what has not been touched for the longest time goes first."""
LONGEST_NAME = 63
"""Characters of a name that are looked at: no role's is longer."""
_IPV6_PREFIX = 64


class Buckets:
    """A bucket for each key: each failure fills it by one, and it drains `most` in `seconds`."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._rate = most / seconds
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, key: str, now: float) -> float:
        """Seconds until it takes another failure; 0 where it does now."""
        return max(0.0, (self._level(key, now) + 1 - self._most) / self._rate)

    def fill(self, key: str, now: float) -> None:
        self._levels[key] = self._level(key, now) + 1, now
        self._levels.move_to_end(key)
        if len(self._levels) > MOST_KEYS:
            self._levels.popitem(last=False)

    def _level(self, key: str, now: float) -> float:
        level, since = self._levels.get(key, (0.0, now))
        return max(0.0, level - (now - since) * self._rate)


@dataclass(frozen=True, slots=True)
class LoginLimits:
    """How many log-ins may fail in so many seconds, from an address (a /64 in IPv6) and as a user; and how long one may
    take."""

    failures_per_address: int = 60
    failures_per_user: int = 20
    window_seconds: float = 60.0
    login_seconds: float = 60.0


class Throttle:
    """`now` is any clock that only goes forward, in seconds."""

    def __init__(self, limits: LoginLimits) -> None:
        self._addresses = Buckets(limits.failures_per_address, limits.window_seconds)
        self._users = Buckets(limits.failures_per_user, limits.window_seconds)
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def wait(self, address: str, user: str, now: float) -> float:
        """Seconds for which this user is not let in from there, whatever it shows; 0 if it is."""
        place, name = _network(address), user[:LONGEST_NAME]
        by_user = 0.0 if (place, name) in self._known else self._users.wait(name, now)
        return max(by_user, self._addresses.wait(place, now))

    def fail(self, address: str, user: str, now: float) -> None:
        """A proof was wrong."""
        self._addresses.fill(_network(address), now)
        self._users.fill(user[:LONGEST_NAME], now)

    def succeed(self, address: str, user: str) -> None:
        """The user has been here."""
        key = _network(address), user[:LONGEST_NAME]
        self._known[key] = None
        self._known.move_to_end(key)
        if len(self._known) > MOST_KEYS:
            self._known.popitem(last=False)


def _network(address: str) -> str:
    """An IPv6 client has a whole /64 to come from."""
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv4Address):
        return address
    return str(found.ipv4_mapped or ipaddress.ip_network((int(found), _IPV6_PREFIX), strict=False))
