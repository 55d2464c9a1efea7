"""The prepared statements of a session, whether Parse or PREPARE made them: one namespace, as in PostgreSQL.

They are no part of a transaction: ROLLBACK leaves them. Reference: PostgreSQL `src/backend/commands/prepare.c`; of how
its plans are counted, `choose_custom_plan` in `src/backend/utils/cache/plancache.c`.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from catalog.errors import DuplicatePreparedStatement, InvalidSqlStatementName, ProgramLimitExceeded
from gateway.portal import PreparedStatement

_CUSTOM_PLANS = 5
"""So many times PostgreSQL plans a statement with parameters for its values, before it takes one plan for all."""


@dataclass(slots=True)
class Named:
    """A prepared statement under a name, and how often PostgreSQL would have planned it either way. `since` is seconds
    since 1970."""

    prepared: PreparedStatement
    from_sql: bool
    since: float = field(default_factory=time.time)
    generic_plans: int = 0
    custom_plans: int = 0

    def count(self, mode: str) -> None:
        """It is bound; `mode` is the setting plan_cache_mode."""
        custom = mode == "force_custom_plan" or (mode == "auto" and self.custom_plans < _CUSTOM_PLANS)
        if custom and self.prepared.description.parameters:
            self.custom_plans += 1
        else:
            self.generic_plans += 1


class Statements:
    """By name; `unnamed` has no name."""

    def __init__(self, most: int) -> None:
        self.unnamed: PreparedStatement | None = None
        self._changes = 0
        self._most = most
        self._named: dict[str, Named] = {}

    @property
    def changes(self) -> int:
        """Grows when what the names mean may have changed; 0 while there are none."""
        return self._changes if self._named else 0

    def store(self, name: str, prepared: PreparedStatement, *, from_sql: bool = False) -> None:
        """Keeps it under a name; the unnamed one is replaced, any other must be new."""
        if not name:
            self.unnamed = prepared
            return
        if name in self._named:
            raise DuplicatePreparedStatement(f'prepared statement "{name}" already exists')
        if len(self._named) >= self._most:
            raise ProgramLimitExceeded("too many prepared statements", hint="Close those that are not needed any more.")
        self._named[name] = Named(replace(prepared, named=True), from_sql)
        self._changes += 1

    def find(self, name: str) -> PreparedStatement | None:
        if not name:
            return self.unnamed
        named = self._named.get(name)
        return None if named is None else named.prepared

    def get(self, name: str) -> PreparedStatement:
        """Raises InvalidSqlStatementName."""
        prepared = self.find(name)
        if prepared is None:
            which = f'prepared statement "{name}"' if name else "unnamed prepared statement"
            raise InvalidSqlStatementName(f"{which} does not exist")
        return prepared

    def count(self, name: str, mode: str) -> None:
        """That of the name is bound; see `Named.count`."""
        if name in self._named:
            self._named[name].count(mode)

    def forget(self, name: str) -> bool:
        """Drops one; whether there was one."""
        if not name:
            self.unnamed = None
            return True
        self._changes += 1
        return self._named.pop(name, None) is not None

    def clear(self) -> None:
        """Drops all that have names."""
        self._changes += 1
        self._named.clear()

    def named(self) -> Iterator[tuple[str, Named]]:
        yield from self._named.items()
