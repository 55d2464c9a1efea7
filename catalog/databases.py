"""The cluster's databases: one for the account, one a workspace. Made here, and brought to the newest revision."""

import asyncio
import re
import secrets
from contextlib import suppress
from typing import Any

from psycopg import AsyncConnection, sql
from psycopg.errors import DuplicateDatabase

from catalog.endpoint import Server
from catalog.errors import InvalidName
from catalog.migrations import History, migrate
from catalog.shadows import LONGEST_NAME

ACCOUNT_DATABASE = "lakegate"
_MAINTENANCE_DATABASE = "postgres"
_RESERVED = frozenset({ACCOUNT_DATABASE, _MAINTENANCE_DATABASE, "template0", "template1", "rdsadmin"})
_NO_FOLDERS = frozenset({"", ".", ".."})
_MEANT_OTHERWISE = re.compile(r"[/\\*?\[\]{}$%#:\x00-\x1f\x7f]")
"""In engines' patterns, URLs and variables."""
_KEY_BYTES = 32


def check_workspace_name(name: str) -> None:
    """Raises InvalidName for what cannot be a new workspace's database, or the name of its folder."""
    unfit = name in _RESERVED | _NO_FOLDERS or len(name.encode()) > LONGEST_NAME
    if unfit or _MEANT_OTHERWISE.search(name):
        raise InvalidName(f'"{name}" cannot be the name of a workspace')


async def prepare_database(server: Server, database: str, history: History) -> None:
    """Makes the database if it is missing and runs the revisions that it lacks. May be run again after any failure."""
    conninfo = server.owner_endpoint(_MAINTENANCE_DATABASE).conninfo()
    async with await AsyncConnection.connect(conninfo, autocommit=True) as connection:
        known = await connection.execute("SELECT FROM pg_database WHERE datname = %s", (database,))
        if known.rowcount == 0:
            with suppress(DuplicateDatabase):  # another replica was quicker
                await connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
    await asyncio.to_thread(migrate, server.owner_endpoint(database), history)


async def find_relay_key(connection: AsyncConnection[Any]) -> bytes:
    """The key that the roles' own passwords are derived from, made on first use."""
    async with connection.transaction():
        await connection.execute("LOCK TABLE lakegate.relay_key IN EXCLUSIVE MODE")
        row = await (await connection.execute("SELECT key FROM lakegate.relay_key")).fetchone()
        if row is not None:
            return bytes(row[0])
        key = secrets.token_bytes(_KEY_BYTES)
        await connection.execute("INSERT INTO lakegate.relay_key VALUES (%s)", (key,))
        return key
