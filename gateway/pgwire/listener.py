"""The listening socket and the doors that it opened: how many there may be, and how they are closed."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ssl import SSLContext
from typing import Any

from catalog.errors import TooManyConnections
from gateway.pgwire.door import Door
from gateway.pgwire.handler import Handler
from gateway.pgwire.proxy import Network

BACKLOG = 1024
"""Connections that the kernel holds until they are accepted."""


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms clients are let in.

    `cancel(pid, secret, peer)` carries out a CancelRequest; what it returns is the last that is said. `tls` None
    answers SSLRequest with a refusal. At most `max_connections` sessions, and as many connections again that have not
    logged in. Connections from `balancers` begin with a PROXY protocol header.
    """

    make_handler: Callable[[Door], Handler]
    cancel: Callable[[int, bytes, Any], Awaitable[bytes]]
    tls: SSLContext | None = None
    max_connections: int = 1000
    login_seconds: float = 60.0
    balancers: tuple[Network, ...] = ()


class Listener:
    """Opens a door for each client. Start it with `listen`, end it with `drain`."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self._doors: set[Door] = set()
        self._sessions = 0
        self._empty = asyncio.Event()
        self._empty.set()
        self._server: asyncio.Server | None = None

    async def listen(self, host: str, port: int) -> tuple[str, int]:
        """Accepts connections from now on. Returns the address bound (port 0 asks for a free one). Raises OSError."""
        self._server = await asyncio.get_running_loop().create_server(lambda: Door(self), host, port, backlog=BACKLOG)
        bound: tuple[str, int] = self._server.sockets[0].getsockname()[:2]
        return bound

    def open(self, door: Door) -> bool:
        """Registers a new connection; False if there are too many to talk to one more."""
        if len(self._doors) >= 2 * self.terms.max_connections:
            return False
        self._doors.add(door)
        self._empty.clear()
        return True

    def admit(self) -> None:
        """Counts a session in. Raises TooManyConnections; the client should come again later."""
        if self._sessions >= self.terms.max_connections:
            raise TooManyConnections("sorry, too many clients already")
        self._sessions += 1

    def forget(self, door: Door) -> None:
        """The door's last word: all that it held is given back."""
        self._doors.discard(door)
        self._sessions -= door.admitted
        if not self._doors:
            self._empty.set()

    async def drain(self, seconds: float) -> None:
        """Stops accepting and asks every client to go: idle ones now, busy ones after their statement.

        What still runs after `seconds` is cancelled. Returns when no door is left.
        """
        if self._server is not None:
            self._server.close()
        for door in tuple(self._doors):
            door.dismiss()
        try:
            await asyncio.wait_for(self._empty.wait(), seconds)
        except TimeoutError:
            for door in tuple(self._doors):
                door.evict()
            await self._empty.wait()
