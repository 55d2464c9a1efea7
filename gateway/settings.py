"""Validating what a client sets: the gateway's own settings here, PostgreSQL's by PostgreSQL.

PostgreSQL's verdict on a name and value is remembered for the gateway, so that the usual settings of a driver cost no
round trip at log-in.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from catalog.errors import FeatureNotSupported, InvalidName, InvalidParameterValue, UndefinedObject
from gateway.roles import AUTHORIZATION, NONE, ROLE
from gateway.route import WAREHOUSE, WORKSPACE, split_options
from planner.encodings import clean_encoding, single_byte
from planner.plan import Dialect, Lane

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.session import Session

OWN: dict[str, tuple[str, ...]] = {
    "lakegate.dialect": tuple(Dialect),
    "lakegate.lane": ("auto", *Lane),
}
"""The gateway's own settings and the values that they take; the first is what a session starts with."""

_OF_TRANSACTIONS = frozenset({"transaction_isolation", "transaction_read_only", "transaction_deferrable"})
_WRITE_ONLY = frozenset({"seed"})
"""Settings that PostgreSQL does not show: the value is kept as it was given."""
_KEEPALIVES = "tcp_keepalives_"
"""What settings of the client's socket begin with: PostgreSQL would tell of its own socket."""
_PLPGSQL = "plpgsql."
_OF_PLPGSQL = frozenset({"check_asserts", "extra_errors", "extra_warnings", "print_strict_params", "variable_conflict"})
"""PostgreSQL takes any name that begins so until the backend has run a function in that language. Which of a role's
has, no session knows."""
_NO_SETTINGS = frozenset({"user", "database", "options", "replication", WORKSPACE, WAREHOUSE})
"""What a start-up packet says beside settings."""
_ENCODINGS = {"utf8": "UTF8", "unicode": "UTF8", "sqlascii": "SQL_ASCII"}
"""Of the client, by PostgreSQL's names of them. Under SQL_ASCII it does not convert either, and takes UTF-8 alone."""
_KEEPALIVE_HINT = "Write a whole number; 0 is what the system does by itself."
_LONGEST_NAME = 63
_MOST_REMEMBERED = 4096
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")


class Verdicts:
    """The canonical values that PostgreSQL has given, by name and value. Bounded: a full one starts anew."""

    def __init__(self) -> None:
        self._canonical: dict[tuple[str, str | None, str], str] = {}

    async def validate(self, session: Session, name: str, value: str) -> tuple[str, str]:
        """What a setting comes to: its name, and the value in canonical form. SET SESSION AUTHORIZATION to oneself
        comes to SET ROLE NONE. Raises SqlError for what cannot be set, or not to that."""
        if name.lower() == AUTHORIZATION:
            await session.roles.admit_authorization(value)
            return ROLE, NONE
        return name, await self._canonicalize(session, name, value)

    async def _canonicalize(self, session: Session, name: str, value: str) -> str:
        key = name.lower()
        _check_name(name)
        if key in _OF_TRANSACTIONS:
            raise FeatureNotSupported(f'parameter "{name}" belongs to a transaction', hint="Use SET TRANSACTION.")
        if key == ROLE:
            return await session.roles.admit(value)
        if key in OWN:
            return _check_own(key, value)
        if key == "client_encoding":
            return _check_encoding(value)
        if key == "application_name":
            return _UNPRINTABLE.sub(_escape, value.encode()[:_LONGEST_NAME].decode(errors="ignore"))
        if key.startswith(_KEEPALIVES) and not value.strip().isdecimal():
            raise InvalidParameterValue(f'invalid value for parameter "{name}": "{value}"', hint=_KEEPALIVE_HINT)
        canonical = await self._ask(session, name, value)
        return value.strip() if key in _WRITE_ONLY or key.startswith(_KEEPALIVES) else canonical

    def admit_assignment(self, name: str) -> None:
        """Refuses what set_config() may not set: who has logged in, and how a transaction runs."""
        _check_name(name)
        if name.lower() == AUTHORIZATION or name.lower() in _OF_TRANSACTIONS:
            raise FeatureNotSupported(f"set_config() cannot set {name}", hint=f"Use SET {name}.")

    async def admit_reset(self, session: Session, name: str) -> str:
        """The setting that is to be reset. Raises SqlError for what cannot be."""
        _check_name(name)
        key = name.lower()
        if key in (ROLE, AUTHORIZATION):
            return ROLE
        if key not in OWN:
            await self._ask(session, name, None)
        return name

    async def _ask(self, session: Session, name: str, value: str | None) -> str:
        """PostgreSQL's verdict. One on a DateStyle depends on the style before, of which it may name a part."""
        key = name.lower()
        before = session.variables.effective.get(key, "") if key == "datestyle" else ""
        known = self._canonical.get((key, value, before))
        if known is None:
            known = await session.relay.set_variable(name, value, session.variables.effective)
            if len(self._canonical) >= _MOST_REMEMBERED:
                self._canonical.clear()
            self._canonical[key, value, before] = known
        return known


def startup_settings(parameters: Mapping[str, str]) -> dict[str, str]:
    """All settings that a session starts with: our own, and what its start-up packet asks for. Not validated yet."""
    own = {name: values[0] for name, values in OWN.items()}
    asked = {**dict(split_options(parameters.get("options", ""))), **parameters}
    return {**own, **{name: value for name, value in asked.items() if name not in _NO_SETTINGS}}


def _check_name(name: str) -> None:
    if name.lower().startswith("lakegate.") and name.lower() not in OWN:
        raise UndefinedObject(f'unrecognized configuration parameter "{name}"', hint=f"There are: {', '.join(OWN)}.")
    if name.lower().startswith(_PLPGSQL) and name.lower().removeprefix(_PLPGSQL) not in _OF_PLPGSQL:
        raise InvalidName(f'invalid configuration parameter name "{name}"', detail='"plpgsql" is a reserved prefix.')


def _escape(found: re.Match[str]) -> str:
    return "".join(f"\\x{byte:02x}" for byte in found[0].encode())


def _check_own(name: str, value: str) -> str:
    if value not in OWN[name]:
        raise InvalidParameterValue(
            f'invalid value for parameter "{name}": "{value}"', hint=f"Available values: {', '.join(OWN[name])}."
        )
    return value


def _check_encoding(value: str) -> str:
    encoding = _ENCODINGS.get(clean_encoding(value)) or single_byte(value)
    if encoding is None:
        raise InvalidParameterValue(
            f'client encoding "{value}" is not supported', hint="Connect with client_encoding=UTF8."
        )
    return encoding
