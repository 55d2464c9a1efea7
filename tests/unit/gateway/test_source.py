"""A write's files are not removed by who has run it: what became of its table the metastore knows alone."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pyarrow as pa
import pytest

from catalog.changes import RegisterTable
from catalog.errors import CannotConnectNow
from catalog.names import TableName
from compute.lease import Lease
from gateway.config import Limits
from gateway.leases import Leases
from gateway.source import Execution, Source, Surroundings
from gateway.spool import Retention
from gateway.storage import Storage
from planner.plan import Lane, Query

NAME = TableName("sales", "copied")


class Answer:
    """No rows, of a write of three."""

    affected = 3

    def __aiter__(self) -> AsyncIterator[pa.RecordBatch]:
        return self

    async def __anext__(self) -> pa.RecordBatch:
        raise StopAsyncIteration

    async def close(self) -> None:
        """Nothing is held."""


async def execute(_sql: str, **_with: Mapping[str, Any]) -> Answer:
    return Answer()


async def test_files_stay_when_their_registration_may_have_happened(tmp_path: Path) -> None:
    folder = tmp_path / "copied"
    events: list[str] = []

    async def acquire(_engine: str) -> Lease:
        folder.mkdir()
        return cast("Lease", SimpleNamespace(lost=False, leaving=False, execute=execute))

    @asynccontextmanager
    async def room() -> AsyncIterator[None]:
        events.append("noted")
        try:
            yield
        finally:
            events.append("left to whoever clears")

    async def settle(_query: Query) -> None:
        events.append("settled")
        raise CannotConnectNow("the answer to COMMIT was lost")

    location = str(folder)
    then = RegisterTable(NAME, location)
    query = Query(Lane.SPARK, "", "", "SELECT", None, writes=NAME, then=then, location=location)
    vault = Storage(tmp_path / "spool", Limits()).open()
    surroundings = Surroundings(Leases(acquire, 60), "ann", vault, settle, nullcontext(), room())
    source = Source(Execution(query, None), surroundings, Retention.NONE)
    with pytest.raises(CannotConnectNow):
        await source.complete()
    await source.close()
    assert folder.exists()
    assert events == ["noted", "settled", "left to whoever clears"]
