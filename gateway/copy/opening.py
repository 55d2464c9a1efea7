"""A COPY statement becomes a result: partner of `gateway.executor`, which does so for all others."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from catalog.errors import FeatureNotSupported, SqlError, error_class
from catalog.locations import STAGING
from gateway.append import Appending, Rows
from gateway.copy.intake import CopyInResult
from gateway.copy.loading import Loader
from gateway.copy.outflow import CopyOutResult
from gateway.copy.relayed import RelayedIntake
from gateway.copy.staging import Limit, Staging
from gateway.pgwire.encode import BINARY, TEXT
from gateway.portal import Binding, PreparedStatement
from gateway.put import PutResult, Way
from gateway.result import RelayedResult
from planner import tree
from planner.copy import CopyTo, find_forced, plan_intake, plan_load, read_copy
from planner.copywhere import has_condition, of_copy, refuse_subselects, select_of_condition
from planner.encodings import single_byte
from planner.parse import parse
from planner.plan import Dialect, Lane
from planner.relay import relay
from planner.session import ENCODING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from catalog.catalog import Catalog
    from catalog.resolution import Resolution, ResolvedTable
    from gateway.executor import Executor
    from gateway.portal import Portal
    from gateway.result import Result
    from gateway.session import Session
    from planner.copy import CopyFrom
    from planner.parse import Statement
    from planner.plan import Metadata

LIMIT = Limit(64 * 2**30)
"""Bytes of Parquet of one load."""


async def open_copy(executor: Executor, session: Session, catalog: Catalog, portal: Portal, *, alone: bool) -> Result:
    """Raises SqlError."""
    statement = portal.prepared.statement
    assert statement is not None, "the empty query is no COPY"
    read = read_copy(statement)
    recodes = single_byte(session.variables.current(ENCODING)) is not None
    options = read.options if isinstance(read, CopyTo) else read
    if recodes and options.format == "binary":
        raise FeatureNotSupported(
            "COPY in the binary format is not converted", hint="Use text or csv, or SET client_encoding TO UTF8."
        )
    if has_condition(statement):
        refuse_subselects(statement)
    if isinstance(read, CopyTo) and (read.table is None or not await session.has_temporary(statement)):
        return await _open_out(session, read)
    resolution = await session.resolve(statement)
    if not resolution.tables:
        if recodes and options.encoding is None:
            raise FeatureNotSupported(
                "COPY of a temporary table is not converted by itself", hint="Say its ENCODING among COPY's options."
            )
        return await _relay(
            executor, session, relay(statement, resolution), portal, is_from=not isinstance(read, CopyTo)
        )
    assert not isinstance(read, CopyTo), "a temporary table is not a lakehouse table"
    if has_condition(statement):
        await _judge_condition(session, statement, *resolution.tables.values())
    copy = plan_intake(statement, read, resolution, executor.settings())
    if await executor.admit_write(plan_load(copy, resolution, ""), alone=alone):
        resolution = await session.resolve(statement)
        copy = plan_intake(statement, read, resolution, executor.settings())
    staging, append = _choose_way(executor, session, catalog, copy, resolution)
    loader = Loader(copy, session.variables, staging)
    return CopyInResult(copy, loader, staging, append, session.inform)


def _choose_way(
    executor: Executor, session: Session, catalog: Catalog, copy: CopyFrom, resolution: Resolution
) -> tuple[Staging, Callable[[], Awaitable[Result]]]:
    """Where the rows of a COPY FROM wait, and what appends them then: the gateway where it can, else Spark."""
    workspace, lane = session.workspace, executor.settings().lane
    if lane is not Lane.SPARK and copy.obstacle is None:
        rows = Rows(catalog, workspace, copy.snapshot, executor.reserve, LIMIT)
        load = plan_load(copy, resolution, rows.staging.path)
        by_spark = partial(executor.append, load) if executor.may_use_spark() else None
        return rows.staging, partial(_append, rows, executor.find_way(load, by_spark))
    folder = catalog.scratch_location(workspace, STAGING, "copy")
    load = plan_load(copy, resolution, folder)
    staging = Staging(folder, Loader.schema(copy), LIMIT, reserve=executor.reserve)
    return staging, partial(executor.append, load)


async def _append(rows: Rows, way: Way) -> Result:
    return PutResult("COPY", Appending(rows), way)


async def _judge_condition(session: Session, statement: Statement, table: ResolvedTable) -> None:
    """Raises what PostgreSQL has against a condition."""
    text, moved = select_of_condition(statement, table.name)
    (select,) = parse(text, Dialect.POSTGRES)
    try:
        await session.prepare(select)
    except SqlError as error:
        raise of_copy(error, moved) from None


async def _relay(executor: Executor, session: Session, planned: Metadata, portal: Portal, *, is_from: bool) -> Result:
    """PostgreSQL's own COPY of a relation of its own."""
    variables = await executor.variables_for(planned, portal)
    if is_from:
        return RelayedIntake(await session.relay.load(planned.text, variables))
    return RelayedResult(await session.relay.copy_out(planned.text, variables))


async def _open_out(session: Session, read: CopyTo) -> Result:
    """The rows of a COPY TO, described and started."""
    described = await _describe(session, read, read.query)
    known = _names(described)
    if read.table is not None:
        described = await _describe(session, read, read.select(known))
    names = _names(described)
    force_quote = find_forced("FORCE_QUOTE", read.options.force_quote, names, known, read.table)
    code = BINARY if read.options.format == "binary" else TEXT
    source = session.make_portal(described, Binding(result_formats=(code,)))
    try:
        await source.open()
    except BaseException:
        await source.close()
        raise
    return CopyOutResult(source, names, read.options, force_quote, session.variables.current(ENCODING))


async def _describe(session: Session, read: CopyTo, text: str) -> PreparedStatement:
    """The SELECT, known to give rows and to want no parameters."""
    (query,) = parse(text, Dialect.POSTGRES)
    try:
        described = await session.prepare(query)
    except SqlError as error:
        is_told = read.table is None and error.position is not None
        error.position = error.position + query.offset if is_told and error.position is not None else None
        raise
    parameter = next((fields for kind, fields in tree.walk(query.tree) if kind == "ParamRef"), None)
    if parameter is not None:
        before = query.parsed_text.encode()[: parameter.get("location", 0)].decode()
        position = len(before) + query.offset + 1
        raise error_class("42P02")(f"there is no parameter ${parameter.get('number', 0)}", position=position)
    return described


def _names(described: PreparedStatement) -> list[str]:
    return [column.name for column in described.description.columns or ()]
