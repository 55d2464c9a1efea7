"""Validating what a client sets: the gateway's own settings here, PostgreSQL's by PostgreSQL.

PostgreSQL's verdict on a name and value is remembered for the gateway, so that the usual settings of a driver cost no
round trip at log-in.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from catalog.errors import FeatureNotSupported, InvalidParameterValue, SqlSyntaxError, UndefinedObject
from planner.plan import Dialect, Lane

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gateway.session import Session

OWN: dict[str, tuple[str, ...]] = {
    "lakegate.dialect": tuple(Dialect),
    "lakegate.lane": ("auto", *Lane),
}
"""The gateway's own settings and the values that they take; the first is what a session starts with."""

REFUSED = frozenset({"role", "session_authorization"})
_UTF8 = frozenset({"utf8", "utf-8", "unicode"})
_LONGEST_NAME = 63
_MOST_REMEMBERED = 4096
_OPTION = re.compile(r"(?:\\.|[^\s\\])+")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")
_ASSIGNMENT = re.compile(r"(?:-c|--)([^=]+)=(.*)", re.DOTALL)


class Verdicts:
    """The canonical values that PostgreSQL has given, by name and value. Bounded: a full one starts anew."""

    def __init__(self) -> None:
        self._canonical: dict[tuple[str, str], str] = {}

    async def validate(self, session: Session, name: str, value: str) -> str:
        """The value in canonical form. Raises SqlError for what cannot be set, or not to that."""
        key = name.lower()
        if key in REFUSED:
            raise FeatureNotSupported(f'parameter "{name}" cannot be changed', hint="Log in as that role instead.")
        if key in OWN:
            return _check_own(key, value)
        if key.startswith("lakegate."):
            raise UndefinedObject(
                f'unrecognized configuration parameter "{name}"', hint=f"There are: {', '.join(OWN)}."
            )
        if key == "client_encoding":
            return _check_encoding(value)
        if key == "application_name":
            return _UNPRINTABLE.sub(_escape, value.encode()[:_LONGEST_NAME].decode(errors="ignore"))
        remembered = self._canonical.get((key, value))
        if remembered is None:
            remembered = await session.relay.set_variable(name, value, session.variables.effective)
            if len(self._canonical) >= _MOST_REMEMBERED:
                self._canonical.clear()
            self._canonical[key, value] = remembered
        return remembered


def split_options(options: str) -> Iterator[tuple[str, str]]:
    """The settings in the start-up packet's ``options``: ``-c name=value`` and ``--name=value``.

    White space separates, a backslash escapes. Raises SqlSyntaxError for anything else. Reference: `pg_split_opts`.
    """
    words = [re.sub(r"\\(.)", r"\1", word) for word in _OPTION.findall(options)]
    joined = iter(words)
    for word in joined:
        switch = word + next(joined, "") if word == "-c" else word
        match = _ASSIGNMENT.fullmatch(switch)
        if match is None:
            raise SqlSyntaxError(f"invalid command-line argument for server process: {word}", hint="Use -c name=value.")
        yield match[1].replace("-", "_"), match[2]


def startup_settings(parameters: Mapping[str, str]) -> dict[str, str]:
    """All settings that a session starts with: our own, and what its start-up packet asks for. Not validated yet."""
    own = {name: values[0] for name, values in OWN.items()}
    plain = {
        name: value for name, value in parameters.items() if name not in ("user", "database", "options", "replication")
    }
    return {**own, **dict(split_options(parameters.get("options", ""))), **plain}


def _escape(found: re.Match[str]) -> str:
    return "".join(f"\\x{byte:02x}" for byte in found[0].encode())


def _check_own(name: str, value: str) -> str:
    if value not in OWN[name]:
        raise InvalidParameterValue(
            f'invalid value for parameter "{name}": "{value}"', hint=f"Available values: {', '.join(OWN[name])}."
        )
    return value


def _check_encoding(value: str) -> str:
    if value.strip("'").lower() not in _UTF8:
        raise InvalidParameterValue(
            f'client encoding "{value}" is not supported', hint="Connect with client_encoding=UTF8."
        )
    return "UTF8"
