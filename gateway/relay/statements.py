"""The prepared statements that live on one backend: names by text, the least recently used leaving first.

A statement is prepared again, under a new name, whenever its meaning could have changed: `scope` in its key holds the
settings, the catalog's version and the temp-schema epoch, so PostgreSQL never meets a result type that is not the one
it planned. Literals that PostgreSQL reads at Parse and that name the present ('now', 'today') are never kept. Nor is,
within a transaction, what PostgreSQL makes a constant of when it plans: the transaction may see the control tables as
they were, and the version in the key is today's.
"""

import re
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field

PRESENT = re.compile(r"\b(?:now|today|tomorrow|yesterday)\b(?!\s*\()", re.IGNORECASE)
"""Words that datetime input reads as the moment of reading; ``now()`` is a function and evaluated at each execution."""
_PLANNED = "lakegate.held("
"""What the planner writes for a question that is answered from the control tables when a statement is planned."""

_CUSTOM_PLANS = 5

StatementKey = tuple[str, tuple[int, ...], Hashable]
"""Text, parameter types, scope."""


@dataclass(slots=True)
class NamedStatement:
    """One statement's name on the backend, how often it was executed, and ready requests that execute it, by result
    formats."""

    name: str
    uses: int = 0
    requests: dict[tuple[int, ...], bytes] = field(default_factory=dict)

    @property
    def worn(self) -> bool:
        """Whether PostgreSQL may take one plan for all values from now on (`choose_custom_plan` in `plancache.c`)."""
        return self.uses >= _CUSTOM_PLANS


UNNAMED = NamedStatement("")
"""For texts that are not worth keeping or must not be kept."""


class NamedStatements:
    """Bounded by `most`; names are never used twice, so one that is lost on the backend cannot be mistaken.

    Texts longer than `longest` characters are not kept.
    """

    def __init__(self, most: int, longest: int) -> None:
        self._most = most
        self._longest = longest
        self._made = 0
        self._known: OrderedDict[StatementKey, NamedStatement] = OrderedDict()

    def find(self, key: StatementKey) -> NamedStatement | None:
        known = self._known.get(key)
        if known is not None:
            self._known.move_to_end(key)
        return known

    def add(self, key: StatementKey, *, goes_on: bool = False) -> tuple[NamedStatement, str]:
        """A new name, and the name to close, of the same statement or to make room; `UNNAMED` for what is not to be
        kept. `goes_on`: in a transaction that is more than this statement."""
        if len(key[0]) > self._longest or PRESENT.search(key[0]) or (goes_on and _PLANNED in key[0]):
            return UNNAMED, ""
        gone = self._known.pop(key, None)
        if gone is None and len(self._known) >= self._most:
            _, gone = self._known.popitem(last=False)
        evicted = "" if gone is None else gone.name
        self._made += 1
        statement = self._known[key] = NamedStatement(f"lakegate_{self._made}")
        return statement, evicted

    def forget(self, key: StatementKey) -> None:
        self._known.pop(key, None)

    def clear(self) -> None:
        self._known.clear()
