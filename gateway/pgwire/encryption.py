"""TLS on a connection that began without, after SSLRequest has been answered."""

import asyncio
import logging
from ssl import SSLContext

log = logging.getLogger(__name__)


async def start_tls(
    transport: asyncio.Transport, protocol: asyncio.Protocol, context: SSLContext
) -> asyncio.Transport | None:
    """The transport to use from now on; None when the handshake fails.

    Reading must be paused before the client is told to begin, or its first bytes would come to `protocol`. How long it
    may take is the caller's to say: cancel it, and close the transport.
    """
    loop = asyncio.get_running_loop()
    try:
        return await loop.start_tls(transport, protocol, context, server_side=True)
    except OSError as error:
        log.info("TLS handshake with %s failed: %s", transport.get_extra_info("peername"), error)
        return None
