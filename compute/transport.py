"""Frames between a pool and its guests over a Unix stream socket: a codec without I/O, used on both ends.

    frame = kind (u8) | statement (u32) | control length (u32) | body length (u32) | control (JSON) | body (bytes)

Big endian. `statement` numbers the statements of one connection from 1, so that what is left of a cancelled one is
told apart; 0 is the connection itself. The body holds Arrow IPC: a schema message, one record batch message, or, for
parameters, both. A body is received into an aligned Arrow buffer, a long one straight off the socket, so that
batches are read without a copy.

    pool -> guest   IDENTITY  EXECUTE  DESCRIBE  CANCEL  STATS  DATA  PING
    guest -> pool   HELLO  READY  SCHEMA  BATCH  DONE  ERROR  STATS  READ  LINK  PONG

The guest speaks first (HELLO). It refuses statements before IDENTITY, which it answers with READY. A statement is
answered by SCHEMA, BATCH..., DONE, or by ERROR at any point. Back-pressure is the socket's: who does not read makes the
other wait. A connection ends with its stream.

What a guest cannot open itself comes without a path: objects in a store, and all of the host's files where HELLO
says ``"reads": "channel"``. It asks for ranges of them while a statement runs: READ with a number, a scan of the
statement, a file's place in it, offset and length. DATA answers, in any order, with that number and the bytes, or with
a refusal.

A machine whose IDENTITY gave it a network may ask by LINK for a file of a store instead, with a number, scan and file:
DATA brings a `url` by which it reads the file there for so many `seconds`. What it read so has a `tag`, which its later
READs of the file name: all of a file's bytes are of one object.

PING asks for a sign of life, at any moment after READY, and one PONG gives it, whatever the engine does.
"""

import json
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import pyarrow as pa

PROTOCOL_VERSION = 4
PREFIX = struct.Struct(">BIII")
MAX_CONTROL = 64 << 20
MAX_BODY = 256 << 20
FRAME_WEIGHT, CONTROL_WEIGHT = 512, 32
"""Bytes of memory that a frame takes at least, and for each byte of its control."""
READ_BYTES = 1 << 20
"""The most that one READ may ask for."""
MOST_READS = 16
"""READs and LINKs of one guest under way at once."""
CHUNK_BYTES = 64 << 10
"""What is read at once, and up to which the parts of a frame are written together."""


class Kind(IntEnum):
    HELLO = 1
    IDENTITY = 2
    READY = 3
    EXECUTE = 4
    DESCRIBE = 5
    CANCEL = 6
    SCHEMA = 7
    BATCH = 8
    DONE = 9
    ERROR = 10
    STATS = 11
    READ = 13
    DATA = 14
    PING = 15
    PONG = 16
    LINK = 17


@dataclass(frozen=True, slots=True)
class Bound:
    """Bytes that a frame of some kind may have at most."""

    control: int = 0
    body: int = 0


class FrameError(Exception):
    """The peer sent what is no frame, or more than the bounds allow. The connection is of no further use."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message. `control` is small and JSON; `body` is Arrow IPC, or None. `weight` is what a received one takes of
    memory, in bytes: its control is parsed."""

    kind: Kind
    statement: int = 0
    control: Mapping[str, Any] = field(default_factory=dict)
    body: pa.Buffer | None = None
    weight: int = field(default=0, compare=False)


def encode(*frames: Frame) -> Sequence[bytes | memoryview]:
    """The frames as pieces to be written in that order. Only long bodies are pieces of their own.

    Raises FrameError beyond the bounds.
    """
    pieces: list[bytes | memoryview] = []
    short: list[bytes | memoryview] = []
    for frame in frames:
        short.append(_encode_head(frame))
        if frame.body is None:
            continue
        if frame.body.size <= CHUNK_BYTES:
            short.append(memoryview(frame.body))
        else:
            pieces += [b"".join(short), memoryview(frame.body)]
            short.clear()
    return [*pieces, b"".join(short)] if short else pieces


def _encode_head(frame: Frame) -> bytes:
    control = json.dumps(frame.control, separators=(",", ":")).encode() if frame.control else b""
    body_length = frame.body.size if frame.body is not None else 0
    if len(control) > MAX_CONTROL or body_length > MAX_BODY:
        raise FrameError(f"frame of {len(control)} + {body_length} bytes is over the bound")
    return PREFIX.pack(frame.kind, frame.statement, len(control), body_length) + control


_WIDEST, _NONE = Bound(MAX_CONTROL, MAX_BODY), Bound()


class Decoder:
    """Turns received bytes into frames. Fill `writable()` and say how much with `wrote()`.

    Small frames come many to a read; a long body is received in place. `bounds` are those of each kind, and of a kind
    that it lacks only a bare prefix is taken; without them all have the same.
    """

    def __init__(self, bounds: Mapping[int, Bound] | None = None) -> None:
        self._bounds = bounds
        self._chunk = memoryview(bytearray(CHUNK_BYTES))
        self._kind = Kind.HELLO
        self._statement = 0
        self._control: Mapping[str, Any] = {}
        self._body: pa.Buffer | None = None
        self._body_length = 0
        self._weight = 0
        self._part = self._missing = memoryview(b"")
        self._whole: Callable[[], Frame | None] = self._read_prefix
        self._expect_prefix()

    def writable(self) -> memoryview:
        """Where the next bytes belong; never empty. Valid until the next `wrote`."""
        return self._missing if len(self._missing) >= CHUNK_BYTES else self._chunk

    @property
    def announced(self) -> int:
        """Bytes of the body under way, whole."""
        return 0 if self._body is None else self._body_length

    @property
    def begun(self) -> int:
        """Bytes of the body under way that have come."""
        return 0 if self._body is None else self._body_length - len(self._missing)

    def drop(self) -> None:
        """Lets go of the body under way: nothing more comes."""
        self._body = None
        self._expect_prefix()

    def wrote(self, count: int) -> Iterator[Frame]:
        """Accounts for `count` bytes put into `writable()`. The frames that are whole by now, each parsed when it is
        asked for: ask for all of them before more is written. Raises FrameError."""
        if len(self._missing) >= CHUNK_BYTES:
            yield from self._account(count)
            return
        received = self._chunk[:count]
        while received:
            taken = min(len(received), len(self._missing))
            self._missing[:taken] = received[:taken]
            received = received[taken:]
            yield from self._account(taken)

    def _account(self, count: int) -> Iterator[Frame]:
        self._missing = self._missing[count:]
        while not self._missing:
            if (frame := self._whole()) is not None:
                yield frame

    def _expect(self, part: memoryview, whole: Callable[[], Frame | None]) -> None:
        self._part = self._missing = part
        self._whole = whole

    def _expect_prefix(self) -> None:
        self._expect(memoryview(bytearray(PREFIX.size)), self._read_prefix)

    def _read_prefix(self) -> None:
        kind, self._statement, control_length, self._body_length = PREFIX.unpack(self._part)
        bound = _WIDEST if self._bounds is None else self._bounds.get(kind, _NONE)
        if control_length > bound.control or self._body_length > bound.body:
            raise FrameError(f"frame of {control_length} + {self._body_length} bytes is over the bound")
        try:
            self._kind = Kind(kind)
        except ValueError as error:
            raise FrameError(f"unknown frame kind {kind}") from error
        self._expect(memoryview(bytearray(control_length)), self._read_control)

    def _read_control(self) -> None:
        self._control = _parse_control(self._part.tobytes())
        self._weight = FRAME_WEIGHT + CONTROL_WEIGHT * len(self._part) + self._body_length
        self._body = pa.allocate_buffer(self._body_length) if self._body_length else None
        self._expect(memoryview(self._body or b"").cast("B"), self._read_body)

    def _read_body(self) -> Frame:
        frame = Frame(self._kind, self._statement, self._control, self._body, self._weight)
        self.drop()
        return frame


def _parse_control(text: bytes) -> Mapping[str, Any]:
    if not text:
        return {}
    try:
        control = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FrameError("control is not JSON") from error
    if not isinstance(control, dict):
        raise FrameError("control is not an object")
    return control
