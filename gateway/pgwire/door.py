"""The door: one client's socket, between asyncio and a `Connection`, with a `Handler` behind it.

The hot path has no task. What a session has answered before it may answer again as a whole; otherwise `data_received`
feeds the connection and takes its messages in order; a handler that answers
at once is called right there, and the answers of one read leave in one write. Only when a handler returns something to
await does the door make a task, which goes on with the messages that follow and ends when there are none.

Two bounds hold the memory: reading pauses while much lies unread behind a running statement, and no message is taken
while the client does not read our answers. The door knows nothing of SQL.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from ssl import SSLContext
from typing import TYPE_CHECKING, Any, cast

from catalog.errors import AdminShutdown, ProtocolViolation, SqlError
from gateway.pgwire import messages, startup
from gateway.pgwire.codec import HEADER_SIZE
from gateway.pgwire.connection import NEED_DATA
from gateway.pgwire.encryption import start_tls
from gateway.pgwire.errors import LocalProtocolError, LoginTimeout, error_response, presentable
from gateway.pgwire.handler import Handler
from gateway.pgwire.messages import FrontendMessage, ReadyForQuery
from gateway.pgwire.proxy import Preface, trusts
from gateway.pgwire.state import BEFORE_SESSION, CYCLE_ENDS, OVER, State
from gateway.pgwire.wire import Wire

if TYPE_CHECKING:
    from gateway.pgwire.listener import Listener

log = logging.getLogger(__name__)

READ_AHEAD = 256 * 1024
"""Bytes that the client may send ahead behind a running statement before reading pauses."""
TURN = 128
"""Messages that are taken in one go before other connections have their turn."""


class Door(Wire):
    """One client's connection. What `Wire` has, and `receive`, is for its handler."""

    def __init__(self, listener: "Listener") -> None:
        super().__init__()
        self.admitted = False
        self._listener = listener
        self._handler: Handler | None = None
        self._task: asyncio.Future[Any] | None = None
        self._arrival: asyncio.Future[None] | None = None
        self._preface: Preface | None = None
        self._lost = False
        self._dismissed = False
        self._told = False

    async def receive(self) -> FrontendMessage:
        """The client's next message, for a dialogue inside `startup` or `handle` (authentication, COPY).

        Sends what is held back first. Raises SqlError as `Connection.next_event`, and ConnectionResetError when the
        client is gone.
        """
        while not self._closing:
            message = self._connection.next_event()
            if message is not NEED_DATA:
                return cast("FrontendMessage", message)
            self.flush()
            self._reading.resume()
            self._arrival = self._loop.create_future()
            await self._arrival
        raise ConnectionResetError("the client is gone")

    async def goes_on(self) -> bool:
        """Whether anything but a Sync follows the message that is answered. Waits for it: a client that wants an answer
        has more to say. Raises ConnectionResetError when the client is gone."""
        while not self._closing:
            if self._connection.buffered >= HEADER_SIZE:
                return not self._connection.ends_cycle
            self.flush()
            self._reading.resume()
            self._arrival = self._loop.create_future()
            await self._arrival
        raise ConnectionResetError("the client is gone")

    # For the listener

    def dismiss(self) -> None:
        """Asks the client to go: now if nothing runs, else when its cycle has ended."""
        self._dismissed = True
        if self._task is None and self._connection.state in (State.IDLE, State.STARTUP):
            self._shut()

    def evict(self, error: SqlError | None = None) -> None:
        """Ends the connection whatever runs; the client hears the error, or that an administrator wants it so."""
        if self._lost:
            return
        if not self._securing:
            self._shut(error)
            self._leave()
        if self._task is not None:
            self._task.cancel()

    def _shut(self, error: SqlError | None = None) -> None:
        self._fail(error or AdminShutdown("terminating connection due to administrator command"))
        self._hang_up()

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there; it has a limited time to log in."""
        self._take(cast("asyncio.Transport", transport))
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if not self._listener.open(self):
            self._lost = self._closing = True
            self._transport.abort()
            return
        balancers = self._listener.terms.balancers
        if balancers and trusts(balancers, self.peer[0]):
            self._preface = Preface()
        self._timer = self._loop.call_later(self._listener.terms.login_seconds, self._time_out)

    def data_received(self, data: bytes) -> None:
        """Answers what it can at once; while a task runs, the task goes on with what came."""
        if self._closing:
            return
        if self._preface is not None and not (data := self._read_preface(self._preface, data)):
            return
        if self._task is None and self._connection.at_rest and not self._writing.paused and self._replay(data):
            return
        self._connection.receive_data(data)
        if self._task is None:
            self._pump()
        elif self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)
        if self._connection.buffered > READ_AHEAD and (self._task is not None or self._writing.paused):
            self._reading.pause()

    def eof_received(self) -> None:
        """A client that stops sending is taken as gone, as it cannot be told from one that is."""
        self._leave()
        self._hang_up()

    def pause_writing(self) -> None:
        self._writing.pause()

    def resume_writing(self) -> None:
        self._writing.resume()
        self._pump()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wakes whoever waits for the client, and closes the session when nothing of it runs any more."""
        if self._lost:
            return
        self._lost = self._closing = True
        self._leave()
        self._reading.end()
        if self._timer is not None:
            self._timer.cancel()
        self._writing.fail()
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_exception(ConnectionResetError("the client is gone"))
            self._arrival.exception()  # Nobody may be waiting; that is no error.
        self._end()

    def _read_preface(self, preface: Preface, data: bytes) -> bytes:
        """What of the data is the client's own. A balancer that says anything else is told so, and left."""
        try:
            own = preface.receive(data)
        except ProtocolViolation as error:
            log.warning("a balancer at %s was refused: %s", self.peer, error)
            self._fail(error)
            self._hang_up()
            return b""
        if preface.whole:
            self._source, self._preface = preface.source, None
        return own

    # Whole cycles

    def _replay(self, cycle: bytes) -> bool:
        """Whether the handler has answered all of it, or will."""
        assert self._handler is not None, "a session at rest"
        replay = self._handler.replay(cycle)
        if isinstance(replay, bytes):
            self._transport.write(replay)
        elif replay is not None:
            self._task = replay
            replay.add_done_callback(self._land)
        return replay is not None

    def _land(self, replay: asyncio.Future[Awaitable[None] | None]) -> None:
        """A replay was answered, or has to be awaited after all."""
        self._task = None
        if replay.cancelled():
            self._shut()
        elif (rest := replay.result()) is not None:
            self._connection.take_cycle()
            self._task = self._loop.create_task(self._run(rest))
        else:
            self._writing.flush()
            if self._dismissed:
                self._shut()
            self._pump()
        self._end()

    # Messages, in order

    def _pump(self) -> None:
        if self._task is None and not self._lost and (pending := self._advance()) is not None:
            self._task = self._loop.create_task(self._run(pending))

    def _advance(self) -> Awaitable[None] | None:
        """Takes messages until one has to be awaited, which is returned, or until there is none to take now."""
        connection, handler, writing, owned = self._connection, self._handler, self._writing, _OWN
        for _ in range(TURN):
            if self._closing or writing.paused:
                break
            try:
                message = connection.next_event()
                if message is NEED_DATA:
                    self._reading.resume()
                    break
                own = owned.get(type(message))
                # The state admits nothing for the handler before there is one, and only what a frontend says.
                pending = own(self, message) if own else handler.handle(message)  # type: ignore[union-attr, arg-type]
                if pending is not None:
                    if writing.due:
                        writing.flush()
                    return pending
            except Exception as error:
                self._fail(error)
            self._conclude()
        else:
            self._loop.call_soon(self._pump)
        if writing.due:
            writing.flush()
        return None

    async def _run(self, pending: Awaitable[None] | None) -> None:
        """The connection's task: awaits what a handler returned, then goes on until nothing is left to await."""
        turn = 0
        try:
            while pending is not None:
                turn += 1
                if turn % TURN == 0:
                    await asyncio.sleep(0)
                try:
                    await pending
                except Exception as error:
                    self._fail(error)
                self._conclude()
                pending = self._advance()
        except asyncio.CancelledError:
            self._shut()
            raise
        except Exception:
            log.exception("a connection failed")
            self._transport.abort()
        finally:
            self._task = None
            self._end()

    def _conclude(self) -> None:
        """What follows an answered message: ReadyForQuery at the end of a cycle, nothing after the last."""
        state = self._connection.state
        if state in CYCLE_ENDS:
            assert self._handler is not None
            self._handler.conclude()
            self.send(ReadyForQuery(self._handler.status))
            self._writing.due = True
            if self._dismissed:
                self._shut()
        elif state in OVER:
            self._hang_up()

    def _fail(self, error: Exception) -> None:
        """Answers an error. One that only says that the client is gone has nobody to go to."""
        state = self._connection.state
        if state is State.CLOSED or (self._closing and isinstance(error, ConnectionError)):
            return
        shown = presentable(error)
        if self._handler is not None:
            self._handler.failed(shown)
        self.send(error_response(shown, "FATAL" if state in BEFORE_SESSION else None))
        self._writing.due = True

    # Messages that the door answers itself

    def _secure(self, request: messages.SSLRequest) -> Awaitable[None] | None:
        context = self._listener.terms.tls
        if context is None:
            self._refuse_encryption(request)
            return None
        self._transport.pause_reading()
        self.send(messages.EncryptionResponse(b"S"))
        self.flush()
        return self._upgrade(context)

    def _secure_at_once(self, hello: messages.ClientHello) -> Awaitable[None] | None:
        context = self._listener.terms.tls
        if context is None:
            self._transport.abort()
            return None
        self._transport.pause_reading()
        return self._upgrade(context, hello.content)

    async def _upgrade(self, context: SSLContext, hello: bytes = b"") -> None:
        transport = None
        try:
            transport = await start_tls(self._transport, self, context, hello)
        finally:
            if transport is not None:
                self._take(transport)
            else:  # The loop tells only the TLS layer that the socket is closed.
                self._transport.abort()
                self.connection_lost(None)

    @property
    def _securing(self) -> bool:
        """Whether a TLS handshake runs: the socket is not ours to speak on, and only a cancelled task gives it back."""
        return self._task is not None and self._handler is None

    def _refuse_encryption(self, _: FrontendMessage) -> None:
        self.send(messages.EncryptionResponse(b"N"))
        self.flush()

    async def _cancel(self, request: messages.CancelRequest) -> None:
        self.write(await self._listener.terms.cancel(request.pid, request.secret, self.peer))

    def _start(self, message: messages.StartupMessage) -> Awaitable[None]:
        self._listener.admit()
        self.admitted = True
        self._handler = self._listener.terms.make_handler(self)
        return self._log_in(message, self._handler)

    async def _log_in(self, message: messages.StartupMessage, handler: Handler) -> None:
        negotiation = startup.negotiate(message)
        if negotiation is not None:
            self.send(negotiation)
        await handler.startup(message)
        if self._connection.state is not State.STARTING:
            raise LocalProtocolError("the handler let a client in that has not authenticated")
        if self._timer is not None:
            self._timer.cancel()

    def _time_out(self) -> None:
        if self._securing:
            self.evict()
        elif self._connection.state in (State.STARTUP, State.NEGOTIATING):
            self._transport.abort()
        else:
            self._fail(LoginTimeout("canceling authentication due to timeout"))
            self._hang_up()

    def _answer_flush(self, _: messages.Flush) -> None:
        self._writing.due = True

    def _terminate(self, _: messages.Terminate) -> None:
        self._hang_up()

    # The end

    def _leave(self) -> None:
        """Tells the handler, once, that nobody waits for its answers."""
        handler = self._handler
        if handler is None or self._told:
            return
        self._told = True
        try:
            handler.disconnected()
        except Exception:
            log.exception("a session could not be told that its client is gone")

    def _end(self) -> None:
        """Closes the session once its client is lost and nothing of it runs any more."""
        if self._lost and self._task is None:
            self._task = self._loop.create_task(self._finish())

    async def _finish(self) -> None:
        try:
            if self._handler is not None:
                await self._handler.close()
        except Exception:
            log.exception("a session could not be closed")
        finally:
            self._listener.forget(self)


_OWN: Mapping[type[Any], Callable[[Door, Any], Awaitable[None] | None]] = {
    messages.SSLRequest: Door._secure,
    messages.ClientHello: Door._secure_at_once,
    messages.GSSENCRequest: Door._refuse_encryption,
    messages.CancelRequest: Door._cancel,
    messages.StartupMessage: Door._start,
    messages.Flush: Door._answer_flush,
    messages.Terminate: Door._terminate,
}
