"""How scripts spell types, formats, values and bytes."""

import re
import struct
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from psycopg.postgres import types as registry
from psycopg.types.numeric import DecimalBinaryDumper

from gateway.pgwire.fields import INT32, UINT32, value

_FORMATS = {"text": 0, "binary": 1}
_TOKEN = re.compile(r'\s*(?:"([^"]*)"|int(16|32)=(-?\d+)|((?:[0-9a-f]{2})+)(?:\*(\d+))?)(?=\s|$)')


def read_types(spelled: str) -> tuple[int, ...]:
    """Names (``int4``, ``int4[]``) or OIDs, with commas between them. Raises ValueError for another name."""
    return tuple(map(_read_type, filter(None, spelled.split(","))))


def read_formats(spelled: str) -> tuple[int, ...]:
    """``text``, ``binary``, or any number, with commas between them."""
    words = filter(None, spelled.split(","))
    return tuple(_FORMATS[word] if word in _FORMATS else int(word) for word in words)


def read_values(spelled: str) -> tuple[bytes | None, ...]:
    """Values between bars: ``text …`` is what a parameter in text format holds, other types are spelled in binary."""
    return tuple(map(_read_value, spelled.split(" | "))) if spelled else ()


def read_bytes(spelled: str) -> bytes:
    """Texts in quotes, ``int16=`` and ``int32=`` in network order, and hexadecimal digits (``00``, ``ff*100``)."""
    content, at = b"", 0
    while spelled[at:].strip():
        match = _TOKEN.match(spelled, at)
        if match is None:
            raise ValueError(f"not bytes: {spelled[at:]}")
        text, size, number, digits, times = match.groups()
        if size:
            content += struct.pack("!h" if size == "16" else "!i", int(number))
        else:
            content += text.encode() if text is not None else bytes.fromhex(digits) * int(times or 1)
        at = match.end()
    return content


def _read_type(name: str) -> int:
    if name.isdecimal():
        return int(name)
    found = registry.get(name.removesuffix("[]"))
    if found is None:
        raise ValueError(f"no type is called {name}")
    return found.array_oid if name.endswith("[]") else found.oid


def _read_value(spelled: str) -> bytes | None:
    if spelled.strip() == "null":
        return None
    kind, _, literal = spelled.strip().partition(" ")
    return _encode_array(kind.removesuffix("[]"), literal) if kind.endswith("[]") else _BINARY[kind](literal)


def _encode_array(kind: str, literal: str) -> bytes:
    """One dimension, from 1. ``1,null,3``."""
    elements = [_read_value(element if element == "null" else f"{kind} {element}") for element in literal.split(",")]
    header = INT32.pack(1) + INT32.pack(int(None in elements)) + UINT32.pack(_read_type(kind))
    return header + INT32.pack(len(elements)) + INT32.pack(1) + b"".join(map(value, elements))


def _packed(code: str, read: Callable[[str], float] = int) -> Callable[[str], bytes]:
    return lambda literal: struct.pack(code, read(literal))


def _microseconds(literal: str) -> int:
    return (datetime.fromisoformat(literal).replace(tzinfo=UTC) - datetime(2000, 1, 1, tzinfo=UTC)) // timedelta(
        microseconds=1
    )


def _encode_interval(literal: str) -> bytes:
    """Months, days and microseconds."""
    months, days, microseconds = map(int, literal.split())
    return struct.pack("!qii", microseconds, days, months)


_BINARY: Mapping[str, Callable[[str], bytes]] = {
    "text": str.encode,
    "hex": bytes.fromhex,
    "bool": lambda literal: bytes([literal == "true"]),
    "int2": _packed("!h"),
    "int4": _packed("!i"),
    "int8": _packed("!q"),
    "float4": _packed("!f", float),
    "float8": _packed("!d", float),
    "numeric": lambda literal: bytes(DecimalBinaryDumper(Decimal).dump(Decimal(literal)) or b""),
    "date": lambda literal: struct.pack("!i", (date.fromisoformat(literal) - date(2000, 1, 1)).days),
    "timestamp": lambda literal: struct.pack("!q", _microseconds(literal)),
    "timestamptz": lambda literal: struct.pack("!q", _microseconds(literal)),
    "interval": _encode_interval,
    "uuid": lambda literal: UUID(literal).bytes,
}
