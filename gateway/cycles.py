"""Cycles that a client sends again: the same bytes in the same situation are answered the same way, without reading
them message by message.

A cycle is all that a client says up to its Sync, or one simple Query. Drivers and tools repeat theirs, also on each new
connection. One that came in one piece outside a block is learned if every answer in it was known before (descriptions,
the memo of immutable statements), or if it relays one statement to PostgreSQL between such answers, or gives settings
values. What else changes the meaning of later messages is never learned, but for the unnamed statement, which a replay
leaves behind as the cycle did. What one session has learned all know that are alike (`Session.alike`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from gateway.pgwire import messages
from gateway.pgwire.codec import encode, split
from gateway.relay.caches import RecentlyUsed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Iterable

    from gateway.pgwire.door import Door
    from gateway.pgwire.handler import Replay
    from gateway.portal import Portal, PreparedStatement
    from gateway.relay import Flight
    from gateway.result import Repetition
    from gateway.session import Session, Situation
    from planner.parse import Statement

LONGEST = 8 * 1024
"""Bytes of a cycle that may be learned, and of what is known of its answer."""

_KINDS = frozenset(b"QPBDEHS")
"""Types of the messages that a cycle may have, each whole, and none that is read and forgotten."""
_SYNC = encode(messages.Sync())
_READY = encode(messages.ReadyForQuery(b"I"))
_OF_SETTINGS = b"SZ"
"""Types of ParameterStatus and ReadyForQuery."""

Circumstances = tuple["Situation", tuple[int, int]]
"""The session's situation and names: what was learned in others is not looked for."""


class _Relayed(NamedTuple):
    """A statement that PostgreSQL answers anew each time, after `before` was said."""

    before: bytes
    statement: Statement
    again: Repetition


class _Assigned(NamedTuple):
    """Settings that get values, after `before` was said: what of them is reported depends on what the client knows."""

    before: bytes
    values: tuple[tuple[str, str], ...]


class Known(NamedTuple):
    """A cycle's answer, and what it leaves behind: the unnamed statement if it `replaces` that, the text that is shown
    as the latest if it executes one, and the names of the statements that it has `bound`."""

    answer: bytes | _Relayed | _Assigned
    replaces: bool
    unnamed: PreparedStatement | None
    query: str | None
    bound: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes, all texts counted, though some are shared."""
        texts = [self.query or "", *self.bound]
        if isinstance(self.answer, _Relayed):
            texts += self.answer.statement.text, self.answer.again.call.text
        elif isinstance(self.answer, _Assigned):
            texts += (text for value in self.answer.values for text in value)
        said = self.answer if isinstance(self.answer, bytes) else self.answer.before
        described = self.unnamed.row_description if self.unnamed is not None else b""
        return sum(map(len, texts)) + len(said) + len(described)

    def leave(self, session: Session) -> None:
        if self.query is not None:
            session.query = self.query
        if self.replaces:
            session.statements.unnamed = self.unnamed
        for name in self.bound:
            session.count_plan(name)


@dataclass(slots=True)
class _Lesson:
    """A cycle that is answered message by message now, and may be learned. `said` is all of its answer, or what
    followed the rows of what is `anew`; `replaces` says that the unnamed statement is its own."""

    cycle: bytes
    circumstances: Circumstances
    said: list[bytes] = field(default_factory=list)
    size: int = 0
    replaces: bool = False
    executes: bool = False
    ended: bool = False
    anew: _Relayed | _Assigned | None = None
    bound: list[str] = field(default_factory=list)

    def hear(self, content: bytes) -> None:
        """Something is said. Of too long an answer nothing is kept."""
        self.size += len(content)
        if self.size > LONGEST:
            self.said.clear()
        else:
            self.said.append(content)

    def admits(self, message: messages.FrontendMessage) -> bool:
        """Whether the cycle can be learned with this message: it makes or closes nothing that has a name, asks for all
        rows, and uses no unnamed statement that it has not parsed itself."""
        match message:
            case messages.Query():
                self.ended = self.replaces = self.executes = True
            case messages.Execute(max_rows=limit):
                self.executes = True
                return limit <= 0
            case messages.Sync():
                self.ended = True
            case messages.Parse(statement=""):
                self.replaces = True
            case messages.Bind(portal="", statement=name):
                self.bound += [name] if name else []
                return self.replaces or name != ""
            case messages.Describe(kind="S", name=name):
                return self.replaces or name != ""
            case messages.Parse() | messages.Bind() | messages.Close() | messages.FunctionCall():
                return False
        return True


Learned = RecentlyUsed[Known]
"""What the sessions of a gateway have learned, by cycle and by who knows it."""


class Cycles:
    """The cycles of one session. `resume` goes on with a relayed statement that has to be awaited after all, `report`
    gives what the client is to hear of settings."""

    def __init__(
        self,
        session: Session,
        door: Door,
        learned: Learned,
        resume: Callable[[Statement, Flight], Awaitable[None]],
        report: Callable[[], bytes],
    ) -> None:
        self._session = session
        self._door = door
        self._learned = learned
        self._resume = resume
        self._report = report
        self._itself = object()
        self._knowing: Hashable = None
        self._circumstances: Circumstances | None = None
        self._lesson: _Lesson | None = None

    def replay(self, cycle: bytes) -> Replay:
        """See `gateway.pgwire.handler.Handler.replay`."""
        if self._lesson is not None:
            self._learn(self._lesson)
        session = self._session
        if session.block.explicit:
            return None
        circumstances = session.situation, session.names
        if circumstances != self._circumstances:
            self._knowing = session.alike or (self._itself, circumstances)
            self._circumstances = circumstances
        known = self._learned.find((cycle, self._knowing))
        if known is None:
            self._begin_lesson(cycle, circumstances)
            return None
        if isinstance(known.answer, _Relayed):
            return self._launch(known, known.answer)
        known.leave(session)
        if isinstance(known.answer, _Assigned):
            session.variables.assign(known.answer.values)
            return known.answer.before + self._report() + _READY
        return known.answer

    def note(self, message: messages.FrontendMessage) -> None:
        """A message is about to be answered."""
        lesson = self._lesson
        if lesson is None:
            return
        if lesson.ended or not lesson.admits(message):
            self.spoil()

    def relay(self, portal: Portal, rows: bytes) -> None:
        """Writes the whole answer of a portal that PostgreSQL has answered."""
        lesson, statement, again = self._lesson, portal.prepared.statement, portal.repetition
        if lesson is None or lesson.anew or statement is None or statement.immutable or again is None:
            self.spoil()
            self._door.write(rows)
            return
        lesson.anew = _Relayed(b"".join(lesson.said), statement, again)
        self._door.transcribe(None)
        self._door.write(rows)
        lesson.said.clear()
        self._door.transcribe(lesson.hear)

    def assign(self, names: Iterable[str]) -> None:
        """A statement has been answered that has given these settings values, and nothing more."""
        lesson, settings = self._lesson, self._session.settings
        if lesson is None or lesson.anew:
            self.spoil()
            return
        lesson.anew = _Assigned(b"".join(lesson.said), tuple((name, settings[name.lower()]) for name in names))
        lesson.said.clear()

    def spoil(self) -> None:
        """The cycle cannot be learned: an error, or an answer that depends on more than is looked at."""
        if self._lesson is not None:
            self._lesson = None
            self._door.transcribe(None)

    def _begin_lesson(self, cycle: bytes, circumstances: Circumstances) -> None:
        whole = len(cycle) <= LONGEST and split(cycle, 0, _KINDS) == len(cycle)
        if whole and (cycle[:1] == b"Q" or cycle.endswith(_SYNC)):
            self._lesson = _Lesson(cycle, circumstances)
            self._door.transcribe(self._lesson.hear)

    def _learn(self, lesson: _Lesson) -> None:
        """The session is at rest after a cycle."""
        self.spoil()
        session = self._session
        if not lesson.ended or lesson.size > LONGEST or session.block.explicit or not self._ends_as_told(lesson):
            return
        answer = lesson.anew or b"".join(lesson.said)
        unnamed = session.statements.unnamed if lesson.replaces else None
        query = session.query if lesson.executes else None
        known = Known(answer, lesson.replaces, unnamed, query, tuple(lesson.bound))
        self._learned.keep((lesson.cycle, self._knowing), known, len(lesson.cycle) + known.size)

    def _ends_as_told(self, lesson: _Lesson) -> bool:
        """Whether the session is as it was, but for settings that were given values, and nothing was said after what is
        answered anew each time."""
        (version, _, held), names = lesson.circumstances
        version_now, _, held_now = situation = self._session.situation
        if isinstance(lesson.anew, _Assigned):
            others = (version, held, names) == (version_now, held_now, self._session.names)
            return others and all(said[:1] in _OF_SETTINGS for said in lesson.said)
        if (situation, self._session.names) != lesson.circumstances:
            return False
        return lesson.anew is None or lesson.said == [_READY]

    def _launch(self, known: Known, relayed: _Relayed) -> asyncio.Future[Awaitable[None] | None] | None:
        landing: asyncio.Future[Awaitable[None] | None] = asyncio.get_running_loop().create_future()
        flight = self._session.launch(relayed.again, partial(self._land, relayed, landing))
        if flight is None:
            return None
        known.leave(self._session)
        landing.add_done_callback(flight.release)
        return landing

    def _land(self, relayed: _Relayed, landing: asyncio.Future[Awaitable[None] | None], flight: Flight) -> None:
        if landing.done():
            return
        rows = flight.answer()
        if rows is not None:
            self._session.land()
            self._door.write(relayed.before + rows + _READY)
            self._door.flush()  # Whoever waits for the landing has his turn only after others.
            landing.set_result(None)
        else:
            self._door.write(relayed.before)
            landing.set_result(self._resume(relayed.statement, flight))
