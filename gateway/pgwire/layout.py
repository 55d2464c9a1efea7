"""What the codec knows of a kind of message: type byte, greatest length, how the body is written and read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from gateway.pgwire.fields import INT32, read_end

Message = TypeVar("Message")

STARTUP_LIMIT = 10_000
"""Bytes of a start-up packet: PostgreSQL's MAX_STARTUP_PACKET_LENGTH."""
LOGIN_LIMIT = 16 * 1024
"""Bytes of a message of the authentication dialogue. PostgreSQL 18 allows 64 KiB; the tokens of issuers are shorter."""
SMALL_LIMIT = 10_000
"""Bytes of a message that carries a name or nothing: PostgreSQL's PQ_SMALL_MESSAGE_LIMIT."""
LARGE_LIMIT = 64 * 1024 * 1024
"""Bytes of a message that carries SQL or values. PostgreSQL allows 1 GiB; here one message must not fill the memory."""
BACKEND_LIMIT = 2**30 - 1
"""Bytes of what a PostgreSQL server sends: it can make no larger value."""


@dataclass(frozen=True, slots=True)
class Layout(Generic[Message]):
    """`code` is the type byte. `limit` counts the bytes of the length field and the body, as the length field does."""

    code: bytes
    encode: Callable[[Message], bytes]
    decode: Callable[[bytes], Message]
    limit: int = SMALL_LIMIT


def bare(message: Message, code: bytes, limit: int = SMALL_LIMIT) -> Layout[Message]:
    """The layout of a message without a body."""

    def decode(body: bytes) -> Message:
        read_end(body, 0)
        return message

    return Layout(code, lambda _: b"", decode, limit)


def frame(code: bytes, body: bytes) -> bytes:
    """The type byte, the length of all that follows it, the body."""
    return code + INT32.pack(len(body) + INT32.size) + body
