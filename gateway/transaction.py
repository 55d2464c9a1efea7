"""The transaction block of a session: its status byte, its savepoints, what may run in it, and the versions it has
pinned.

Statements outside BEGIN … COMMIT belong to an implicit block: one simple Query, or all up to Sync. Both kinds read
each table at one version. Reference: PostgreSQL protocol, "Multiple Statements in a Simple Query" and "Pipelining".
"""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from catalog.errors import (
    ActiveSqlTransaction,
    FeatureNotSupported,
    InFailedSqlTransaction,
    InvalidSavepointSpecification,
    ProgramLimitExceeded,
    ReadOnlySqlTransaction,
)
from planner.plan import Modes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping
    from datetime import datetime

    from catalog.definitions import Definitions
    from catalog.names import TableName
    from gateway.draft import Draft
    from gateway.draft import Mark as DraftMark
    from gateway.variables import Mark

MOST_SAVEPOINTS = 10_000
"""In one block: a driver that never releases has one a statement."""


@dataclass(frozen=True, slots=True)
class Point:
    """What ROLLBACK TO goes back to: the settings and modes there were at a savepoint, and what the block had written,
    by where the tables lie."""

    name: str
    settings: Mark
    modes: Modes
    drafts: Mapping[str, DraftMark]


class Block:
    """The state of one session's transaction. `status` is what ReadyForQuery shows: I, T or E.

    `since` is when an explicit block began, in seconds since 1970. `implicit` says that several statements share the
    block without BEGIN, `begun` that PostgreSQL knows of that, and `doomed` that one has failed after a write.
    `goes_on` asks whether the client has more to say before the block ends. `drafts` are the tables that the block
    writes, by where they lie, and `definitions` what it has changed of these, None where that is nothing. `turns` are
    tables that it keeps from other writers beside, by `held`, to its end. `points` are the savepoints in the order in
    which they were set; of two with a name the later one counts. `now` is the block's start, None until somebody has
    asked for it.
    """

    def __init__(self) -> None:
        self.end()

    def end(self) -> None:
        """COMMIT, ROLLBACK, or the end of an implicit block."""
        self.explicit = False
        self.since: float | None = None
        self.implicit = False
        self.goes_on: Callable[[], Awaitable[bool]] | None = None
        self.failed = self.doomed = self.begun = False
        self.modes = Modes()
        self.points: list[Point] = []
        self.now: datetime | None = None
        self.pinned: dict[str, int] = {}
        self.drafts: dict[str, Draft] = {}
        self.definitions: Definitions | None = None
        self.held = AsyncExitStack()
        self.turns: set[TableName] = set()
        self._parted = False

    @property
    def changes(self) -> bool:
        """Whether anything of it is still to be committed, beside what PostgreSQL has of an explicit block."""
        return bool(self.drafts) or self.begun or self.definitions is not None

    @property
    def made(self) -> Collection[str]:
        """The folders of the tables that the block has made."""
        return () if self.definitions is None else self.definitions.made

    @property
    def shared(self) -> bool:
        """Whether what one statement opens in it another can use."""
        return self.explicit or self.implicit

    @property
    def status(self) -> bytes:
        if not self.explicit:
            return b"I"
        return b"E" if self.failed else b"T"

    @property
    def depth(self) -> int:
        """How many savepoints there are; what has a greater one than a savepoint's place was made after it."""
        return len(self.points)

    @property
    def latest(self) -> Mark | None:
        """The settings at the latest savepoint, if there is one."""
        return self.points[-1].settings if self.points else None

    def begin(self, modes: Modes) -> None:
        """BEGIN; keeps what the implicit block has pinned, as PostgreSQL does."""
        self.explicit = True
        self.since = time.time()
        self.modes = modes

    def admit_modes(self, modes: Modes) -> None:
        """Refuses what PostgreSQL refuses below a savepoint, and once a query has run; of those that it has answered
        it knows itself. Raises ActiveSqlTransaction."""
        if modes.isolation not in (None, self.modes.isolation) and (self.pinned or self.points):
            when = "be called before any query" if self.pinned else "not be called in a subtransaction"
            raise ActiveSqlTransaction(f"SET TRANSACTION ISOLATION LEVEL must {when}")
        if self.modes.read_only and modes.read_only is False and self.pinned:
            raise ActiveSqlTransaction("transaction read-write mode must be set before any query")
        if modes.deferrable is not None and (self.pinned or self.points):
            when = "cannot be called within a subtransaction" if self.points else "must be called before any query"
            raise ActiveSqlTransaction(f"SET TRANSACTION [NOT] DEFERRABLE {when}")

    def save(self, name: str, settings: Mark) -> None:
        """SAVEPOINT."""
        if len(self.points) >= MOST_SAVEPOINTS:
            raise ProgramLimitExceeded("too many savepoints", hint="RELEASE those that are not needed any more.")
        marks = {location: draft.mark() for location, draft in self.drafts.items()}
        self.points.append(Point(name, settings, self.modes, marks))

    def find(self, name: str) -> int:
        """The place of the latest savepoint of that name. Raises InvalidSavepointSpecification."""
        for place in reversed(range(len(self.points))):
            if self.points[place].name == name:
                return place
        raise InvalidSavepointSpecification(f'savepoint "{name}" does not exist')

    def release(self, place: int) -> None:
        """That savepoint is forgotten, and those after it."""
        del self.points[place:]

    def go_back(self, place: int) -> Point:
        """The block is as it was at that savepoint, which stays; those after it do not."""
        del self.points[place + 1 :]
        self.failed = False
        self.modes = self.points[place].modes
        return self.points[place]

    def fail(self) -> None:
        """An error happened: an explicit block accepts nothing but its end from now on, and an implicit one is not
        committed."""
        self.failed = self.explicit
        self.doomed = not self.explicit and self.changes

    def admit(self, *, ends_block: bool) -> None:
        """Refuses statements in a failed block. Raises InFailedSqlTransaction; the client should send ROLLBACK."""
        if self.failed and not ends_block:
            raise InFailedSqlTransaction(
                "current transaction is aborted, commands ignored until end of transaction block"
            )

    def admit_write(self, tag: str, *, read_only: bool) -> None:
        """Refuses writes in a read-only block, and after what has committed by itself; `tag` is the write's command
        tag. Raises ReadOnlySqlTransaction, FeatureNotSupported."""
        if read_only:
            raise ReadOnlySqlTransaction(f"cannot execute {tag.removesuffix(' 0')} in a read-only transaction")
        if self._parted:
            raise _refuse_company()

    def admit_alone(self, *, alone: bool) -> None:
        """Refuses what commits by itself where it could not be undone with the block. `alone` says that the statement
        is in none. Raises FeatureNotSupported."""
        if self.explicit:
            raise FeatureNotSupported(
                "changes of roles inside a transaction block are not supported",
                hint="Run the statement outside BEGIN … COMMIT; it is atomic by itself.",
            )
        if not alone:
            raise _refuse_company()
        self._parted = True


def _refuse_company() -> FeatureNotSupported:
    return FeatureNotSupported(
        "a change of roles must be the last write of an implicit transaction block",
        hint="Send the statements one by one, with a Sync after each.",
    )
