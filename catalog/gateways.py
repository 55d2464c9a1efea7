"""The gateways that share a metastore: each has a number and an address, as long as it renews its lease.

The number is part of every process id that the gateway gives out, so that a cancel request that came to another one
finds its way. A number whose lease is over is given to the next gateway that asks.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from catalog.errors import InsufficientResources

LEASE_SECONDS = 60.0
LOWEST, HIGHEST = 2, 1023
"""Numbers from 2: process ids made of them are above all that Linux gives (2**22), so none is a backend's too."""

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
    """The account's table of them. `connection` lends one to its database, as the metastore's owner."""

    def __init__(self, connection: Callable[[], AbstractAsyncContextManager[AsyncConnection[Any]]]) -> None:
        self._connection = connection

    async def register(self, replica: str) -> int:
        """Takes a number for a new name. Raises InsufficientResources when all are in use."""
        async with self._connection() as connection, connection.transaction():
            await connection.execute(_LOCK)
            await connection.execute(_CLEAN)
            row = await (await connection.execute(_REGISTER.encode(), (replica, LEASE_SECONDS))).fetchone()
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

    async def find(self, *, replica: str | None = None, number: int | None = None) -> Peer | None:
        """A living gateway, by its name or its number; None where there is none or its address is not known yet."""
        async with self._connection() as connection:
            row = await (await connection.execute(_FIND, {"replica": replica, "number": number})).fetchone()
        return None if row is None else Peer(*row)

    async def living(self) -> frozenset[str]:
        """The names of all whose lease is not over."""
        query = "SELECT replica FROM lakegate.gateways WHERE expires_at > clock_timestamp()"
        async with self._connection() as connection:
            return frozenset(name for (name,) in await (await connection.execute(query)).fetchall())
