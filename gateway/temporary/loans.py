"""Loans: the rows of PostgreSQL's relations that a statement reads beside lakehouse tables, where an engine can read
them.

They are read as of the session's transaction, or, several relations of a statement outside a block, as of one moment.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from deltalake import Schema

from catalog.clone import encode
from catalog.completion import complete_in_thread
from catalog.locations import STAGING
from catalog.logfiles import LOG, commit_name
from catalog.scans import DataFile
from gateway.copy.staging import FILE, Limit, Staging
from gateway.pgwire.encode import BINARY
from gateway.portal import Binding
from gateway.temporary.inner import opened, prepare, transaction
from gateway.temporary.rows import RowReader
from planner.loans import (
    choose_columns,
    find_lent,
    lent_table,
    name_relation,
    select_digits,
    select_rows,
)
from planner.plan import Modes
from planner.transfers import is_transfer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from catalog.catalog import Catalog
    from catalog.names import TableName, TableReference
    from catalog.resolution import Resolution, ResolvedTable
    from gateway.portal import Portal
    from gateway.session import Session
    from planner.loans import LentColumn
    from planner.parse import Statement

_LIMIT = Limit(
    256 << 20,
    "a relation that is read beside lakehouse tables may have {} bytes, compressed",
    "Filter it first into a smaller temporary table, or CREATE TABLE … USING delta for what is larger.",
)
_ONE_MOMENT = Modes("repeatable read", read_only=True)
_FEATURES = ["timestampNtz"]
_PROTOCOL = {
    "minReaderVersion": 3,
    "minWriterVersion": 7,
    "readerFeatures": _FEATURES,
    "writerFeatures": _FEATURES,
}
_BINARY = Binding(result_formats=(BINARY,))


class Loan:
    """One portal's copies, `tables` by where the statement names them."""

    def __init__(self) -> None:
        self.tables: dict[TableReference, ResolvedTable] = {}
        self._stagings: list[Staging] = []

    def add(self, staging: Staging) -> None:
        self._stagings.append(staging)

    async def give_back(self) -> None:
        """Removes the copies, all of them. Raises what one of them does."""
        async with AsyncExitStack() as leaving:
            for staging in self._stagings:
                leaving.push_async_callback(asyncio.to_thread, staging.discard)
            self._stagings = []


async def lend(
    session: Session, catalog: Catalog, statement: Statement, resolution: Resolution, portal: Portal | None
) -> Resolution:
    """The resolution with what the statement reads of PostgreSQL's beside lakehouse tables. Its portal keeps the rows,
    so that they are the same when it is planned anew. Raises SqlError."""
    if portal is None or is_transfer(statement, resolution):
        return resolution
    wanted = find_lent(statement, resolution)
    if not wanted:
        return resolution
    if portal.loan is None:
        portal.loan = await _make(session, catalog, statement, wanted)
    return replace(resolution, tables={**resolution.tables, **portal.loan.tables})


async def _make(
    session: Session,
    catalog: Catalog,
    statement: Statement,
    wanted: Mapping[TableName, Sequence[TableReference]],
) -> Loan:
    loan = Loan()
    try:
        async with transaction(session, _ONE_MOMENT):
            for name, references in wanted.items():
                table = await _copy(session, catalog, statement, name, loan)
                loan.tables.update(dict.fromkeys(references, table))
    except BaseException:
        await loan.give_back()
        raise
    return loan


async def _copy(session: Session, catalog: Catalog, statement: Statement, name: TableName, loan: Loan) -> ResolvedTable:
    """The needed columns of one relation, as the statement's role may read them."""
    described = await prepare(session, f"SELECT * FROM {name_relation(name)}")
    columns = choose_columns(statement, name, described.description.columns or ())
    columns = await _measure(session, name, columns)
    reader = RowReader(columns)
    location = catalog.scratch_location(session.workspace, STAGING, "loan")
    staging = Staging(location, reader.schema, _LIMIT)
    loan.add(staging)
    await complete_in_thread(staging.open)
    staging.add(reader.read(b""))  # So that there is a file, if of no row.
    async with opened(session, await prepare(session, select_rows(name, columns)), _BINARY) as portal:
        async for messages in portal.fetch():
            await complete_in_thread(partial(_keep, staging, reader, messages))
    await complete_in_thread(staging.finish)
    await complete_in_thread(partial(_write_log, staging, reader.schema))
    return lent_table(name, columns, location, [DataFile(f"{location}/{FILE}", staging.size, ())], staging.rows)


async def _measure(session: Session, name: TableName, columns: tuple[LentColumn, ...]) -> tuple[LentColumn, ...]:
    """With the digits of numeric columns that do not say themselves how many they have."""
    unmeasured = [column for column in columns if column.is_unmeasured]
    if not unmeasured:
        return columns
    values: list[int] = []
    async with opened(session, await prepare(session, select_digits(name, unmeasured)), _BINARY) as portal:
        async for messages in portal.fetch():
            values += _read_numbers(messages)
    pairs = dict(zip([column.name for column in unmeasured], zip(values[::2], values[1::2], strict=True), strict=True))
    return tuple(column.measured(*pairs[column.name]) if column.name in pairs else column for column in columns)


def _read_numbers(message: bytes) -> list[int]:
    """The int4 values of one DataRow in binary, none of them NULL: each is 4 bytes behind its length."""
    return [int.from_bytes(message[at + 4 : at + 8], signed=True) for at in range(7, len(message), 8)]


def _keep(staging: Staging, reader: RowReader, messages: bytes) -> None:
    staging.add(reader.read(messages))


def _write_log(staging: Staging, schema: pa.Schema) -> None:
    """The only commit of the copy's log. Threads of delta-rs would write as the gateway, and by a path that the
    machines have in hand. Raises OSError."""
    now = time.time_ns() // 1_000_000
    file = {"path": FILE, "partitionValues": {}, "size": staging.size, "modificationTime": now, "dataChange": True}
    metadata = {
        "id": str(uuid.uuid4()),
        "format": {"provider": "parquet", "options": {}},
        "schemaString": Schema.from_arrow(schema).to_json(),
        "partitionColumns": [],
        "configuration": {},
    }
    with staging.create(Path(LOG, commit_name(0))) as log:
        for kind, fields in (("protocol", _PROTOCOL), ("metaData", metadata), ("add", file)):
            log.write(encode(kind, fields).encode())
