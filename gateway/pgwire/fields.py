"""The parts that messages are made of: texts, counts and values, each bounded by the bytes that are there.

Every reader takes the body and a position and returns the value and the position after it. The errors' texts are
those of PostgreSQL's `pqformat.c`. Used by `frontend` and `backend`.
"""

import struct
from collections.abc import Iterable

from catalog.errors import CharacterNotInRepertoire
from gateway.pgwire.errors import LocalProtocolError, MalformedMessage

INT16 = struct.Struct("!h")
UINT16 = struct.Struct("!H")
INT32 = struct.Struct("!i")
UINT32 = struct.Struct("!I")
NULL = INT32.pack(-1)


def read_text(body: bytes, at: int) -> tuple[str, int]:
    """A NUL-terminated UTF-8 text. Raises MalformedMessage without a NUL, CharacterNotInRepertoire if not UTF-8."""
    end = body.find(0, at)
    if end < 0:
        raise MalformedMessage("invalid string in message")
    try:
        return body[at:end].decode(), end + 1
    except UnicodeDecodeError as error:
        raise CharacterNotInRepertoire(invalid_bytes(error)) from None


def read_number(form: struct.Struct, body: bytes, at: int) -> tuple[int, int]:
    try:
        return form.unpack_from(body, at)[0], at + form.size
    except struct.error:
        raise MalformedMessage("insufficient data left in message") from None


def read_numbers(code: str, body: bytes, at: int) -> tuple[tuple[int, ...], int]:
    """A count, then as many numbers of one struct code (``h``, ``I``)."""
    count, at = read_number(UINT16, body, at)
    if not count:
        return (), at
    size = count * struct.calcsize(code)
    if at + size > len(body):
        raise MalformedMessage("insufficient data left in message")
    return struct.unpack_from(f"!{count}{code}", body, at), at + size


def read_value(body: bytes, at: int) -> tuple[bytes | None, int]:
    """A length, then as many bytes; -1 is NULL."""
    length, at = read_number(INT32, body, at)
    if length == -1:
        return None, at
    end = at + length
    if length < 0 or end > len(body):
        raise MalformedMessage("insufficient data left in message")
    return body[at:end], end


def read_values(body: bytes, at: int) -> tuple[tuple[bytes | None, ...], int]:
    """A count, then as many values."""
    count, at = read_number(UINT16, body, at)
    if not count:
        return (), at
    if count * INT32.size > len(body) - at:
        raise MalformedMessage("insufficient data left in message")
    values = []
    for _ in range(count):
        value, at = read_value(body, at)
        values.append(value)
    return tuple(values), at


def read_end(body: bytes, at: int) -> None:
    """Nothing may follow the last part."""
    if at != len(body):
        raise MalformedMessage("invalid message format")


def text(value: str) -> bytes:
    """Raises LocalProtocolError for a text with NUL in it, which no message can carry."""
    encoded = value.encode()
    if 0 in encoded:
        raise LocalProtocolError("a text on the wire cannot hold a NUL")
    return encoded + b"\0"


def numbers(code: str, values: tuple[int, ...]) -> bytes:
    return struct.pack(f"!H{len(values)}{code}", len(values), *values)


def value(content: bytes | None) -> bytes:
    return NULL if content is None else INT32.pack(len(content)) + content


def values(contents: Iterable[bytes | None]) -> bytes:
    parts = [value(content) for content in contents]
    return UINT16.pack(len(parts)) + b"".join(parts)


def invalid_bytes(error: UnicodeDecodeError) -> str:
    """PostgreSQL's text: the bytes of the first bad character, as many as its lead byte announces."""
    lead = error.object[error.start]
    length = 2 if lead >> 5 == 0b110 else 3 if lead >> 4 == 0b1110 else 4 if lead >> 3 == 0b11110 else 1
    shown = error.object[error.start : error.start + length]
    return 'invalid byte sequence for encoding "UTF8": ' + " ".join(f"0x{byte:02x}" for byte in shown)
