"""Who writes a table, over several gateways, also while the metastore does not answer."""

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from psycopg import AsyncConnection

from catalog.errors import CannotConnectNow
from catalog.names import TableName
from catalog.writerrows import WriterRows
from tests.fix_metastore import Metastore

TABLE, OTHER = TableName("tpch", "orders"), TableName("tpch", "part")


@pytest.fixture
async def rows(metastore: Metastore, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WriterRows]:
    """Those of one gateway, which has little patience."""
    monkeypatch.setattr("catalog.writerrows.PATIENCE_SECONDS", 0.2)
    found = WriterRows(metastore.server.owner_endpoint("lakegate"))
    yield found
    await found.close()


@contextmanager
def stopped(rows: WriterRows) -> Iterator[AsyncConnection[Any]]:
    """The connection that holds the rows, while the server's side of it stands still."""
    connection = rows._connection
    assert connection is not None
    backend = connection.info.backend_pid
    os.kill(backend, signal.SIGSTOP)
    try:
        yield connection
    finally:
        os.kill(backend, signal.SIGCONT)


async def test_a_metastore_that_does_not_answer_is_asked_anew(rows: WriterRows) -> None:
    async with rows.held("demo", TABLE):
        with stopped(rows) as lost:
            async with rows.held("demo", OTHER):
                assert lost.closed
                assert rows._connection is not lost


async def test_a_row_is_given_back_to_a_metastore_that_does_not_answer(rows: WriterRows) -> None:
    async with rows.held("demo", TABLE):
        with stopped(rows) as lost:
            with pytest.raises(CannotConnectNow, match="does not answer"):
                await rows._ask(lost, "SELECT pg_advisory_unlock(%s)", 1)
            assert lost.closed
    async with rows.held("demo", TABLE):
        assert rows._connection is not lost
