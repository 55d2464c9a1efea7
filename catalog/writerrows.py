"""Who writes which table, over all gateways of a metastore: one writer a table.

A row is an advisory lock of the account's database, where no client of ours ever comes, held by a connection that a
gateway keeps for all of its own. So it is free the moment that its gateway is gone, however that ended, with no lease
to wait for. A metastore that does not answer in time loses the connection, and with it all rows, while their writers
may still be at work. That costs no block's commit, which is put only where nobody's is; but Spark's own, outside
blocks, looks first and renames then: two such of two gateways could lose one of them.

References: PostgreSQL documentation, "Advisory Locks"; libpq, "Parameter Key Words".
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import psycopg
from psycopg import AsyncConnection

from catalog.completion import complete
from catalog.endpoint import LIVELY, PATIENCE_SECONDS, Endpoint
from catalog.errors import CannotConnectNow
from catalog.names import TableName
from catalog.translation import as_sql_errors

_FIRST_WAIT, _LONGEST_WAIT = 0.02, 0.5
"""Seconds between two looks whether another gateway's writer is done."""


class WriterRows:
    """Those that one gateway holds. A table must not be asked for twice at once."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._connecting = asyncio.Lock()
        self._asking = asyncio.Lock()
        self._connection: AsyncConnection[Any] | None = None

    async def close(self) -> None:
        """Gives all back."""
        if self._connection is not None:
            await self._connection.close()

    @asynccontextmanager
    async def held(self, workspace: str, table: TableName) -> AsyncIterator[None]:
        """Entering waits for another gateway's writer. Raises CannotConnectNow without a metastore that answers."""
        named = "\0".join((workspace, table.schema, table.name)).encode()
        key = int.from_bytes(hashlib.blake2b(named, digest_size=8).digest(), signed=True)
        connection = await self._take(key)
        try:
            yield
        finally:
            # Where the connection is gone the row is free already.
            with suppress(psycopg.OperationalError, CannotConnectNow):
                await complete(self._ask(connection, "SELECT pg_advisory_unlock(%s)", key))

    async def _take(self, key: int) -> AsyncConnection[Any]:
        """The connection that holds it; a new one, where the metastore has ended the one before meanwhile."""
        connection = await self._connected()
        try:
            await self._wait(connection, key)
        except CannotConnectNow:
            connection = await self._connected()
            await self._wait(connection, key)
        return connection

    async def _connected(self) -> AsyncConnection[Any]:
        async with self._connecting:
            if self._connection is None or self._connection.closed:
                conninfo = self._endpoint.conninfo(application_name="lakegate writers", **LIVELY)
                with as_sql_errors():
                    self._connection = await AsyncConnection.connect(conninfo, autocommit=True)
            return self._connection

    async def _wait(self, connection: AsyncConnection[Any], key: int) -> None:
        wait = _FIRST_WAIT
        while True:
            with as_sql_errors():
                taken, cancelled = await complete(self._ask(connection, "SELECT pg_try_advisory_lock(%s)", key))
                if taken and cancelled:
                    await complete(self._ask(connection, "SELECT pg_advisory_unlock(%s)", key))
            if cancelled:
                raise asyncio.CancelledError
            if taken:
                return
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)

    async def _ask(self, connection: AsyncConnection[Any], query: str, key: int) -> bool:
        """Raises CannotConnectNow where no answer comes; the connection is closed then."""
        async with self._asking:
            question = asyncio.ensure_future(_put(connection, query, key))
            await asyncio.wait([question], timeout=PATIENCE_SECONDS)
            if question.done():
                return question.result()
            # The first is a cancel request to the server, for whose answer the question would wait.
            while not question.done():
                question.cancel()
                await asyncio.sleep(0)
            await connection.close()
        raise CannotConnectNow("the metastore does not answer", hint="Try again later.")


async def _put(connection: AsyncConnection[Any], query: str, key: int) -> bool:
    row = await (await connection.execute(query.encode(), (key,))).fetchone()
    return row is not None and bool(row[0])
