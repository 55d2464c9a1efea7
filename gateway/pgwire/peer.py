"""Whether a client is still there while its socket is not being read."""

import asyncio
import select
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

_GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR


def has_left(transport: asyncio.Transport) -> bool:
    """True once the peer has closed its side, even if unread bytes lie before the end.

    As PostgreSQL's `client_connection_check_interval` does, by POLLRDHUP.
    """
    client: socket.socket | None = transport.get_extra_info("socket")
    if client is None or client.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(client.fileno(), _GONE)
    return bool(poll.poll(0))
