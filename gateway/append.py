"""What the gateway puts behind a table's rows itself, in one commit and without Spark (`planner.appends` says when).

Lifecycle
    Rows are staged as a Parquet file in a block's folder. Then, as the table's next writer, the file gets a name below
    the table's folder and the commit its own in the log (`catalog.commit`); in a block that is the block's own copy of
    the table. Whatever happens before leaves the table as it was.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from catalog.checkpoint import is_due, make_checkpoint
from catalog.commit import Origin, withdraw
from catalog.completion import complete_in_thread
from catalog.locations import BLOCKS
from catalog.owner import Owner, acting_as, find_owner
from catalog.puts import NewFile, alter, append, create, find_metadata, find_taken, rewrite
from catalog.statistics import Statistics
from gateway.copy.fitting import Fitting, file_schema
from gateway.copy.staging import FILE, Limit, Staging
from gateway.files import find_writer, run_on_files
from planner.newtables import NEW

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection
    from contextlib import AbstractContextManager

    import pyarrow as pa

    from catalog.alteration import Alteration
    from catalog.catalog import Catalog
    from catalog.snapshots import Snapshot
    from gateway.executor import Executor
    from gateway.portal import Portal
    from gateway.put import Way
    from gateway.reserve import Reserve
    from gateway.session import Session
    from planner.plan import Query

LIMIT = Limit(1 << 30, "a statement writes {} bytes of Parquet at most without Spark", "RESET lakegate.lane.")


class Rows:
    """Rows for one table on their way, in a folder of the workspace's blocks."""

    def __init__(
        self, catalog: Catalog, workspace: str, table: Snapshot, reserve: Reserve, limit: Limit = LIMIT
    ) -> None:
        schema = file_schema(table)
        self.table = table
        self.is_first = table.version == NEW
        self._statistics = Statistics(schema.names, table.log.properties)
        self._folder = Path(catalog.scratch_location(workspace, BLOCKS, table.table.name))
        watch = self._statistics.add
        self.staging = Staging(str(self._folder), schema, limit, clear=withdraw, watch=watch, reserve=reserve)
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
        file = self._find_file()
        with self._acting():
            if self.is_first:
                return create(self._origin, self._folder, self.table, file)
            assert file is not None, "rows to append"
            return append(self._origin, self._folder, file)

    def replace(self, operation: str, paths: Collection[str], met: int | None) -> int:
        """They come in place of the files with these paths, or, where there are none, behind the rows that they come
        of: the version then. Blocking. Raises what `put` does."""
        file, taken = self._find_file(), find_taken(self._origin, paths) if paths else ()
        with self._acting():
            if taken:
                return rewrite(self._origin, self._folder, file, taken, operation, met)
            assert file is not None, "rows to append"
            return append(self._origin, self._folder, file, reads=True)

    def alter(self, alteration: Alteration) -> int:
        """The table has other columns, and no rows come: its version then. Blocking. Raises what `put` does."""
        metadata = find_metadata(self._origin)
        with self._acting():
            return alter(self._origin, self._folder, metadata, alteration)

    def finish(self, version: int) -> None:
        """What a table's log needs now and then after a commit. Blocking."""
        if is_due(version, self.table.log.properties):
            make_checkpoint(self._origin.log, version, self._owner)

    def _find_file(self) -> NewFile | None:
        staging = self.staging
        return NewFile(FILE, staging.size, staging.rows, self._statistics.write()) if staging.rows else None

    def _acting(self) -> AbstractContextManager[None]:
        self._owner = self._find_owner()
        return acting_as(self._owner)

    def _find_owner(self) -> Owner:
        return find_owner(self._workspace) if self.is_first else find_writer(self._origin.log, self._workspace)


class Appending:
    """One `gateway.put.Work`. `fill` stages the rows of which none is staged yet, and the folder is then removed
    here."""

    def __init__(self, rows: Rows, fill: Callable[[], Awaitable[None]] | None = None) -> None:
        self._rows = rows
        self._fill = fill

    @classmethod
    def of_query(
        cls,
        executor: Executor,
        session: Session,
        catalog: Catalog,
        query: Query,
        _portal: Portal,
        values: pa.RecordBatch | None,
    ) -> Appending:
        """Of an INSERT or CREATE TABLE whose rows DuckDB gives."""
        assert query.put is not None, "planned to be put"
        rows = Rows(catalog, session.workspace, query.put.table, executor.reserve)
        fitting = Fitting(query.put.table, session.variables)
        read = partial(executor.read, plan_to_read(query), values) if query.sql else None
        return cls(rows, partial(_fill, rows, fitting, read))

    @property
    def count(self) -> int:
        return self._rows.staging.rows

    async def carry_out(self, way: Way) -> None:
        """Raises SqlError; the table is as it was then."""
        rows, name = self._rows, self._rows.table.table
        if self._fill is not None:
            await self._fill()
        if not (rows.staging.rows or rows.is_first):
            return
        async with way.turn:
            version = await run_on_files(rows.put, name, certain=True)
        if not way.drafted:
            await run_on_files(partial(rows.finish, version), name, certain=True)

    async def discard(self) -> None:
        if self._fill is not None:
            await complete_in_thread(self._rows.staging.discard)


def plan_to_read(query: Query) -> Query:
    """The question for the rows of a write."""
    return replace(query, tag="SELECT", writes=None, then=None, location=None, put=None)


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
