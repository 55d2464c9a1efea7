"""Folders that are to be removed, unless they are a table's: those of tables that were dropped, and of tables that a
block is making.

Each is written down before anything is made there, or in the transaction that drops its table. Whoever makes one holds
an advisory lock on it to the end of its transaction, so that a killed gateway's folder is known by its lock being free,
and the metastore alone says what became of the table.
"""

import asyncio
import logging
import shutil
from typing import Any

from psycopg import AsyncConnection

from catalog.connection import Connection, fetch

_log = logging.getLogger(__name__)
_HOLD = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
_NOTE = "INSERT INTO lakegate.leftovers VALUES (%s) ON CONFLICT DO NOTHING"
_TRY = "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))"
_REMOVE = """DELETE FROM lakegate.leftovers l WHERE location = %s
             RETURNING NOT EXISTS (SELECT FROM lakegate.tables t WHERE t.location = l.location)"""


async def hold(connection: Connection, location: str) -> None:
    """Nobody else removes the folder before this transaction is over. Comes before `note`."""
    await connection.execute(_HOLD, (location,))


async def note(connection: Connection, location: str) -> None:
    """Writes it down."""
    await connection.execute(_NOTE, (location,))


async def clear(connection: AsyncConnection[Any]) -> None:
    """Removes all that nobody holds. Each is forgotten only once it has gone."""
    for (location,) in await fetch(connection, "SELECT location FROM lakegate.leftovers"):
        async with connection.transaction():
            ((is_free,),) = await fetch(connection, _TRY, (location,))
            # A statement of its own sees what whoever had the lock has committed.
            for (is_nobodys,) in await fetch(connection, _REMOVE, (location,)) if is_free else ():
                if is_nobodys:
                    await asyncio.to_thread(_remove, location)


def _remove(location: str) -> None:
    try:
        shutil.rmtree(location)
    except FileNotFoundError:
        return
    except OSError as error:
        _log.warning("%s is not removed: %s", location, error)
