"""Which of a session's variables an answer of PostgreSQL's can depend on. It gets all of them, our own too: SHOW and
current_setting know them there. Only those that the gateway keeps to itself it never has.

Everything counts as relevant to a description or an answer except what is known not to: the list is of exceptions, so a
setting that nobody thought of costs a cache hit and never correctness.
"""

from collections.abc import Hashable, Mapping

from catalog.errors import FeatureNotSupported
from catalog.names import quote_identifier
from planner.encodings import single_byte
from planner.session import ENCODING, KEPT, LISTS_OF_NAMES

SESSION_VARIABLE = "lakegate.session"
"""The session's process id, which `lakegate.pg_backend_pid()` reads."""
ENDS_VARIABLE = "lakegate.ends"
"""Where the session's client and the gateway are, in JSON, by the names of the functions that read it."""
SETTINGS_VARIABLE = "lakegate.settings"
"""The session's values of `planner.session.ANSWERED` in JSON, null for one that is not set, which
`lakegate.pg_settings` and `lakegate.current_setting` read."""
IRRELEVANT = frozenset(
    {
        "application_name",
        "client_min_messages",
        "lakegate.dialect",
        "lakegate.ends",
        "lakegate.lane",
        "lakegate.names",
        "lakegate.owners",
        "lakegate.session",
        "lakegate.sessions",
        "lakegate.settings",
        "lock_timeout",
        "statement_timeout",
    }
)
_ROLE = "role"
_FIXED = {"client_encoding": "UTF8", "standard_conforming_strings": "on"}

_MODES = ("default_transaction_isolation", "default_transaction_read_only", "default_transaction_deferrable")

Key = frozenset[tuple[str, str]]


class Settings:
    """The last variables seen, and what of them is relevant; made anew only when they differ."""

    def __init__(self) -> None:
        self.relevant: Key = frozenset()
        self.applied: Mapping[str, str] = {}
        self._source: Mapping[str, str] = {}

    def read(self, variables: Mapping[str, str]) -> None:
        """Takes the variables in force, a mapping that is never changed. `applied` are those that a backend gets, the
        same object while they last."""
        if variables is self._source:
            return
        self._source = variables
        applied = {name: value for name, value in variables.items() if name not in KEPT}
        if single_byte(applied.get(ENCODING, "")) is not None:
            del applied[ENCODING]  # Between us there is UTF-8.
        if applied != self.applied:
            self.applied = applied
            self.relevant = frozenset(item for item in self.applied.items() if item[0] not in IRRELEVANT)


def modes_of(variables: Mapping[str, str]) -> tuple[str | None, ...]:
    """What of the settings a transaction takes over when it begins."""
    return tuple(variables.get(name) for name in _MODES)


def keep_meaningless(variables: Mapping[str, str]) -> Mapping[str, str]:
    """Those that no answer depends on, what a transaction takes over when it begins, and who acts: the backend is not
    to be anybody else in between."""
    return {name: value for name, value in variables.items() if name in IRRELEVANT or name in (*_MODES, _ROLE)}


def set_command(name: str, value: str | None) -> str:
    """SET as a command (None: to the default); empty for lists of names, whose items a command takes one by one."""
    if name.lower() in LISTS_OF_NAMES:
        return ""
    literal = "DEFAULT" if value is None else "'" + value.replace("'", "''") + "'"
    return f"SET {quote_setting(name)} TO {literal}"


def quote_setting(name: str) -> str:
    """The name of a setting, as commands take it."""
    return ".".join(map(quote_identifier, name.split(".")))


def check_variable(name: str, value: str) -> None:
    """Refuses values under which the gateway would read SQL or answers wrongly. `value` is canonical."""
    required = _FIXED.get(name.lower(), value)
    if value != required:
        raise FeatureNotSupported(f'parameter "{name}" cannot be set to "{value}" here', hint=f"Use {required}.")


Scope = tuple[Key, Hashable, int]
"""Relevant settings, catalog version, temp-schema epoch: where a text means the same."""
