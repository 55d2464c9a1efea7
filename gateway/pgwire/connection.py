"""One conversation without I/O: bytes in, messages out, and the state that decides what may be said next.

`receive_data` only stores. `next_event` reads one message, moves the state and returns it, or returns `NEED_DATA`.
`send` moves the state and returns bytes; writing them is the caller's. The tables are `state`'s, the bytes `codec`'s.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final, NamedTuple

from catalog.errors import ProtocolViolation, SqlError
from gateway.pgwire import startup, state
from gateway.pgwire.codec import HEADER_SIZE, LAYOUTS, RELAYED, encode, split
from gateway.pgwire.errors import LocalProtocolError
from gateway.pgwire.fields import INT32
from gateway.pgwire.layout import STARTUP_LIMIT
from gateway.pgwire.messages import (
    BackendMessage,
    ClientHello,
    EncryptionResponse,
    ErrorResponse,
    FrontendMessage,
    GSSENCRequest,
    ProtocolVersion,
    SSLRequest,
    StartupMessage,
    Sync,
)
from gateway.pgwire.proxy import resembles_header
from gateway.pgwire.state import Side, State


class NeedData(Enum):
    NEED_DATA = 0


NEED_DATA: Final = NeedData.NEED_DATA
"""What `next_event` returns while the next message is not whole: call `receive_data`, then ask again."""

Message = FrontendMessage | BackendMessage

_unpack_length = INT32.unpack_from
_HANDSHAKE = b"\x16"
"""The first byte of TLS. As a start-up packet's it would announce 369 MB."""
_LAST_WORDS = ("FATAL", "PANIC")
_DIALOGUE = frozenset({State.SASL_INITIAL, State.SASL_RESPONSE, State.PASSWORD})
_STUFFING = "This could be either a client-software bug or evidence of an attempted man-in-the-middle attack."
_UNTRUSTED = "This is a PROXY protocol header, which is taken only once, and from the addresses of trusted balancers."


class _Rule(NamedTuple):
    """How a message is read in a state. `decode` is None for one that is read and forgotten."""

    limit: int
    decode: Callable[[bytes], Any] | None
    following: State


def _rules(rows: Mapping[State, Mapping[Any, State]]) -> dict[State, dict[int, _Rule]]:
    """The rows by the type bytes of their messages, for what has one."""
    rules: dict[State, dict[int, _Rule]] = {}
    for row_state, row in rows.items():
        layouts = [(LAYOUTS[cls], following) for cls, following in row.items() if cls in LAYOUTS]
        rules[row_state] = {layout.code[0]: _Rule(layout.limit, layout.decode, to) for layout, to in layouts}
        for cls in state.DROPPED.get(row_state, ()):
            rules[row_state][LAYOUTS[cls].code[0]] = _Rule(LAYOUTS[cls].limit, None, row_state)
    return rules


_READ_BY: dict[Side, dict[State, dict[int, _Rule]]] = {
    Side.SERVER: _rules(state.FRONTEND),
    Side.CLIENT: _rules(state.BACKEND),
}
_SENT_BY: dict[Side, Mapping[State, Mapping[Any, State]]] = {Side.SERVER: state.BACKEND, Side.CLIENT: state.FRONTEND}

_SYNC = encode(Sync())
"""The bytes of a Sync."""


class Connection:
    """One side of a conversation.

    After an SqlError of `next_event`, send its ErrorResponse. If its severity is FATAL, the state is FAILED and the
    connection must be closed; if ERROR, its message is used up and the conversation goes on.
    LocalProtocolError is a bug of the caller.
    """

    __slots__ = (
        "_arrived",
        "_asked",
        "_buffer",
        "_fresh",
        "_read",
        "_sent",
        "_side",
        "_start",
        "_waiting",
        "convert",
        "encrypted",
        "state",
        "version",
    )

    def __init__(self, side: Side = Side.SERVER) -> None:
        self.state = State.STARTUP
        self.version: ProtocolVersion = startup.NEWEST
        """The version spoken: what the client asked for, or our newest if that is older."""
        self.encrypted = False
        self.convert: Callable[[int, bytes], bytes] | None = None
        """Makes UTF-8 of the body of a message of a type, for a peer that speaks another encoding."""
        self._fresh = side is Side.SERVER
        self._side = side
        self._read = _READ_BY[side]
        self._sent = _SENT_BY[side]
        self._buffer = b""
        self._start = 0
        self._arrived: list[bytes] = []
        self._asked: set[type[FrontendMessage]] = set()
        self._waiting = 0

    @property
    def buffered(self) -> int:
        """Bytes received and not yet read as messages."""
        return len(self._buffer) - self._start + self._waiting

    @property
    def at_rest(self) -> bool:
        """All that came was answered, and the client may begin another cycle."""
        return self.state is State.IDLE and self._start == len(self._buffer) and not self._arrived

    @property
    def ends_cycle(self) -> bool:
        """Whether the next message is a Sync that has come already."""
        if self._arrived:
            self._join(len(_SYNC))
        return self._buffer.startswith(_SYNC, self._start)

    def take_cycle(self) -> None:
        """A cycle was read as a whole, at rest: what may be said is its answer, then ReadyForQuery."""
        self.state = State.BUSY

    def receive_data(self, data: bytes) -> None:
        """Stores what came from the peer. Call `next_event` until it returns NEED_DATA."""
        if self._start == len(self._buffer) and not self._arrived:
            self._buffer, self._start = data, 0
        else:
            self._arrived.append(data)
            self._waiting += len(data)

    def next_event(self) -> Message | NeedData:
        """The next message that is not to be dropped. Raises SqlError for what the peer did wrong (see the class).

        Raises LocalProtocolError where the peer has to wait for us: answer the last message first.
        """
        rules = self._read.get(self.state)
        if not rules:
            return self._next_unframed()
        while True:
            buffer, start = self._buffer, self._start
            needed = HEADER_SIZE
            if start + needed <= len(buffer):
                rule = rules.get(buffer[start])
                (length,) = _unpack_length(buffer, start + 1)
                if rule is None or not INT32.size <= length <= rule[0]:
                    raise self._refuse(self._misframed(buffer[start], rule))
                needed = length + 1
                end = start + needed
                if end <= len(buffer):
                    self._start = end
                    if rule[1] is not None:
                        return self._decode(rule, buffer[start], buffer[start + HEADER_SIZE : end])
                    continue
            if not self._join(needed):
                return NEED_DATA

    def next_run(self, kinds: frozenset[int] = RELAYED) -> bytes:
        """The longest run of whole messages of these kinds at the front, as they are; empty if there is none.

        For a client that forwards a server's answers. They must be kinds that change no state.
        """
        if self._arrived:
            self._join(0)
        start = self._start
        self._start = split(self._buffer, start, kinds)
        return self._buffer[start : self._start]

    def send(self, message: Message) -> bytes:
        """The bytes to write. Raises LocalProtocolError, with the state as it was, for what may not be said now."""
        following = self._sent.get(self.state, {}).get(type(message))
        if following is None:
            raise LocalProtocolError(f"{type(message).__name__} cannot be sent in state {self.state.name}")
        encoded = encode(message)
        self._move(following, message)
        return encoded

    def _move(self, following: State, message: Message) -> None:
        if isinstance(message, ErrorResponse) and message.fields.get("V") in _LAST_WORDS:
            following = State.CLOSED
        elif isinstance(message, EncryptionResponse):
            self.encrypted = message.answer != b"N"
        elif following is State.IDLE and self._side is Side.CLIENT:
            following = State.OPEN
        self.state = following

    def _decode(self, rule: _Rule, code: int, body: bytes) -> Message:
        """Moves the state even where the body is bad: the message was there, and its error is its answer."""
        _, decode, following = rule
        before, self.state = self.state, following
        try:
            if self.convert is not None:
                body = self.convert(code, body)
            message: Message = decode(body)  # type: ignore[misc]  # never called for a rule without
        except SqlError as error:
            if before in _DIALOGUE:
                raise self._refuse(ProtocolViolation(error.message)) from None
            raise
        if self._side is Side.CLIENT:
            # By the class, as authentication requests share a type byte.
            self._move(state.BACKEND[before].get(type(message), State.FAILED), message)  # type: ignore[arg-type]
        return message

    def _next_unframed(self) -> Message | NeedData:
        """A start-up packet, for the server; the byte that answers one, for the client."""
        if self._side is Side.SERVER and self.state is State.STARTUP:
            return self._next_packet()
        if self._side is Side.CLIENT and self.state is State.NEGOTIATING:
            return self._next_byte()
        raise LocalProtocolError(f"nothing can be received in state {self.state.name}")

    def _next_packet(self) -> Message | NeedData:
        if self._fresh and self._join(1):
            self._fresh = False
            if self._buffer[:1] == _HANDSHAKE:
                return self._take_hello()
        if not self._join(INT32.size):
            return NEED_DATA
        (length,) = INT32.unpack_from(self._buffer, self._start)
        if not 2 * INT32.size <= length <= STARTUP_LIMIT:
            detail = _UNTRUSTED if resembles_header(self._buffer[self._start :]) else None
            raise self._refuse(ProtocolViolation("invalid length of startup packet", detail=detail))
        if self.buffered < length:
            return NEED_DATA
        start, self._start = self._start, self._start + length
        try:
            packet = startup.decode(self._buffer[start + INT32.size : self._start])
            self._check_packet(packet)
        except SqlError as error:
            raise self._refuse(error) from None
        self.state = state.FRONTEND[State.STARTUP][type(packet)]
        return packet

    def _take_hello(self) -> ClientHello:
        """What comes next was said inside TLS, where no second handshake begins."""
        content, self._buffer = self._buffer, b""
        self.encrypted = True
        return ClientHello(content)

    def _check_packet(self, packet: FrontendMessage) -> None:
        if isinstance(packet, StartupMessage):
            self.version = min(packet.version, startup.NEWEST)
        elif isinstance(packet, SSLRequest | GSSENCRequest):
            if self.encrypted or type(packet) in self._asked:
                raise startup.unsupported(startup.request_version(packet))
            if self.buffered:
                raise ProtocolViolation("received unencrypted data after SSL request", detail=_STUFFING)
            self._asked.add(type(packet))

    def _next_byte(self) -> Message | NeedData:
        if not self._join(1):
            return NEED_DATA
        answer = self._buffer[self._start : self._start + 1]
        if answer not in (b"S", b"G", b"N"):
            raise self._refuse(ProtocolViolation("invalid answer to the request for encryption"))
        if answer != b"N" and self.buffered > 1:
            raise self._refuse(ProtocolViolation("received unencrypted data after SSL response", detail=_STUFFING))
        self._start += 1
        response = EncryptionResponse(answer)
        self._move(State.STARTUP, response)
        return response

    def _misframed(self, code: int, rule: _Rule | None) -> ProtocolViolation:
        if rule is not None:
            return ProtocolViolation("invalid message length")
        if self.state is State.PASSWORD:
            return ProtocolViolation(f"expected password response, got message type {code}")
        if self.state in _DIALOGUE:
            return ProtocolViolation(f"expected SASL response, got message type {code}")
        if self.state in (State.COPY_IN, State.EXTENDED_COPY_IN):
            return ProtocolViolation(f"unexpected message type 0x{code:02X} during COPY from stdin")
        speaker = "frontend" if self._side is Side.SERVER else "backend"
        return ProtocolViolation(f"invalid {speaker} message type {code}")

    def _refuse(self, error: SqlError) -> SqlError:
        self.state = State.FAILED
        return error

    def _join(self, size: int) -> bool:
        """Lays what arrived in pieces in one, once there is so much of it: copied at most once a message."""
        if self.buffered < size:
            return False
        self._buffer = b"".join((self._buffer[self._start :], *self._arrived))
        self._start = self._waiting = 0
        self._arrived.clear()
        return True
