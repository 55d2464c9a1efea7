"""The settings of one session. They are the truth: PostgreSQL's backends and the engines get them, never the reverse.

Values are canonical, as PostgreSQL spells them after validating. Names are compared without case. SET is undone by
ROLLBACK, and by ROLLBACK TO a savepoint before it; SET LOCAL also by the end of the block. Reference: PostgreSQL
documentation, SET.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

REPORTED = (
    "application_name",
    "client_encoding",
    "DateStyle",
    "default_transaction_read_only",
    "in_hot_standby",
    "integer_datetimes",
    "IntervalStyle",
    "is_superuser",
    "scram_iterations",
    "search_path",
    "server_encoding",
    "server_version",
    "session_authorization",
    "standard_conforming_strings",
    "TimeZone",
)
"""What ParameterStatus reports (PostgreSQL protocol, "Asynchronous Operations")."""

_LASTING = frozenset({"role"})
"""What RESET ALL leaves as it is."""
_SECONDS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_REPORTED_BY_NAME = {name.lower(): name for name in REPORTED}


class Mark(NamedTuple):
    """What was set at one moment, for the session and for the block (None: the default). Never changed."""

    session: Mapping[str, str]
    local: Mapping[str, str | None]


class Variables(Mapping[str, str]):
    """What differs from the server's defaults, by lower-case name. `defaults` are the server's for this user.

    `epoch` changes with every change, for keys of caches.
    """

    def __init__(self, defaults: Mapping[str, str]) -> None:
        self._defaults = {name.lower(): value for name, value in defaults.items()}
        self._at_start: Mapping[str, str] = {}
        self._session: Mapping[str, str] = {}
        self._saved: Mapping[str, str] | None = None
        self._local: Mapping[str, str | None] = {}
        self._sent: dict[str, str] = {}
        self.effective: Mapping[str, str] = MappingProxyType({})
        self.epoch = 0
        self._reported_epoch = -1

    def __getitem__(self, name: str) -> str:
        return self.effective[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self.effective)

    def __len__(self) -> int:
        return len(self.effective)

    def current(self, name: str) -> str:
        """The value in force, default or not. Raises KeyError for a name that is neither set nor reported."""
        key = name.lower()
        return self.effective[key] if key in self.effective else self._defaults[key]

    def shown(self, name: str) -> str:
        """The value of a setting that is 0 where it is neither set nor reported."""
        key = name.lower()
        return self.effective.get(key, self._defaults.get(key, "0"))

    def start(self, values: Mapping[str, str]) -> None:
        """The start-up packet's settings, which RESET goes back to."""
        self._at_start = {name.lower(): value for name, value in values.items()}
        self._session = self._at_start
        self._refresh()

    def set(self, name: str, value: str | None, *, local: bool = False) -> None:
        """SET, until the session's end or, if `local`, the block's; undone when the block is not committed.

        None: to the start-up value.
        """
        self._save()
        key = name.lower()
        chosen = self._at_start.get(key) if value is None else value
        if local:
            self._local = {**self._local, key: chosen}
        else:
            others = {other: kept for other, kept in self._session.items() if other != key}
            self._session = others if chosen is None else {**others, key: chosen}
            self._local = {other: kept for other, kept in self._local.items() if other != key}
        self._refresh()

    def assign(self, values: Iterable[tuple[str, str]]) -> None:
        """SET of each, outside a block."""
        for name, value in values:
            self.set(name, value)
        self.end(commit=True)

    def reset(self, name: str | None) -> None:
        """Back to the start-up value; None does so for all that RESET ALL resets."""
        if name is not None:
            self.set(name, None)
            return
        self._save()
        others = {other: value for other, value in self._at_start.items() if other not in _LASTING}
        self._session = others | {other: kept for other, kept in self._session.items() if other in _LASTING}
        self._local = {other: kept for other, kept in self._local.items() if other in _LASTING}
        self._refresh()

    def mark(self) -> Mark:
        """What is set now, for `go_back`."""
        return Mark(self._session, self._local)

    def go_back(self, mark: Mark) -> None:
        """All that was set since is undone."""
        if mark != (self._session, self._local):
            self._session, self._local = mark
            self._refresh()

    def undo(self, savepoint: Mark | None) -> None:
        """A statement failed: all that was set since the latest savepoint is undone, or since the block began."""
        if savepoint is None:
            self.end(commit=False)
        else:
            self.go_back(savepoint)

    def end(self, *, commit: bool) -> None:
        """The block ends: SET LOCAL is over, and without commit what was set or reset in it is undone."""
        undone = self._saved is not None and not commit
        if self._saved is not None and not commit:
            self._session = self._saved
        self._saved = None
        if self._local or undone:
            self._local = {}
            self._refresh()

    @property
    def pending(self) -> bool:
        """Whether the end of a block, or a report to the client, has anything to do."""
        return self._saved is not None or bool(self._local) or self._reported_epoch != self.epoch

    def unreported(self) -> list[tuple[str, str]]:
        """The reported settings that the client has not heard of, in ParameterStatus's spelling; it has after
        this."""
        fresh = []
        self._reported_epoch = self.epoch
        for key, name in _REPORTED_BY_NAME.items():
            value = self.effective.get(key, self._defaults.get(key))
            if value is not None and self._sent.get(key) != value:
                self._sent[key] = value
                fresh.append((name, value))
        return fresh

    def _save(self) -> None:
        if self._saved is None:
            self._saved = self._session

    def _refresh(self) -> None:
        chosen = {**self._session, **self._local}
        self.effective = MappingProxyType({name: value for name, value in chosen.items() if value is not None})
        self.epoch += 1


def read_duration(value: str, unit: str = "ms") -> float | None:
    """Seconds of a setting that counts in `unit`, as PostgreSQL spells it (``250ms``, ``1min``); None for 0."""
    number, written = value.rstrip("abcdefghijklmnopqrstuvwxyz"), value.lstrip("0123456789")
    return int(number) * _SECONDS[written or unit] if int(number) else None


@lru_cache(maxsize=256)
def split_search_path(value: str, user: str) -> tuple[str, ...]:
    """The schemas of a search_path in order: folded, unquoted, with ``$user`` put in.

    Reference: PostgreSQL's SplitIdentifierString.
    """
    schemas = []
    for item in _split_list(value):
        name = item[1:-1].replace('""', '"') if item.startswith('"') and item.endswith('"') else item.lower()
        schemas.append(user if name == "$user" else name)
    return tuple(schemas)


def _split_list(value: str) -> Iterator[str]:
    item, quoted = "", False
    for character in value:
        if character == "," and not quoted:
            yield item.strip()
            item = ""
            continue
        quoted ^= character == '"'
        item += character
    if item.strip():
        yield item.strip()
