"""EXPLAIN of a statement on lakehouse tables: the gateway's plan with the engine's, and with ANALYZE what it came to.

The lane, the tables' versions and the files that are left are told by the planner. The engine's plan is asked of a
machine, which wakes one where all sleep; what the engine would read of PostgreSQL's is copied for that. ANALYZE runs
the statement as it would run without EXPLAIN, writes too, and throws the rows away. Paths of files are not told:
clients know tables.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from catalog.errors import FeatureNotSupported
from catalog.types import Oid, PgType, ResultColumn
from gateway import preparation
from gateway.outline import ESTIMATE, Properties, write_out
from gateway.pgwire.encode import BINARY, TEXT, ResultEncoder
from gateway.portal import Binding, Portal
from gateway.query import QueryResult
from gateway.result import ConstantResult
from gateway.temporary.inner import prepare
from gateway.temporary.transfers import transfer
from planner.dialects.context import snapshot_of
from planner.plan import ALL_ROWS, Direction, Execute, Lane, Metadata, Movement, Query, Transfer
from planner.planning import plan

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from catalog.names import TableName, TableReference
    from catalog.resolution import Resolution, ResolvedTable
    from gateway.executor import Executor
    from gateway.result import Result
    from gateway.session import Session
    from planner.plan import Explain, Pouring

_ASK = {Lane.DUCKDB: "EXPLAIN (FORMAT json)", Lane.SPARK: "EXPLAIN FORMATTED"}
_MILLISECONDS = 1000


@dataclass(slots=True)
class Run:
    """What a statement came to; times are seconds."""

    rows: int = 0
    total: float = 0.0
    serialization: float = 0.0
    output: int = 0


async def explain(
    executor: Executor, session: Session, planned: Explain, portal: Portal, max_rows: int, *, alone: bool
) -> Result:
    """The explanation as rows. Raises what the statement raises, and what PostgreSQL says of the options."""
    inner = await _bind(executor, session, planned, portal)
    try:
        return await _explain(executor, session, planned, inner, max_rows, alone=alone)
    finally:
        await inner.close()


async def _explain(
    executor: Executor, session: Session, planned: Explain, inner: Portal, max_rows: int, *, alone: bool
) -> Result:
    statement = inner.prepared.statement
    assert statement is not None, "the empty query cannot be prepared in SQL"
    began = time.perf_counter()
    query, values = await executor.plan(statement, inner.prepared, inner)
    planning = time.perf_counter() - began
    if isinstance(query, Metadata):
        return await executor.relay(replace(query, text=planned.prefix + query.text), inner, max_rows)
    if not isinstance(query, Query | Transfer):
        raise FeatureNotSupported("there is nothing to explain: no machine has a part in this statement")
    await _check_options(session, planned)
    told: Properties = {"Plan": await _tell(executor, session, query, inner, planned)}
    if planned.settings:
        told["Settings"] = dict(session.settings)
    if planned.summary:
        told["Planning Time"] = _milliseconds(planning)
    if planned.analyze:
        if isinstance(query, Query) and query.changes and await executor.admit_write(query, alone=alone):
            query, values = await executor.plan(statement, inner.prepared, inner)
            assert isinstance(query, Query), "the same statement"
        if isinstance(query, Transfer):
            opening = transfer(session, query, inner, alone=alone)
        else:
            opening = executor.open_query(query, inner, values)
        await _analyze(opening, session, told, planned)
    columns = (ResultColumn("QUERY PLAN", PgType(Oid.JSON if planned.json else Oid.TEXT)),)
    lines = [json.dumps([told], indent=2, ensure_ascii=False)] if planned.json else list(write_out(told))
    return ConstantResult.of_texts("EXPLAIN", columns, [(line,) for line in lines])


async def _tell(
    executor: Executor, session: Session, query: Query | Transfer, portal: Portal, planned: Explain
) -> Properties:
    """What will happen, as a node with those below it."""
    if isinstance(query, Transfer):
        sources = [await _tell_source(executor, session, each, portal, planned) for each in query.pourings]
        return {"Node Type": "Temporary Write", "Lane": "PostgreSQL", "Plans": sources}
    assert portal.prepared.statement is not None
    resolution = await session.resolve(portal.prepared.statement)
    lent = {} if portal.loan is None else portal.loan.tables
    resolution = replace(resolution, tables={**resolution.tables, **lent})
    node = _describe(query, resolution, lent, planned)
    node["Warehouse"] = session.machines.preference(query.lane.value)[0] or "default"
    node["Engine Plan"] = await _ask_engine(executor, query, portal, resolution, planned)
    return node


async def _tell_source(
    executor: Executor, session: Session, pouring: Pouring, outer: Portal, planned: Explain
) -> Properties:
    """What a transfer reads in the lakehouse."""
    prepared = await prepare(session, pouring.select, outer.prepared.description.parameters)
    portal = session.make_portal(prepared, Binding(outer.binding.formats, outer.binding.values))
    try:
        assert prepared.statement is not None
        query, _ = await executor.plan(prepared.statement, prepared, portal)
        assert isinstance(query, Query), "a pouring reads lakehouse tables"
        return await _tell(executor, session, query, portal, planned)
    finally:
        await portal.close()


async def _check_options(session: Session, planned: Explain) -> None:
    """Raises what PostgreSQL has against them."""
    relayed = await session.relay_statement(f"{planned.prefix}SELECT 1")
    async for _ in relayed.fetch():
        pass
    await relayed.close()


async def _bind(executor: Executor, session: Session, planned: Explain, portal: Portal) -> Portal:
    """A portal of what is explained: the statement itself, or what its EXECUTE runs."""
    query, formats = planned.query, portal.binding.result_formats
    if query.executes is not None:
        execute = plan(query, await session.resolve(query), executor.settings())
        assert isinstance(execute, Execute)
        variables = await executor.variables_for(execute.arguments, portal)
        prepared, binding = await preparation.bind(session, execute, variables, formats)
        session.count_plan(execute.name)
    else:
        prepared = await session.prepare(query, portal.prepared.types)
        binding = Binding(portal.binding.formats, portal.binding.values, formats)
    return session.make_portal(prepared, binding)


def _describe(
    query: Query, resolution: Resolution, lent: Mapping[TableReference, ResolvedTable], planned: Explain
) -> Properties:
    node: Properties = {"Node Type": "Lakehouse Query" if query.writes is None else "Lakehouse Write"}
    node["Lane"] = query.lane.value
    node["Reason"] = query.reason
    copied = {table.name for table in lent.values()}
    node["Tables"] = [_describe_table(query, *read, resolution) for read in query.reads if read[0] not in copied]
    if query.put is not None and query.put.takes:
        node["Tables"].append(_describe_table(query, query.put.table.table, query.put.table.version, resolution))
    node["Tables"] += [_describe_lent(reference, table) for reference, table in lent.items()]
    if query.writes is not None:
        node["Writes"] = _name(query.writes)
    if planned.verbose:
        node["Output"] = [column.name for column in query.columns or ()]
        node["SQL"] = _without_paths(query.sql, resolution)
    return node


def _name(table: TableName) -> str:
    return f"{table.schema}.{table.name}"


def _describe_table(query: Query, name: TableName, version: int, resolution: Resolution) -> Properties:
    """Files that are read, and those that statistics and partitions have ruled out; Spark prunes by itself."""
    told: Properties = {"Relation Name": _name(name), "Version": version}
    found = (each for each in resolution.snapshots() if (each.table, each.version) == (name, version))
    snapshot = next(found, None)
    if snapshot is None:
        return told
    scans = [scan for scan in query.scans if scan.location == snapshot.location]
    if query.lane is Lane.DUCKDB and scans:
        files = {file.path: file.size for scan in scans for file in scan.files}
        skipped = snapshot.files.num_rows - len(files)
        return {**told, "Files": len(files), "Files Skipped": skipped, "Bytes": sum(files.values())}
    return {**told, "Files": snapshot.files.num_rows, "Bytes": snapshot.size_bytes}


def _describe_lent(reference: TableReference, table: ResolvedTable) -> Properties:
    """What was copied out of PostgreSQL, as the statement names it."""
    snapshot, name = snapshot_of(table), reference.name
    rows = sum(snapshot.files.column("num_records").to_pylist())
    shown = name if reference.schema is None else f"{reference.schema}.{name}"
    return {"Relation Name": shown, "Copied Rows": rows, "Bytes": snapshot.size_bytes}


async def _ask_engine(
    executor: Executor, query: Query, portal: Portal, resolution: Resolution, planned: Explain
) -> list[Any]:
    """DuckDB's plan as a tree, Spark's as lines; none of what asks no engine."""
    if not query.sql:
        return []
    sql = f"{_ASK[query.lane]} {query.sql}"
    asking = replace(query, sql=sql, tag="EXPLAIN", writes=None, then=None, location=None, columns=None, put=None)
    cells = []
    async for batch in executor.read(asking, portal.values):
        cells += batch.column(batch.num_columns - 1).to_pylist()
    text = _without_paths("\n".join(map(str, cells)), resolution)
    if query.lane is Lane.SPARK:
        return [line for line in text.splitlines() if line.strip()]
    return [_read_node(node, planned) for node in json.loads(text)]


def _read_node(node: Properties, planned: Explain) -> Properties:
    extra = {name: value for name, value in node.get("extra_info", {}).items() if planned.costs or name != ESTIMATE}
    children = [_read_node(child, planned) for child in node.get("children", ())]
    return {"Node Type": node["name"].strip(), **extra, **({"Plans": children} if children else {})}


def _without_paths(text: str, resolution: Resolution) -> str:
    for snapshot in resolution.snapshots():
        text = text.replace(snapshot.location, _name(snapshot.table))
    return text.replace(resolution.new_location, "the new table") if resolution.new_location else text


async def _analyze(opening: Awaitable[Result], session: Session, told: Properties, planned: Explain) -> None:
    """Carries it out, and adds what it came to."""
    run, began = Run(), time.perf_counter()
    result = await opening
    try:
        await _read(result, run, planned, session)
    finally:
        await result.close()
    run.total = time.perf_counter() - began
    _add_run(told, run, result, planned)


async def _read(result: Result, run: Run, planned: Explain, session: Session) -> None:
    """To its end; rows are encoded if SERIALIZE asks for that."""
    if not isinstance(result, QueryResult) or result.columns is None:
        async for _ in result.fetch(0):
            pass
        run.rows = int((result.tag or "0").rpartition(" ")[2])
        return
    codes = (BINARY if planned.serialize == "binary" else TEXT,)
    encoder = ResultEncoder(result.columns, codes, session.variables) if planned.serialize else None
    async for batch in result.scroll.fetch(Movement(Direction.FORWARD, ALL_ROWS)):
        run.rows += batch.num_rows
        if encoder is not None:
            encoding = time.perf_counter()
            run.output += len(encoder.encode(batch))
            run.serialization += time.perf_counter() - encoding


def _add_run(told: Properties, run: Run, result: Result, planned: Explain) -> None:
    told["Plan"]["Actual Rows"] = run.rows
    if planned.timing:
        told["Plan"]["Actual Total Time"] = _milliseconds(run.total)
    if planned.serialize:
        told["Serialization"] = {
            **({"Time": _milliseconds(run.serialization)} if planned.timing else {}),
            "Output Volume": -(-run.output // 1024),
            "Format": planned.serialize,
        }
    if planned.summary and isinstance(result, QueryResult):
        for name, seconds in result.spent.items():
            told[f"{name} Time"] = _milliseconds(seconds)
        told["Execution Time"] = _milliseconds(run.total)


def _milliseconds(seconds: float) -> float:
    return round(seconds * _MILLISECONDS, 3)
