"""Frames between a pool and its guests over a Unix stream socket: a codec without I/O, used on both ends.

    frame = kind (u8) | statement (u32) | control length (u32) | body length (u32) | control (JSON) | body (bytes)

Big endian. `statement` numbers the statements of one connection from 1, so that what is left of a cancelled one is
told apart; 0 is the connection itself. The body holds Arrow IPC: a schema message, one record batch message, or, for
parameters, a whole stream. A body is received straight into an aligned Arrow buffer, so that batches are read without
a copy.

    pool -> guest   IDENTITY  EXECUTE  DESCRIBE  CANCEL  STATS  SHUTDOWN
    guest -> pool   HELLO  READY  SCHEMA  BATCH  DONE  ERROR  STATS

The guest speaks first (HELLO). It refuses statements before IDENTITY, which it answers with READY. A statement is
answered by SCHEMA, BATCH..., DONE, or by ERROR at any point. Back-pressure is the socket's: who does not read makes the
other wait.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import pyarrow as pa

PROTOCOL_VERSION = 1
PREFIX = struct.Struct(">BIII")
MAX_CONTROL = 64 << 20
MAX_BODY = 256 << 20


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
    SHUTDOWN = 12


class FrameError(Exception):
    """The peer sent what is no frame, or more than the bounds allow. The connection is of no further use."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message. `control` is small and JSON; `body` is Arrow IPC, or None."""

    kind: Kind
    statement: int = 0
    control: Mapping[str, Any] = field(default_factory=dict)
    body: pa.Buffer | None = None


def encode(frame: Frame) -> tuple[bytes, pa.Buffer | None]:
    """The frame as (prefix and control, body), to be written in that order. Raises FrameError beyond the bounds."""
    control = json.dumps(frame.control, separators=(",", ":")).encode() if frame.control else b""
    body_length = frame.body.size if frame.body is not None else 0
    if len(control) > MAX_CONTROL or body_length > MAX_BODY:
        raise FrameError(f"frame of {len(control)} + {body_length} bytes is over the bound")
    return PREFIX.pack(frame.kind, frame.statement, len(control), body_length) + control, frame.body


class Decoder:
    """Turns received bytes into frames. Fill `writable()` and say how much with `wrote()`."""

    def __init__(self) -> None:
        self._kind = Kind.HELLO
        self._statement = 0
        self._control: bytes = b""
        self._body_length = 0
        self._expect(PREFIX.size, self._read_prefix)

    def writable(self) -> memoryview:
        """Where the next bytes belong; never empty. Valid until the next `wrote`."""
        return self._view[self._filled :]

    def wrote(self, count: int) -> Frame | None:
        """Accounts for `count` bytes put into `writable()`. A frame, once it is whole. Raises FrameError."""
        self._filled += count
        frame: Frame | None = None
        while frame is None and self._filled == len(self._view):
            frame = self._whole()
        return frame

    def _expect(self, length: int, whole: Any) -> None:
        self._buffer = pa.allocate_buffer(length)
        self._view = memoryview(self._buffer).cast("B")
        self._filled = 0
        self._whole = whole

    def _read_prefix(self) -> Frame | None:
        kind, self._statement, control_length, self._body_length = PREFIX.unpack(self._view)
        if control_length > MAX_CONTROL or self._body_length > MAX_BODY:
            raise FrameError(f"frame of {control_length} + {self._body_length} bytes is over the bound")
        try:
            self._kind = Kind(kind)
        except ValueError as error:
            raise FrameError(f"unknown frame kind {kind}") from error
        self._expect(control_length, self._read_control)
        return None

    def _read_control(self) -> Frame | None:
        self._control = bytes(self._view)
        self._expect(self._body_length, self._read_body)
        return None

    def _read_body(self) -> Frame | None:
        body = self._buffer if self._body_length else None
        frame = Frame(self._kind, self._statement, _parse_control(self._control), body)
        self._expect(PREFIX.size, self._read_prefix)
        return frame


def _parse_control(text: bytes) -> Mapping[str, Any]:
    if not text:
        return {}
    try:
        control = json.loads(text)
    except ValueError as error:
        raise FrameError("control is not JSON") from error
    if not isinstance(control, dict):
        raise FrameError("control is not an object")
    return control
