"""Messages to bytes and back, for both sides; and the borders of messages in a buffer.

The layouts themselves are in `startup`, `frontend` and `backend`. Which messages may come when is `connection`'s.
"""

from collections.abc import Callable
from typing import Any

from gateway.pgwire import backend, frontend, messages, startup
from gateway.pgwire.fields import INT32
from gateway.pgwire.layout import Layout, frame
from gateway.pgwire.messages import BackendMessage, FrontendMessage

HEADER_SIZE = 5
"""Bytes of the type byte and the length."""

LAYOUTS: dict[type[FrontendMessage] | type[BackendMessage], Layout[Any]] = dict(
    (*backend.LAYOUTS.items(), *frontend.LAYOUTS.items())
)

RELAYED = frozenset(b"123nstTDCIdc")
"""Types of the backend's messages that a relay may forward as they are: they change no state and name no server."""


def encode(message: FrontendMessage | BackendMessage) -> bytes:
    """The whole message. Raises LocalProtocolError for a text with NUL, struct.error for a number out of range."""
    return _ENCODERS[type(message)](message)


def split(buffer: bytes, start: int = 0, kinds: frozenset[int] = RELAYED) -> int:
    """Where the run of whole messages that begins at `start` ends: before the first that is cut off or not of `kinds`.

    Only type bytes and lengths are read, so a run of rows costs little. Lengths are not checked against limits: for
    bytes of a server that one has logged in to.
    """
    end, size, unpack = start, len(buffer), INT32.unpack_from
    while end + HEADER_SIZE <= size and buffer[end] in kinds:
        following: int = end + 1 + unpack(buffer, end + 1)[0]
        if not end + HEADER_SIZE <= following <= size:
            break
        end = following
    return end


def _encoder(layout: Layout[Any]) -> Callable[[Any], bytes]:
    code, body = layout.code, layout.encode
    return lambda message: frame(code, body(message))


def _constant(message: FrontendMessage | BackendMessage) -> Callable[[Any], bytes]:
    encoded = _encoder(LAYOUTS[type(message)])(message)
    return lambda _: encoded


_ENCODERS: dict[type[FrontendMessage] | type[BackendMessage], Callable[[Any], bytes]] = {
    **{cls: _encoder(layout) for cls, layout in LAYOUTS.items()},
    **{
        type(message): _constant(message)
        for message in (
            messages.ParseComplete(),
            messages.BindComplete(),
            messages.CloseComplete(),
            messages.NoData(),
            messages.EmptyQueryResponse(),
            messages.PortalSuspended(),
            messages.Sync(),
        )
    },
    **dict.fromkeys(
        (
            messages.SSLRequest,
            messages.GSSENCRequest,
            messages.ClientHello,
            messages.CancelRequest,
            messages.StartupMessage,
        ),
        startup.encode,
    ),
    messages.EncryptionResponse: lambda message: message.answer,
    messages.Encoded: lambda message: message.content,
}
