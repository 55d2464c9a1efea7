"""The result of a statement whose rows the gateway itself puts into a table (`planner.puts`).

What turns out not to be possible in this way is Spark's to do, if that may be asked: the table is as it was then.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from catalog.errors import FeatureNotSupported, OutOfMemory, ProgramLimitExceeded, SerializationFailure, SqlError
from gateway.append import Appending
from gateway.query import COUNTED_TAGS
from gateway.rewrite import Rewriting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    import pyarrow as pa

    from catalog.catalog import Catalog
    from gateway.executor import Executor
    from gateway.portal import Portal
    from gateway.result import Result
    from gateway.session import Session
    from planner.plan import Query

_SPARKS = (FeatureNotSupported, OutOfMemory, ProgramLimitExceeded, SerializationFailure)
"""What may be no error to Spark, which begins anew."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a put goes on: at its `turn` among the table's writers, in the `room` of a table that it makes; `settle`
    follows it into the catalog. `drafted`: to a block's own copy. `otherwise` has Spark do it, None where it may
    not."""

    turn: AbstractAsyncContextManager[None]
    room: AbstractAsyncContextManager[None]
    settle: Callable[[], Awaitable[None]]
    drafted: bool
    otherwise: Callable[[], Awaitable[Result]] | None


class Work(Protocol):
    """What is to be done."""

    @property
    def count(self) -> int:
        """How many rows it comes to."""

    async def carry_out(self, way: Way) -> None:
        """Raises SqlError; the table is as it was then."""

    async def discard(self) -> None:
        """What it has made on its way is gone."""


class PutResult:
    """A `gateway.result.Result`."""

    row_description = b""

    def __init__(self, tag: str, work: Work, way: Way) -> None:
        self.tag: str | None = None
        self._tag = tag
        self._work = work
        self._way = way
        self._spark: Result | None = None
        self._open = True

    @property
    def held(self) -> bool:
        return self._open

    async def fetch(self, max_rows: int) -> AsyncIterator[bytes]:
        """Does it, or has Spark do it. Raises SqlError; the table is as it was then."""
        async with self._way.room:
            failure = await self._carry_out()
            if failure is None:
                await self._way.settle()
        if failure is not None:
            self._spark = await self._ask_spark(failure)
            async for content in self._spark.fetch(max_rows):
                yield content
        counted = f"{self._tag} {self._work.count}" if self._tag in COUNTED_TAGS else self._tag
        self.tag = counted if self._spark is None else self._spark.tag
        await self.close()

    async def _carry_out(self) -> SqlError | None:
        """Why it is Spark's to do; None where it is done."""
        try:
            await self._work.carry_out(self._way)
        except _SPARKS as failure:
            if self._way.otherwise is None:
                raise
            return failure
        return None

    async def _ask_spark(self, failure: SqlError) -> Result:
        """What Spark does not do has failed as it did here."""
        assert self._way.otherwise is not None, "it was to be done here"
        try:
            return await self._way.otherwise()
        except FeatureNotSupported:
            raise failure from None

    async def close(self) -> None:
        self._open = False
        if self._spark is not None:
            await self._spark.close()
        await self._work.discard()


def open_put(
    executor: Executor, session: Session, catalog: Catalog, query: Query, portal: Portal, values: pa.RecordBatch | None
) -> PutResult:
    """The result of a statement with rows that DuckDB gives, or with none."""
    assert query.put is not None, "planned to be put"
    kind = Rewriting if query.put.is_change else Appending.of_query
    otherwise = partial(executor.open_on_spark, portal) if executor.may_use_spark() else None
    work: Work = kind(executor, session, catalog, query, portal, values)
    return PutResult(query.tag, work, executor.find_way(query, otherwise))
