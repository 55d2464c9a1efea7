"""Reading from a client that can pause, and still notices when the client leaves meanwhile."""

import asyncio
import select
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

CHECK_SECONDS = 1.0
"""How often a client is looked after while its socket is not read."""

_GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR


class Reading:
    """The reading side of one transport. asyncio does not see a closed socket that it does not read; this does."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._watch: asyncio.TimerHandle | None = None

    def pause(self) -> None:
        """Leaves what comes to the kernel, whose full buffers stop the client."""
        if self._watch is None:
            self._transport.pause_reading()
            self._watch = self._loop.call_later(CHECK_SECONDS, self._look_after)

    def resume(self) -> None:
        if self._watch is not None:
            self.end()
            self._transport.resume_reading()

    def end(self) -> None:
        """Looks after nobody any more."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _look_after(self) -> None:
        if has_left(self._transport):
            self._transport.abort()
        else:
            self._watch = self._loop.call_later(CHECK_SECONDS, self._look_after)


def has_left(transport: asyncio.Transport) -> bool:
    """True once the peer has closed its side, even if unread bytes lie before the end.

    As PostgreSQL's `client_connection_check_interval` does, by POLLRDHUP. A peer that left more behind than the kernel
    holds is noticed only when that is read.
    """
    client: socket.socket | None = transport.get_extra_info("socket")
    if client is None or client.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(client.fileno(), _GONE)
    return bool(poll.poll(0))
