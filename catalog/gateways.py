"""The gateways that share a metastore: each has a number and an address, as long as it renews its lease.

The number is part of every process id that the gateway gives out, so that a cancel request that came to another one
finds its way. A number whose lease is over is given to the next gateway that asks.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from catalog.errors import InsufficientResources

CHANNEL = "lakegate_gateways"
"""Of the account's database: one has come or gone."""
LEASE_SECONDS = 60.0
LOWEST, HIGHEST = 2, 1023
"""Numbers from 2: process ids made of them are above all that Linux gives (2**22), so none is a backend's too."""

_KNOWN_SECONDS = LEASE_SECONDS / 4
"""How long it is taken for true who lives, unless one comes or goes: as often as leases are renewed."""

_TELL = f"SELECT pg_notify('{CHANNEL}', '')".encode()
_LOCK = "LOCK TABLE lakegate.gateways IN SHARE ROW EXCLUSIVE MODE"
_CLEAN = "DELETE FROM lakegate.gateways WHERE expires_at < clock_timestamp()"
_REGISTER = f"""INSERT INTO lakegate.gateways (number, replica, expires_at)
    SELECT min(n), %s, clock_timestamp() + %s * interval '1 second' FROM generate_series({LOWEST}, {HIGHEST}) n
    WHERE n NOT IN (SELECT number FROM lakegate.gateways) HAVING min(n) IS NOT NULL RETURNING number"""
_RENEW = """UPDATE lakegate.gateways SET (host, port, certificate) = (%s, %s, %s),
    expires_at = clock_timestamp() + %s * interval '1 second' WHERE replica = %s"""
_FIND = """SELECT replica, host, port, certificate FROM lakegate.gateways
    WHERE (replica = %(replica)s OR number = %(number)s) AND host IS NOT NULL AND expires_at > clock_timestamp()"""


@dataclass(frozen=True, slots=True)
class Peer:
    """Another gateway's listener; `certificate` is the SHA-256 of what it shows."""

    replica: str
    host: str
    port: int
    certificate: bytes


class Gateways:
    """The account's table of them. `connection` lends one to its database, as the metastore's owner; `hearing` tells
    since which opening of its channel notices come, 0: none do."""

    def __init__(
        self,
        connection: Callable[[], AbstractAsyncContextManager[AsyncConnection[Any]]],
        hearing: Callable[[], int],
    ) -> None:
        self._connection = connection
        self._hearing = hearing
        self._notices = 0
        self._living: frozenset[str] = frozenset()
        self._known = (0, 0)
        self._known_until = 0.0

    def notice(self, _: str) -> None:
        """One has come or gone."""
        self._notices += 1

    async def register(self, replica: str) -> int:
        """Takes a number for a new name. Raises InsufficientResources when all are in use."""
        async with self._connection() as connection, connection.transaction():
            await connection.execute(_LOCK)
            await connection.execute(_CLEAN)
            row = await (await connection.execute(_REGISTER.encode(), (replica, LEASE_SECONDS))).fetchone()
            await connection.execute(_TELL)
        if row is None:
            raise InsufficientResources(f"there are {HIGHEST - LOWEST + 1} gateways already")
        return int(row[0])

    async def renew(self, own: Peer) -> bool:
        """Says that it lives, and where. False when its lease was over and somebody has taken its place."""
        async with self._connection() as connection:
            values = (own.host, own.port, own.certificate, LEASE_SECONDS, own.replica)
            return (await connection.execute(_RENEW, values)).rowcount == 1

    async def leave(self, replica: str) -> None:
        """Gives the number back."""
        async with self._connection() as connection:
            await connection.execute("DELETE FROM lakegate.gateways WHERE replica = %s", (replica,))
            await connection.execute(_TELL)

    async def find(self, *, replica: str | None = None, number: int | None = None) -> Peer | None:
        """A living gateway, by its name or its number; None where there is none or its address is not known yet."""
        async with self._connection() as connection:
            row = await (await connection.execute(_FIND, {"replica": replica, "number": number})).fetchone()
        return None if row is None else Peer(*row)

    async def living(self) -> frozenset[str]:
        """The names of all whose lease is not over, from memory while the metastore's notices come."""
        now, heard = asyncio.get_running_loop().time(), (self._hearing(), self._notices)
        if not heard[0] or heard != self._known or now > self._known_until:
            query = "SELECT replica FROM lakegate.gateways WHERE expires_at > clock_timestamp()"
            async with self._connection() as connection:
                rows = await (await connection.execute(query)).fetchall()
            self._living = frozenset(name for (name,) in rows)
            self._known, self._known_until = heard, now + _KNOWN_SECONDS
        return self._living
