"""Cycles that a client sends again: the same bytes in the same situation are answered the same way, without reading
them message by message.

A cycle is all that a client says up to its Sync, or one simple Query. Drivers and tools repeat theirs. One that came in
one piece outside a block is learned if every answer in it was known before (descriptions, the memo of immutable
statements), or if it relays one statement to PostgreSQL between such answers. What changes the meaning of later
messages is never learned, but for the unnamed statement, which a replay leaves behind as the cycle did.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from gateway.pgwire import messages
from gateway.pgwire.codec import encode
from gateway.relay.caches import RecentlyUsed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gateway.pgwire.door import Door
    from gateway.pgwire.handler import Replay
    from gateway.portal import Portal, PreparedStatement
    from gateway.relay import Call, Flight, RelayPortal
    from gateway.session import Session, Situation
    from planner.parse import Statement

MOST_BYTES = 128 * 1024
"""What a session remembers: cycles and what is known of their answers."""
LONGEST = 8 * 1024
"""Bytes of a cycle that may be learned."""

_SYNC = encode(messages.Sync())
_READY = encode(messages.ReadyForQuery(b"I"))

Circumstances = tuple["Situation", int]
"""The session's situation and names: with them, all that was learned goes."""


class _Relayed(NamedTuple):
    """A statement that PostgreSQL answers anew each time, after `before` was said."""

    before: bytes
    statement: Statement
    call: Call


class _Known(NamedTuple):
    """A cycle's answer, and the session after it: the unnamed statement if it `replaces` that, and the statement that
    is shown as the latest."""

    answer: bytes | _Relayed
    replaces: bool
    unnamed: PreparedStatement | None
    query: str

    def leave(self, session: Session) -> None:
        session.query = self.query
        if self.replaces:
            session.unnamed = self.unnamed


@dataclass(slots=True)
class _Lesson:
    """A cycle that is answered message by message now, and may be learned. `said` is all of its answer, or what
    followed the rows of `relayed`; `replaces` says that the unnamed statement is its own."""

    cycle: bytes
    circumstances: Circumstances
    said: list[bytes] = field(default_factory=list)
    replaces: bool = False
    ended: bool = False
    relayed: _Relayed | None = None

    def admits(self, message: messages.FrontendMessage) -> bool:
        """Whether the cycle can be learned with this message: it makes or closes nothing that has a name, and uses no
        unnamed statement that it has not parsed itself."""
        match message:
            case messages.Query():
                self.ended = self.replaces = True
            case messages.Sync():
                self.ended = True
            case messages.Parse(statement=""):
                self.replaces = True
            case messages.Bind(portal="", statement=name) | messages.Describe(kind="S", name=name):
                return self.replaces or name != ""
            case messages.Parse() | messages.Bind() | messages.Close() | messages.FunctionCall():
                return False
        return True


class Cycles:
    """What one session has learned. `resume` goes on with a relayed statement that has to be awaited after all."""

    def __init__(
        self, session: Session, door: Door, resume: Callable[[Statement, Awaitable[RelayPortal]], Awaitable[None]]
    ) -> None:
        self._session = session
        self._door = door
        self._resume = resume
        self._known = RecentlyUsed[_Known](MOST_BYTES)
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
            self._known = RecentlyUsed(MOST_BYTES)
            self._circumstances = circumstances
        known = self._known.find(cycle)
        if known is None:
            self._begin_lesson(cycle, circumstances)
            return None
        if isinstance(known.answer, _Relayed):
            return self._launch(known, known.answer)
        known.leave(session)
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
        lesson, statement, call = self._lesson, portal.prepared.statement, portal.call
        if lesson is None or lesson.relayed or statement is None or statement.immutable or call is None:
            self.spoil()
            self._door.write(rows)
            return
        lesson.relayed = _Relayed(b"".join(lesson.said), statement, call)
        self._door.transcribe(None)
        self._door.write(rows)
        lesson.said.clear()
        self._door.transcribe(lesson.said)

    def spoil(self) -> None:
        """The cycle cannot be learned: an error, or an answer that depends on more than is looked at."""
        if self._lesson is not None:
            self._lesson = None
            self._door.transcribe(None)

    def _begin_lesson(self, cycle: bytes, circumstances: Circumstances) -> None:
        if len(cycle) <= LONGEST and (cycle[:1] == b"Q" or cycle.endswith(_SYNC)):
            self._lesson = _Lesson(cycle, circumstances)
            self._door.transcribe(self._lesson.said)

    def _learn(self, lesson: _Lesson) -> None:
        """The session is at rest after a cycle."""
        self.spoil()
        session = self._session
        if not lesson.ended or session.block.explicit or (session.situation, session.names) != lesson.circumstances:
            return
        if lesson.relayed is not None and lesson.said != [_READY]:
            return
        answer = lesson.relayed or b"".join(lesson.said)
        known = _Known(answer, lesson.replaces, session.unnamed, session.query)
        said = answer if isinstance(answer, bytes) else answer.before
        self._known.keep(lesson.cycle, known, len(lesson.cycle) + len(said))

    def _launch(self, known: _Known, relayed: _Relayed) -> asyncio.Future[Awaitable[None] | None] | None:
        landing: asyncio.Future[Awaitable[None] | None] = asyncio.get_running_loop().create_future()
        flight = self._session.launch(relayed.call, partial(self._land, relayed, landing))
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
            landing.set_result(None)
        else:
            self._door.write(relayed.before)
            landing.set_result(self._resume(relayed.statement, flight.open()))
