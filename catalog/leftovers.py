"""Folders that are to be removed, unless they are a table's: those of tables that were dropped, and of tables that are
being made.

Each is written down before anything is made there, or in the transaction that drops its table. Whoever makes one, or
registers what lies there, shares an advisory lock on it as long; who removes it has that alone. So a killed gateway's
folder is known by its lock being free, and the metastore alone says what became of the table.
"""

import asyncio
import logging
import posixpath
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection

from catalog.beneath import by_descriptor, reach, remove, walk
from catalog.completion import complete
from catalog.connection import Connection, fetch
from catalog.endpoint import LIVELY, Endpoint
from catalog.errors import SqlError
from catalog.locations import is_below
from catalog.logfiles import LOG
from catalog.owner import acting_as, find_owner
from catalog.translation import as_sql_errors

_log = logging.getLogger(__name__)
_KEY = "hashtextextended(location, 0)"
_HOLD = "SELECT pg_advisory_xact_lock_shared(hashtextextended(%s, 0))"
_CLAIM = f"""
SELECT pg_advisory_xact_lock_shared({_KEY}) FROM unnest(%(here)s::text[]) AS t (location)
UNION ALL
SELECT pg_advisory_xact_lock_shared({_KEY}) FROM lakegate.leftovers
WHERE EXISTS (SELECT FROM unnest(%(here)s::text[]) AS t (below) WHERE starts_with(below, location || '/'))"""
_NOTE = "INSERT INTO lakegate.leftovers VALUES (%s) ON CONFLICT DO NOTHING"
_KEEP = "SELECT pg_advisory_lock_shared(hashtextextended(%s, 0))"
_TRY = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
_GIVE_UP = "SELECT pg_advisory_unlock(hashtextextended(%s, 0))"
_JUDGE = """
SELECT EXISTS (SELECT FROM lakegate.tables t WHERE t.location = l.location),
       EXISTS (SELECT FROM lakegate.tables t WHERE t.location <> '' AND (
           starts_with(t.location, l.location || '/') OR starts_with(l.location, t.location || '/')))
FROM lakegate.leftovers l WHERE l.location = %s"""
_FORGET = "DELETE FROM lakegate.leftovers WHERE location = %s"


async def hold(connection: Connection, location: str) -> None:
    """Nobody removes the folder before this transaction is over. Comes before `note`."""
    await connection.execute(_HOLD, (location,))


async def claim(connection: Connection, locations: Sequence[str]) -> None:
    """`hold` for each, and for what is to be removed with a folder above."""
    await connection.execute(_CLAIM, {"here": list(locations)})


async def note(connection: Connection, location: str) -> None:
    """Writes it down."""
    await connection.execute(_NOTE, (location,))


async def leave(connection: Connection, location: str) -> None:
    """The folder is to go when this transaction has dropped its table. Who forgets it just now, as it is still a
    table's, is waited for: the note would be forgotten, too."""
    await hold(connection, location)
    await note(connection, location)


class Leftovers:
    """One workspace's, as one gateway sees to them; `endpoint` is its database's, `root` the folder of all workspaces'
    folders. Files take long, so none of the connections that others wait for is kept meanwhile."""

    def __init__(self, endpoint: Endpoint, root: str) -> None:
        self._endpoint = endpoint
        self._root = root
        self._rooms: dict[str, AsyncConnection[Any]] = {}
        self._is_wanted = False
        self._clearing: asyncio.Task[None] | None = None

    def clear(self) -> None:
        """Begins to remove all that nobody holds, and does not wait for it. What cannot be removed is tried again the
        next time."""
        self._is_wanted = True
        if self._clearing is None or self._clearing.done():
            self._clearing = asyncio.create_task(self._clear())

    async def close(self) -> None:
        """The folder that is being removed is the last."""
        if self._clearing is not None:
            self._clearing.cancel()
            await asyncio.wait([self._clearing])

    @asynccontextmanager
    async def making(self, location: str) -> AsyncIterator[None]:
        """A table is made there outside blocks: the folder goes at the end, unless it is a table's then. Raises
        SqlError."""
        with as_sql_errors():
            room = await self._connect()
        try:
            with as_sql_errors():
                await room.execute(_KEEP, (location,))
                await note(room, location)
            self._rooms[location] = room
            yield
        finally:
            self._rooms.pop(location, None)
            await room.close()
            self.clear()

    async def confirm(self, location: str) -> None:
        """Nobody can have removed what was made there by `making`. Raises SqlError."""
        room = self._rooms.get(location)
        if room is not None:
            with as_sql_errors():
                await room.execute("SELECT")

    async def _connect(self) -> AsyncConnection[Any]:
        conninfo = self._endpoint.conninfo(application_name="lakegate folders", **LIVELY)
        return await AsyncConnection.connect(conninfo, autocommit=True)

    async def _clear(self) -> None:
        while self._is_wanted:
            self._is_wanted = False
            try:
                with as_sql_errors():
                    async with await self._connect() as connection:
                        await _clear_all(connection, self._root)
            except SqlError as error:
                _log.warning("folders without a table are not looked for: %s", error.message)


async def _clear_all(connection: AsyncConnection[Any], root: str) -> None:
    for (location,) in await fetch(connection, "SELECT location FROM lakegate.leftovers"):
        ((is_free,),) = await fetch(connection, _TRY, (location,))
        if is_free:
            try:
                await _clear_one(connection, location, root)
            finally:
                await connection.execute(_GIVE_UP, (location,))


async def _clear_one(connection: AsyncConnection[Any], location: str, root: str) -> None:
    """Forgets it once it has gone, or is a table's. It stays, and known, while a table lies below it or above."""
    # A statement of its own sees what whoever had the lock has committed.
    for is_table, is_shared in await fetch(connection, _JUDGE, (location,)):
        gone, cancelled = is_table, False
        if not is_table and not is_shared:
            gone, cancelled = await complete(asyncio.to_thread(_remove, location, root))
        if gone:
            await connection.execute(_FORGET, (location,))
        if cancelled:
            raise asyncio.CancelledError


def _remove(location: str, root: str) -> bool:
    """Whether nothing is there now. The log goes first: what is left without it is no table. A link that a machine has
    planted leads nowhere, and stays."""
    try:
        with reach(*_split(location, root)) as (place, name), acting_as(find_owner(place)):
            with walk(by_descriptor(place), name) as folder:
                remove(folder, LOG)
            remove(place, name)
    except FileNotFoundError:
        return True
    except OSError as error:
        _log.warning("%s is not removed: %s", location, error)
        return False
    return True


def _split(location: str, root: str) -> tuple[str, str]:
    """A folder that no machine can put elsewhere, and the way from there."""
    below = posixpath.relpath(location, root) if is_below(location, root) else ""
    workspace, _, path = below.partition("/")
    return (posixpath.join(root, workspace), path) if path else posixpath.split(location)
