"""TLS on a connection that began without: after SSLRequest has been answered, or from the client's first byte.

What TLS tells of a client (the name it asked for, its certificate) is read off the finished handshake here, too.
"""

import asyncio
import logging
import ssl
from typing import TYPE_CHECKING, NamedTuple, cast

if TYPE_CHECKING:
    from gateway.pgwire.wire import Wire

ALPN = "postgresql"
"""The protocol's registered name, which a client that begins with TLS must ask for: no browser or mail client can be
led here with bytes that were meant for another server. As PostgreSQL 17 demands."""

log = logging.getLogger(__name__)


class Handshake(ssl.SSLObject):
    """One connection's TLS. `server_name` is the name that the client asked for (SNI), None if it did not."""

    server_name: str | None = None


class Cipher(NamedTuple):
    """As the ssl module tells it."""

    name: str
    protocol: str
    bits: int


async def start_tls(
    transport: asyncio.Transport, protocol: "Wire", context: ssl.SSLContext, hello: bytes = b""
) -> asyncio.Transport | None:
    """The transport to use from now on; None when the handshake fails.

    Reading must be paused before the client is told to begin, or its first bytes would come to `protocol`: those that
    have, where a client begins unasked, are `hello`, and then ALPN is demanded. How long it may take is the caller's
    to say: cancel it, and close the transport.
    """
    loop = asyncio.get_running_loop()
    if hello:
        # Runs after start_tls has put its layer on the transport, and before that layer begins.
        loop.call_soon(_hand_over, transport, hello)
    try:
        upgraded = await loop.start_tls(transport, protocol, context, server_side=True)
    except OSError as error:
        log.info("TLS handshake with %s failed: %s", protocol.peer, error)
        return None
    assert upgraded is not None, "the handshake has ended well"
    if hello and upgraded.get_extra_info("ssl_object").selected_alpn_protocol() != ALPN:
        log.info("TLS handshake with %s failed: it began at once, but without ALPN %r", protocol.peer, ALPN)
        return None
    return upgraded


def _hand_over(transport: asyncio.Transport, received: bytes) -> None:
    """Gives the loop's TLS layer, which is the transport's protocol now, what was read before it was."""
    layer = cast("asyncio.BufferedProtocol", transport.get_protocol())
    view = memoryview(received)
    while view:
        buffer = memoryview(layer.get_buffer(len(view)))
        size = min(len(buffer), len(view))
        buffer[:size] = view[:size]
        layer.buffer_updated(size)
        view = view[size:]
