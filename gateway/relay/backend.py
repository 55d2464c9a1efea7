"""One backend: a logged-in connection to PostgreSQL, used by one session at a time.

It writes requests and feeds what arrives to the current `Exchange`; who waits is told once a step. When more
of an answer waits than the bound allows, it stops reading, and PostgreSQL stops sending. Login is
`gateway.relay.login`'s.
"""

import asyncio
import struct
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, cast

from gateway.pgwire.codec import HEADER_SIZE
from gateway.relay.exchange import Exchange
from gateway.relay.limits import RelayLimits
from gateway.relay.reports import read_report
from gateway.relay.requests import SYNC, Request
from gateway.relay.statements import NamedStatements

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.relay.notifications import Subscriber

_LENGTH = struct.Struct("!xI").unpack_from
IDLE = ord("I")
_RUNS = 4
"""So many runs of rows may wait before the backend is paused."""
FOREVER = float("inf")
UNTIMED = sys.float_info.max
"""The deadline of a request that is busy for as long as its session has it."""


class Identity(NamedTuple):
    """Whose backend it is: the role that it logged in as, and the workspace (database)."""

    role: str
    workspace: str


class Backend(asyncio.Protocol):
    """`variables` are the settings in force beyond the defaults, None when not known. `deadline` is loop time.

    `subscriber` hears what is notified while a session holds it; `listening` says that it has asked for some.
    `congested`: what was written waits, and no more is to be. `kept`: it is its session's beyond a statement.
    `marked`: PostgreSQL keeps the schema of temporary objects that are gone, first in the search path for good.
    """

    def __init__(self, identity: Identity, limits: RelayLimits) -> None:
        self.identity = identity
        self.exchange = Exchange()
        self.statements = NamedStatements(limits.statements, limits.named_text_bytes)
        self.variables: Mapping[str, str] | None = {}
        self.defaults: Mapping[str, str] = {}
        self.key: tuple[int, bytes] = (0, b"")
        self.deadline = FOREVER
        self.idle_since = 0.0
        self.kept = False
        self.marked = False
        self.overdue = False
        self.cancelling: asyncio.Task[None] | None = None
        self.lost = False
        self.subscriber: Subscriber | None = None
        self.listening = False
        self.congested = False
        self._telling: asyncio.Task[None] | None = None
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._notify: Callable[[], None] | None = None
        self._rest = bytearray()
        self._needed = HEADER_SIZE
        self._paused = False
        self._paused_at = 0.0

    @property
    def has_run(self) -> bool:
        """Whether what waits of the answer is to be handed on before more has come: a notice, or rows enough.

        PostgreSQL sends 8 KiB at a time; each step of ours, and of the client's, costs more than it takes to read them.
        """
        exchange = self.exchange
        return exchange.noticed or exchange.buffered * _RUNS >= self._limits.buffered_bytes

    @property
    def is_busy(self) -> bool:
        """A request was sent, and nobody has taken note of its end yet."""
        return self.deadline != FOREVER and not self.lost

    def is_late(self, now: float) -> bool:
        """Its time is over; what its client takes to read does not count."""
        return now >= self.deadline and not (self._paused or self.exchange.ended)

    def send(self, request: Request) -> Exchange:
        """Writes a request and begins its exchange; the one before must have been answered."""
        assert self._transport is not None, "a request before the login"
        self.exchange = exchange = Exchange(request.skipped)
        exchange.lost = self.lost
        self._resume()
        self._start_time()
        self._transport.write(bytes(request))
        return exchange

    def send_sync(self) -> None:
        """Ends the cycle of the current exchange, which was flushed."""
        self._write(SYNC)

    def _write(self, data: bytes) -> None:
        """Not to a connection that ends, which some loops refuse."""
        assert self._transport is not None, "a request before the login"
        if not self._transport.is_closing():
            self._transport.write(data)

    def pass_on(self, data: bytes) -> None:
        """Writes what a COPY is given; who gives it says how long it takes."""
        self.deadline = UNTIMED
        self._write(data)

    def end_copy(self, end: bytes) -> None:
        """Writes the last that a COPY is given; the answer is timed again."""
        self._start_time()
        self._write(end)

    def _start_time(self) -> None:
        seconds = self._limits.statement_seconds
        self.deadline = self._loop.time() + seconds if seconds else UNTIMED

    def pause_writing(self) -> None:
        self.congested = True

    def resume_writing(self) -> None:
        self.congested = False
        if self.exchange.copies:
            self._wake()

    def wait(self) -> asyncio.Future[None]:
        """To be awaited: done when more has been answered, a COPY may be given more, or the backend is lost."""
        self._resume()
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._notify = partial(_release, waiter)
        return waiter

    def watch(self, notify: Callable[[], None]) -> None:
        """Calls `notify` once, at the next answer or when the backend is lost, in place of a `wait`."""
        self._notify = notify

    def close(self) -> None:
        """Ends the connection. PostgreSQL notices, even in the middle of a statement, and rolls back."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Hands whole messages on; what is left waits until the message that it begins is whole."""
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed:
                return
            data = bytes(self._rest)
            self._rest.clear()
        exchange = self.exchange
        consumed = exchange.feed(data)
        if consumed < len(data):
            self._keep_rest(data[consumed:])
        if exchange.notifications:
            self._tell(exchange)
        if exchange.signals:
            self._signal(exchange)
        if exchange.buffered > self._limits.buffered_bytes:
            self._pause()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = self.exchange.lost = True
        if self.subscriber is not None and self.listening:
            self._telling = self._loop.create_task(self._wait_for(self.subscriber.tell(None)))
        self._wake()

    def _tell(self, exchange: Exchange) -> None:
        """Passes notifications on, and reads no more until the client has read them or asks for something."""
        notifications, exchange.notifications = exchange.notifications, ()
        if self.subscriber is not None:
            told = b"".join(self.subscriber.translate(one, self.key[0]) for one in notifications)
            self._pause()
            self._telling = self._loop.create_task(self._wait_for(self.subscriber.tell(told)))

    def _signal(self, exchange: Exchange) -> None:
        signals, exchange.signals = exchange.signals, set()
        if self.subscriber is not None:
            for message in signals:
                self.subscriber.signal(read_report(message)["M"])

    async def _wait_for(self, told: Awaitable[None]) -> None:
        with suppress(ConnectionResetError):
            await told
        self._resume()

    def _pause(self) -> None:
        if not self._paused and self._transport is not None:
            self._paused, self._paused_at = True, self._loop.time()
            self._transport.pause_reading()

    def _keep_rest(self, rest: bytes) -> None:
        """A message of which the end is missing. One that is too long ends the connection: it could not be skipped."""
        self._needed = HEADER_SIZE
        if len(rest) >= HEADER_SIZE:
            self._needed = 1 + _LENGTH(rest)[0]
            if self._needed > self._limits.message_bytes:
                self.exchange.oversized = self._needed
                self.close()
                return
        self._rest += rest

    def _resume(self) -> None:
        if self._paused and self._transport is not None:
            self._paused = False
            self.deadline += self._loop.time() - self._paused_at
            self._transport.resume_reading()

    def _wake(self) -> None:
        notify, self._notify = self._notify, None
        if notify is not None:
            notify()


def _release(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
