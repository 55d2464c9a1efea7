"""One database of control tables: a pool, the cached state of its tables, and the channel that keeps the cache current.

Changes of one database happen one after another, but for those of blocks, which wait as PostgreSQL has it. The last
thing that each does is to raise the version, and to notify every replica, naming the tables that it touched: from
there to its COMMIT nothing is waited for. A replica that misses a step, or is cut off from the channel, reads again
instead of trusting its cache.
"""

import asyncio
import json
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from catalog.completion import complete
from catalog.connection import Connection
from catalog.endpoint import Endpoint
from catalog.errors import SqlError
from catalog.names import TableName
from catalog.translation import as_sql_errors

CHANNEL = "lakegate_version"
LOCK_SECONDS = 10
TURN = 0x6C616B65
"""The advisory lock of the changes that happen one after another."""
_OPTIONS = f"-c lock_timeout={LOCK_SECONDS}s -c search_path=pg_catalog"
"""With this path PostgreSQL writes every name of the lakehouse with its schema, and finds none without."""
_RETRY_SECONDS = 0.5
_OPEN_SECONDS = 15.0
_WAIT_SECONDS = 4.0
_POOL_SIZE = 8

_log = logging.getLogger(__name__)


class Versioned(Protocol):
    """Cached state: what all control tables of a database said at one version."""

    @property
    def version(self) -> int: ...


State = TypeVar("State", bound=Versioned)
Load = Callable[[AsyncConnection[Any]], Awaitable[State]]
Refresh = Callable[[AsyncConnection[Any], State, int, Iterable[TableName]], Awaitable[State]]


@dataclass(slots=True)
class Revision:
    """A change under way. `tables` are the only ones it touches; None stands for anything. `remark` is a
    notice for its client."""

    connection: Connection
    tables: set[TableName] | None = None
    remark: SqlError | None = None

    async def finish(self) -> int:
        """Raises the version, which it returns, and has every replica hear of it at COMMIT."""
        raised = "UPDATE lakegate.version SET version = version + 1 RETURNING version"
        row = await (await self.connection.execute(raised)).fetchone()
        description = _describe(row[0], self.tables)
        await self.connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, description))
        return int(row[0])


class ControlDatabase(Generic[State]):
    """`refresh` brings an old state up to a version of which the touched tables are known; without it all is loaded."""

    def __init__(
        self,
        endpoint: Endpoint,
        load: Load[State],
        refresh: Refresh[State] | None = None,
        channels: Mapping[str, Callable[[str], None]] | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._load = load
        self._refresh = refresh
        self._channels = dict(channels or {})
        self._pool = AsyncConnectionPool(
            endpoint.conninfo(application_name="lakegate"),
            min_size=1,
            max_size=_POOL_SIZE,
            timeout=_WAIT_SECONDS,
            reconnect_timeout=_WAIT_SECONDS,
            open=False,
            check=AsyncConnectionPool.check_connection,
            kwargs={"autocommit": True, "options": _OPTIONS},
        )
        self._state: State | None = None
        self._reading = asyncio.Lock()
        self._watch: asyncio.Task[None] | None = None
        self._is_current = asyncio.Event()
        self._openings = 0

    async def open(self) -> None:
        """Returns with the state loaded and the channel open."""
        try:
            with as_sql_errors():
                await self._pool.open(wait=True, timeout=_OPEN_SECONDS)
            await self._reload()
        except BaseException:
            await self.close()
            raise
        self._watch = asyncio.create_task(self._listen())
        await self._is_current.wait()

    async def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
        await self._pool.close()

    @property
    def state(self) -> State:
        """The cached state, at most the channel's delay old (older only while the channel is down)."""
        assert self._state is not None
        return self._state

    @property
    def hearing(self) -> int:
        """How often the channel was opened; 0 while it is not open."""
        return self._openings if self._is_current.is_set() else 0

    async def read(self) -> State:
        """The current state; asks PostgreSQL only while the channel is down."""
        return self.state if self._is_current.is_set() else await self.confirm()

    async def confirm(self) -> State:
        """The state as of now, which another replica may have changed a moment ago: costs one query."""
        async with self.connection() as connection:
            row = await (await connection.execute("SELECT version FROM lakegate.version")).fetchone()
        if row is None or row[0] != self.state.version:
            await self._reload()
        return self.state

    @asynccontextmanager
    async def change(self) -> AsyncIterator[Revision]:
        """One transaction that raises the version. On leaving, this replica's state holds the change, if it can.

        Errors of PostgreSQL come out as `SqlError`; any error rolls back.
        """
        with as_sql_errors():
            async with self._pool.connection() as connection, connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock(%s)", (TURN,))
                revision = Revision(connection)
                yield revision
                version = await revision.finish()
        await self.follow(version, revision.tables)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection[Any]]:
        """A connection as the metastore's owner, for reading."""
        with as_sql_errors():
            async with self._pool.connection() as connection:
                yield connection

    async def _listen(self) -> None:
        while True:
            try:
                await self._follow_channel()
            except (psycopg.Error, SqlError) as error:
                _log.warning("the metastore's change channel broke, trying again: %s", error)
            except Exception:
                # Whatever it is: nobody else would ever hear of a change again.
                _log.exception(
                    "unexpected error %s: the metastore's change channel broke, trying again", secrets.token_hex(4)
                )
            finally:
                self._is_current.clear()
            await asyncio.sleep(_RETRY_SECONDS)

    async def _follow_channel(self) -> None:
        conninfo = self._endpoint.conninfo(application_name="lakegate")
        async with await AsyncConnection.connect(conninfo, autocommit=True) as connection:
            for channel in (CHANNEL, *self._channels):
                await connection.execute(f"LISTEN {channel}".encode())
            await self._reload()
            self._openings += 1
            self._is_current.set()
            async for notice in connection.notifies():
                if receive := self._channels.get(notice.channel):
                    receive(notice.payload)
                else:
                    await self._advance(*_read_description(notice.payload))

    async def _reload(self) -> None:
        async with self._reading, self.connection() as connection:
            self._state = await self._load(connection)

    async def follow(self, version: int, tables: set[TableName] | None) -> None:
        """A change has been committed: the state holds it from then on, as `_advance` has it. Where that fails the
        channel brings it. Raises nothing, also when it is cancelled."""
        try:
            await complete(self._advance(version, tables))
        except (psycopg.Error, SqlError) as error:
            _log.warning("version %d cannot be read now: %s", version, error)

    async def _advance(self, version: int, tables: set[TableName] | None) -> None:
        """The state holds that version from then on, in which only those tables are others."""
        async with self._reading:
            if self.state.version >= version:
                return
            async with self.connection() as connection:
                if self._refresh is None or tables is None:
                    self._state = await self._load(connection)
                else:
                    self._state = await self._refresh(connection, self.state, version, tables)


def _describe(version: int, touched: set[TableName] | None) -> str:
    """The notification: a version and the touched tables, None for anything (also where they do not fit)."""
    tables = None if touched is None else [[name.schema, name.name] for name in touched]
    text = json.dumps([version, tables])
    return text if len(text) < 7900 else json.dumps([version, None])


def _read_description(payload: str) -> tuple[int, set[TableName] | None]:
    version, tables = json.loads(payload)
    return version, None if tables is None else {TableName(*pair) for pair in tables}
