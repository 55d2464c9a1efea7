"""RowDescription and small DataRows as bytes: made from described columns, or PostgreSQL's own with the portal's
formats put in.

Reference: PostgreSQL protocol, "Message Formats", RowDescription.
"""

import struct
from collections.abc import Iterator, Sequence

from catalog.types import Oid, ResultColumn
from gateway.pgwire.encode import spread_formats

_TAIL = struct.Struct("!IhIhih")
_LENGTHS: dict[int, int] = {
    Oid.BOOL: 1,
    Oid.CHAR: 1,
    Oid.NAME: 64,
    Oid.INT8: 8,
    Oid.INT2: 2,
    Oid.INT4: 4,
    Oid.OID: 4,
    Oid.FLOAT4: 4,
    Oid.FLOAT8: 8,
    Oid.UNKNOWN: -2,
    Oid.DATE: 4,
    Oid.TIME: 8,
    Oid.TIMESTAMP: 8,
    Oid.TIMESTAMPTZ: 8,
    Oid.INTERVAL: 16,
    Oid.UUID: 16,
}
"""typlen of the fixed-length types; every other is -1."""


def describe_rows(columns: Sequence[ResultColumn], formats: Sequence[int] = ()) -> bytes:
    """The RowDescription message of columns that come from no PostgreSQL table."""
    codes = spread_formats(formats, len(columns))
    body = [len(columns).to_bytes(2, "big")]
    for column, code in zip(columns, codes, strict=True):
        length = _LENGTHS.get(column.type.oid, -1)
        body.append(column.name.encode() + b"\0")
        body.append(_TAIL.pack(0, 0, column.type.oid, length, column.type.typmod, code))
    joined = b"".join(body)
    return b"T" + (len(joined) + 4).to_bytes(4, "big") + joined


def with_formats(message: bytes, formats: Sequence[int]) -> bytes:
    """PostgreSQL's RowDescription of a statement (all codes 0) as that of a portal with these formats."""
    if not any(formats):
        return message
    count = int.from_bytes(message[5:7], "big")
    codes = spread_formats(formats, count)
    changed = bytearray(message)
    at = 7
    for code in codes:
        at = changed.index(0, at) + 1 + _TAIL.size
        changed[at - 2 : at] = code.to_bytes(2, "big")
    return bytes(changed)


def encode_text_row(cells: Sequence[str | None]) -> bytes:
    """One DataRow message in text format."""
    body = [len(cells).to_bytes(2, "big")]
    for cell in cells:
        if cell is None:
            body.append(b"\xff\xff\xff\xff")
        else:
            text = cell.encode()
            body.append(len(text).to_bytes(4, "big") + text)
    joined = b"".join(body)
    return b"D" + (len(joined) + 4).to_bytes(4, "big") + joined


def split_rows(messages: bytes) -> Iterator[bytes]:
    """The DataRow messages, one by one, of a run of whole messages."""
    at = 0
    while at < len(messages):
        end = at + 1 + int.from_bytes(messages[at + 1 : at + 5], "big")
        if messages[at : at + 1] == b"D":
            yield messages[at:end]
        at = end
