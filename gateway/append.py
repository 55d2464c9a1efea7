"""What the gateway puts behind a table's rows itself, in one commit and without Spark (`planner.appends` says when).

Lifecycle
    Rows are staged as a Parquet file in a block's folder. Then, as the table's next writer, the file gets a name below
    the table's folder and the commit its own in the log (`catalog.commit`); in a block that is the block's own copy of
    the table. Whatever happens before leaves the table as it was. What turns out not to be possible in this way is
    Spark's to do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from catalog.append import NewFile, append, create
from catalog.checkpoint import is_due, make_checkpoint
from catalog.commit import Origin, withdraw
from catalog.completion import complete_in_thread
from catalog.errors import FeatureNotSupported, OutOfMemory, ProgramLimitExceeded, SerializationFailure
from catalog.locations import BLOCKS
from catalog.owner import Owner, acting_as, find_owner
from catalog.statistics import Statistics
from gateway.copy.fitting import Fitting, file_schema
from gateway.copy.staging import FILE, Staging
from gateway.files import find_writer, run_on_files
from gateway.query import COUNTED_TAGS
from planner.newtables import NEW

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    import pyarrow as pa

    from catalog.catalog import Catalog
    from catalog.snapshots import Snapshot
    from gateway.executor import Executor
    from gateway.portal import Portal
    from gateway.reserve import Reserve
    from gateway.result import Result
    from gateway.session import Session
    from planner.plan import Query

MOST_BYTES = 1 << 30
"""Of Parquet, from one INSERT: Spark writes what is more."""
_SPARKS = (FeatureNotSupported, OutOfMemory, ProgramLimitExceeded, SerializationFailure)
"""What may be no error to Spark, which begins anew."""


class Rows:
    """Rows for one table on their way, in a folder of the workspace's blocks."""

    def __init__(
        self, catalog: Catalog, workspace: str, table: Snapshot, reserve: Reserve, most: int = MOST_BYTES
    ) -> None:
        schema = file_schema(table)
        self.table = table
        self.is_first = table.version == NEW
        self._statistics = Statistics(schema.names, table.log.properties)
        self._folder = Path(catalog.scratch_location(workspace, BLOCKS, table.table.name))
        watch = self._statistics.add
        self.staging = Staging(str(self._folder), schema, most, clear=withdraw, watch=watch, reserve=reserve)
        self._workspace = self._folder.parents[1]
        self._reserve = reserve
        self._owner: Owner
        root, id_ = (str(self._workspace), str(uuid4())) if self.is_first else (table.root, table.log.id)
        self._origin = Origin(table.table, table.location, root, id_, table.version, strict=False)

    def open(self) -> None:
        """Before a machine is woken for them. Blocking. Raises DiskFull, OSError."""
        self._reserve.require()
        self.staging.open()

    def put(self) -> int:
        """They become the table's: its version then. Blocking. Raises SerializationFailure, FeatureNotSupported,
        OSError."""
        staging = self.staging
        file = NewFile(FILE, staging.size, staging.rows, self._statistics.write()) if staging.rows else None
        self._owner = self._find_owner()
        with acting_as(self._owner):
            if self.is_first:
                return create(self._origin, self._folder, self.table, file)
            assert file is not None, "rows to append"
            return append(self._origin, self._folder, file)

    def finish(self, version: int) -> None:
        """What a table's log needs now and then after a commit. Blocking."""
        if is_due(version, self.table.log.properties):
            make_checkpoint(self._origin.log, version, self._owner)

    def _find_owner(self) -> Owner:
        return find_owner(self._workspace) if self.is_first else find_writer(self._origin.log, self._workspace)


@dataclass(frozen=True, slots=True)
class Way:
    """How an append goes on when its rows are staged: at its `turn` among the table's writers, in the `room` of a table
    that it makes; `settle` follows it into the catalog. `drafted`: to a block's own copy. `otherwise` has Spark do it,
    None where it may not."""

    turn: AbstractAsyncContextManager[None]
    room: AbstractAsyncContextManager[None]
    settle: Callable[[], Awaitable[None]]
    drafted: bool
    otherwise: Callable[[], Awaitable[Result]] | None


class AppendResult:
    """A `gateway.result.Result` that appends. `fill` stages the rows of which none is staged yet, and the folder is
    then removed here."""

    row_description = b""

    def __init__(self, tag: str, rows: Rows, way: Way, fill: Callable[[], Awaitable[None]] | None = None) -> None:
        self.tag: str | None = None
        self._tag = tag
        self._rows = rows
        self._way = way
        self._fill = fill
        self._spark: Result | None = None
        self._open = True

    @property
    def held(self) -> bool:
        return self._open

    async def fetch(self, max_rows: int) -> AsyncIterator[bytes]:
        """Appends them, or has Spark do it. Raises SqlError; the table is as it was then."""
        async with self._way.room:
            is_done = await self._append()
            if is_done:
                await self._way.settle()
        if not is_done:
            assert self._way.otherwise is not None, "it was to be appended"
            self._spark = await self._way.otherwise()
            async for content in self._spark.fetch(max_rows):
                yield content
        counted = f"{self._tag} {self._rows.staging.rows}" if self._tag in COUNTED_TAGS else self._tag
        self.tag = counted if self._spark is None else self._spark.tag
        await self.close()

    async def _append(self) -> bool:
        """Whether that is Spark's no more."""
        rows, name = self._rows, self._rows.table.table
        try:
            if self._fill is not None:
                await self._fill()
            if rows.staging.rows or rows.is_first:
                async with self._way.turn:
                    version = await run_on_files(rows.put, name, certain=True)
                if not self._way.drafted:
                    await run_on_files(partial(rows.finish, version), name, certain=True)
        except _SPARKS:
            if self._way.otherwise is None:
                raise
            return False
        return True

    async def close(self) -> None:
        self._open = False
        if self._spark is not None:
            await self._spark.close()
        if self._fill is not None:
            await complete_in_thread(self._rows.staging.discard)


def open_insert(
    executor: Executor, session: Session, catalog: Catalog, query: Query, portal: Portal, values: pa.RecordBatch | None
) -> AppendResult:
    """The result of an INSERT or CREATE TABLE whose rows DuckDB gives."""
    assert query.appends_to is not None, "planned to be appended"
    rows = Rows(catalog, session.workspace, query.appends_to, executor.reserve)
    fitting = Fitting(query.appends_to, session.variables)
    reading = replace(query, tag="SELECT", writes=None, then=None, location=None, appends_to=None)
    fill = partial(_fill, rows, fitting, partial(executor.read, reading, values) if query.sql else None)
    otherwise = partial(executor.open_on_spark, portal) if executor.may_use_spark() else None
    return AppendResult(query.tag, rows, executor.find_way(query, otherwise), fill)


async def _fill(rows: Rows, fitting: Fitting, read: Callable[[], AsyncIterator[pa.RecordBatch]] | None) -> None:
    """Raises what the engine raises, and what the table has against a row."""
    staging, name = rows.staging, rows.table.table
    await run_on_files(rows.open, name)
    if read is not None:
        async for batch in read():
            await run_on_files(partial(_stage, staging, fitting, batch), name)
    await run_on_files(staging.finish, name)


def _stage(staging: Staging, fitting: Fitting, batch: pa.RecordBatch) -> None:
    staging.add(fitting.fit(batch))
