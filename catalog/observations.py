"""What a gateway has seen of tables' newest versions: rows, sizes and properties, on their way into the metastore.

PostgreSQL's own statistics of a shadow (`pg_class.reltuples` and `relpages`) and the control table `snapshots` are
written together, and only when a version is new here: a read of a known version writes nothing. They are written when
somebody asks for them, after a write, and soon after they were seen, for the other gateways.

Rows are the files' `numRecords`: an estimate as PostgreSQL's, because what deletion vectors hide is counted. A file
without that number makes the table's rows unknown, which is -1 in PostgreSQL.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import pyarrow.compute as pc
from psycopg.errors import LockNotAvailable

from catalog.connection import Connection, fetch
from catalog.control import TURN, ControlDatabase
from catalog.errors import SqlError
from catalog.inventory import Inventory
from catalog.snapshots import Snapshot

DELAY_SECONDS = 2.0
"""How long what was seen waits for more."""

_log = logging.getLogger(__name__)
_IMPATIENT = "SET LOCAL lock_timeout = '20ms'"
_RECORD = """
WITH seen AS (SELECT * FROM jsonb_to_recordset(%s) AS s (
    table_id bigint, version bigint, files bigint, bytes bigint, rows bigint, partition_columns text[], delta_id text,
    created_at double precision, properties jsonb, reader_version integer, writer_version integer, features text[])),
newer AS (
    INSERT INTO lakegate.snapshots AS k
    SELECT s.table_id, s.version, s.files, s.bytes, s.rows, s.partition_columns, s.delta_id,
           to_timestamp(s.created_at), s.properties, s.reader_version, s.writer_version, s.features
    FROM seen s JOIN lakegate.tables t ON t.id = s.table_id
    ON CONFLICT (table_id) DO UPDATE SET (version, files, bytes, rows, partition_columns, delta_id, created_at,
        properties, reader_version, writer_version, features) = (excluded.version, excluded.files, excluded.bytes,
        excluded.rows, excluded.partition_columns, excluded.delta_id, excluded.created_at, excluded.properties,
        excluded.reader_version, excluded.writer_version, excluded.features)
    WHERE k.delta_id <> excluded.delta_id OR k.version <= excluded.version
    RETURNING table_id, bytes, rows)
SELECT pg_restore_relation_stats(
    'schemaname', n.nspname::text, 'relname', c.relname::text,
    'relpages', least(ceil(coalesce(newer.bytes, 0) / 8192.0), 2147483647)::integer,
    'reltuples', coalesce(newer.rows, -1)::real)
FROM newer JOIN lakegate.tables t ON t.id = newer.table_id
JOIN pg_class c ON c.oid = t.shadow JOIN pg_namespace n ON n.oid = c.relnamespace
"""


@dataclass(frozen=True, slots=True)
class Observation:
    """A table's newest version; None is not known. `created_at` is in seconds since 1970."""

    table_id: int
    version: int
    files: int | None
    bytes: int | None
    rows: int | None
    partition_columns: tuple[str, ...]
    delta_id: str
    created_at: float | None
    properties: Mapping[str, str]
    reader_version: int
    writer_version: int
    features: tuple[str, ...]


def observe(table_id: int, snapshot: Snapshot) -> Observation:
    """What the metastore is told of a snapshot."""
    readable, log = snapshot.readable, snapshot.log
    return Observation(
        table_id=table_id,
        version=snapshot.version,
        files=snapshot.files.num_rows if readable else None,
        bytes=snapshot.size_bytes if readable else None,
        rows=_count_rows(snapshot) if readable else None,
        partition_columns=snapshot.partition_columns,
        delta_id=log.id,
        created_at=None if log.created is None else log.created / 1000,
        properties=dict(log.properties),
        reader_version=log.reader_version,
        writer_version=log.writer_version,
        features=tuple(sorted(log.features)),
    )


async def record(connection: Connection, *seen: Observation) -> None:
    """Writes them down, but for versions older than those known. Not beside a change of the same table: see `write`."""
    await connection.execute(_RECORD, (json.dumps([asdict(each) for each in seen]),))


class Observations:
    """One workspace's. `write` writes some down, in order with the workspace's changes; False says that it could not
    now."""

    def __init__(self, write: Callable[[tuple[Observation, ...]], Awaitable[bool]]) -> None:
        self._write = write
        self._known: dict[int, tuple[str, int]] = {}
        self._pending: dict[int, Observation] = {}
        self._flushing = asyncio.Lock()
        self._later: asyncio.Task[None] | None = None

    def note(self, table_id: int, snapshot: Snapshot) -> None:
        """Costs next to nothing for a version that was noted before."""
        version = snapshot.log.id, snapshot.version
        if self._known.get(table_id) != version:
            self._known[table_id] = version
            self._pending[table_id] = observe(table_id, snapshot)
            if self._later is None or self._later.done():
                self._later = asyncio.create_task(self._write_later())

    @property
    def written(self) -> bool:
        """Whether all that was noted is."""
        return not (self._pending or self._flushing.locked())

    async def flush(self) -> None:
        """Writes down what is not yet, and what another is at. Raises SqlError."""
        async with self._flushing:
            seen, self._pending = self._pending, {}
            written = False
            try:
                written = not seen or await self._write(tuple(seen.values()))
            finally:
                if not written:
                    self._pending = seen | self._pending

    async def close(self) -> None:
        """What is pending is seen again by whoever reads next."""
        if self._later is not None:
            self._later.cancel()
            await asyncio.gather(self._later, return_exceptions=True)

    async def _write_later(self) -> None:
        while True:
            await asyncio.sleep(DELAY_SECONDS)
            try:
                await self.flush()
            except SqlError as error:
                _log.warning("statistics of tables could not be written, trying again: %s", error.message)
            if not self._pending:
                return


async def write_down(database: ControlDatabase[Inventory], seen: Sequence[Observation]) -> bool:
    """False while a change is under way, which it must not run into, or a block keeps one of the tables."""
    async with database.connection() as connection:
        try:
            async with connection.transaction():
                ((is_free,),) = await fetch(connection, "SELECT pg_try_advisory_xact_lock_shared(%s)", (TURN,))
                if is_free:
                    await connection.execute(_IMPATIENT)
                    await record(connection, *seen)
                return bool(is_free)
        except LockNotAvailable:
            return False


def _count_rows(snapshot: Snapshot) -> int | None:
    counts = snapshot.files.column("num_records")
    return None if counts.null_count else pc.sum(counts).as_py() or 0
