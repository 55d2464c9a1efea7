"""What the gateway changes in a table itself: one file comes in place of some, or its columns become others, in one
commit and without Spark (`planner.rewrites` and `planner.columns` say when).

As the table's next writer it reads the files' rows as they will be, and stages those that stay. What others have
written while it waited is seen: it is planned anew then.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from catalog.completion import complete_in_thread
from catalog.errors import FeatureNotSupported, SerializationFailure
from catalog.logfiles import LocalLog
from catalog.replay import newest_version
from gateway.append import Rows, plan_to_read
from gateway.copy.fitting import Fitting
from gateway.files import run_on_files
from planner.plan import Constant, Query

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from catalog.catalog import Catalog
    from catalog.snapshots import Snapshot
    from gateway.executor import Executor
    from gateway.portal import Portal
    from gateway.put import Way
    from gateway.session import Session
    from planner.puts import Put

TRIES = 5
"""Before it is Spark's, or an error."""


class Rewriting:
    """One `gateway.put.Work`. `count` is how many rows the statement has met."""

    def __init__(
        self,
        executor: Executor,
        session: Session,
        catalog: Catalog,
        query: Query,
        portal: Portal,
        values: pa.RecordBatch | None,
    ) -> None:
        self.count = 0
        self._executor = executor
        self._session = session
        self._catalog = catalog
        self._query = query
        self._portal = portal
        self._values = values
        self._rows: Rows | None = None

    async def carry_out(self, way: Way) -> None:
        """Raises SqlError; FeatureNotSupported also where it is no work of this kind any more."""
        if self._query.sql:
            # Nobody who holds the table waits for a machine.
            await self._executor.leases.hold(self._query.lane.value, self._session.principal.name)
        async with way.turn:
            version = await self._change(way)
        if version is not None and not way.drafted:
            assert self._rows is not None, "they were put"
            await run_on_files(partial(self._rows.finish, version), self._put.table.table, certain=True)

    async def _change(self, way: Way) -> int | None:
        """The version that the table became, None: it is what it was. Who writes beside the gateway may come first."""
        for tries_left in reversed(range(TRIES)):
            try:
                return await self._try_to_change(way)
            except SerializationFailure:
                if way.drafted or not tries_left:
                    raise
            await self.discard()
        raise AssertionError("the last try returns or raises")

    async def _try_to_change(self, way: Way) -> int | None:
        if not (way.drafted or await self._follow()):
            return None
        self.count, put = 0, self._put
        rows = self._rows = Rows(self._catalog, self._session.workspace, put.table, self._executor.reserve)
        await self._fill(rows)
        change = self._find_change(rows)
        return None if change is None else await run_on_files(change, put.table.table, certain=True)

    async def discard(self) -> None:
        if self._rows is not None:
            await complete_in_thread(self._rows.staging.discard)

    @property
    def _put(self) -> Put:
        assert self._query.put is not None, "planned to be put"
        return self._query.put

    def _find_change(self, rows: Rows) -> Callable[[], int] | None:
        """What puts it into the log. None: it comes to nothing."""
        put, met = self._put, self.count if self._query.sql else None
        if put.alters is not None:
            return partial(rows.alter, put.alters)
        comes_to_something = put.takes if met is None else met
        return partial(rows.replace, self._query.tag.split()[0], put.takes or (), met) if comes_to_something else None

    async def _follow(self) -> bool:
        """The plan is for what there is now. Whether that leaves anything to do."""
        table: Snapshot = self._put.table
        newest = partial(newest_version, LocalLog(table.root, table.location))
        location = self._catalog.find_location(self._session.workspace, table.table)
        if location == table.location and await run_on_files(newest, table.table) == table.version:
            return True
        self._session.block.pinned.pop(table.location, None)
        statement = self._portal.prepared.statement
        assert statement is not None, "the empty query changes nothing"
        planned, self._values = await self._executor.plan(statement, self._portal.prepared, self._portal)
        if isinstance(planned, Constant):
            for remark in planned.remarks:
                self._session.inform(remark)
            return False
        if not isinstance(planned, Query) or planned.put is None or not planned.put.is_change:
            raise FeatureNotSupported("the table has become another meanwhile", hint="Run the statement again.")
        self._query = planned
        return True

    async def _fill(self, rows: Rows) -> None:
        """Raises what the engine raises, and what the table has against a row."""
        name, fitting = self._put.table.table, Fitting(self._put.table, self._session.variables)
        await run_on_files(rows.open, name)
        if self._query.sql:
            async for batch in self._executor.read(plan_to_read(self._query), self._values):
                await run_on_files(partial(self._stage, rows, fitting, batch), name)
        await run_on_files(rows.staging.finish, name)

    def _stage(self, rows: Rows, fitting: Fitting, batch: pa.RecordBatch) -> None:
        *_, met = batch.columns
        values = batch.select(batch.schema.names[:-1])
        self.count += met.true_count
        rows.staging.add(fitting.convert(values.filter(pc.invert(met))))
        if self._put.keeps:
            rows.staging.add(fitting.fit(values.filter(met)))
