"""Carries out plans for a session: each kind of plan becomes a result.

The partner of `gateway.session`, which owns the state that is read and changed here.
"""

from __future__ import annotations

import functools
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from catalog.errors import FeatureNotSupported, InsufficientPrivilege, InternalError, SqlError
from catalog.types import Description, Oid, PgType, ResultColumn
from gateway import actions, cursors
from gateway.arguments import describe_schema, engine_parameters
from gateway.assignments import relay_assigning
from gateway.copy.opening import open_copy
from gateway.pgwire.decode import decode_parameters
from gateway.pgwire.encode import ResultEncoder, spread_formats
from gateway.portal import Binding, Portal, PreparedStatement
from gateway.query import QueryResult
from gateway.relay.caches import RecentlyUsed
from gateway.relay.settings import SESSION_VARIABLE
from gateway.result import ActionResult, ConstantResult, RelayedResult, Result
from gateway.rows import describe_rows, with_formats
from gateway.scroll import Scroll
from gateway.source import Execution, Source, Surroundings
from gateway.spool import Retention
from gateway.trees import find_scans
from gateway.variables import split_search_path
from planner.copy import VERB as COPY
from planner.plan import (
    CatalogChange,
    CloseCursor,
    Constant,
    DeclareCursor,
    FetchCursor,
    Lane,
    Metadata,
    Plan,
    Query,
    SessionValue,
    Settings,
    ShowVariable,
)
from planner.planning import plan

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

    import pyarrow as pa

    from gateway.leases import Leases
    from gateway.relay import RelayDescription, RelayPortal
    from gateway.services import Services
    from gateway.session import Session
    from planner.parse import Statement

_MOST_REMEMBERED = 128 * 1024
"""Bytes of the statements that are known to be PostgreSQL's to answer."""
_RETENTIONS = {True: Retention.ALL, None: Retention.SPARE, False: Retention.NONE}
"""What becomes of rows that were read, by a cursor's option to scroll."""
_DENIED = re.compile(r"permission denied for table (.+)")
"""What PostgreSQL's own fence says to a statement that should never have come to it."""


class Executor:
    """Describes statements and opens their results, for one session."""

    def __init__(self, session: Session, services: Services, leases: Leases) -> None:
        self._session = session
        self._services = services
        self._leases = leases
        self._relayed = RecentlyUsed[Metadata](_MOST_REMEMBERED)

    def settings(self, lane: Lane | None = None) -> Settings:
        """What of the session's settings changes a plan; `lane` overrides the session's."""
        variables = self._session.variables
        chosen = variables.effective.get("lakegate.lane", "auto")
        return Settings(
            dialect=self._session.dialect,
            lane=lane or (None if chosen == "auto" else Lane(chosen)),
            search_path=split_search_path(variables.current("search_path"), self._session.principal.name),
            time_zone=variables.current("TimeZone"),
        )

    async def describe(self, statement: Statement, types: tuple[int, ...]) -> PreparedStatement:
        """Parameters and columns, from PostgreSQL on the shadow or from the engine's analyser. Nothing is
        executed."""
        if statement.fetches is not None:
            return self._describe_fetch(statement, types)
        if statement.describable is not None:
            variables = self._session.variables.effective
            described = await self._session.relay.describe(statement.describable, types, variables)
            return _prepared(statement, types, described)
        planned, _ = await self._plan(statement, PreparedStatement(statement, types), None)
        columns = planned.columns if isinstance(planned, Query | Constant) else None
        if isinstance(planned, Query) and _undescribed(planned):
            columns = await self._analyse(planned)
        message = b"" if columns is None else describe_rows(columns)
        return PreparedStatement(statement, types, Description(types, columns), message)

    def find_described(self, statement: Statement, types: tuple[int, ...]) -> PreparedStatement | None:
        """What `describe` gives, if PostgreSQL has told it before."""
        if statement.fetches is not None:
            return self._describe_fetch(statement, types)
        assert statement.describable is not None
        variables = self._session.variables.effective
        described = self._session.relay.find_description(statement.describable, types, variables)
        return None if described is None else _prepared(statement, types, described)

    def renew(self, prepared: PreparedStatement) -> PreparedStatement:
        """As it is to be bound now: a FETCH gives the rows of the cursor that has the name then."""
        statement = prepared.statement
        if statement is None or statement.fetches is None:
            return prepared
        return self._describe_fetch(statement, prepared.types)

    def _describe_fetch(self, statement: Statement, types: tuple[int, ...]) -> PreparedStatement:
        """A FETCH from a cursor that does not exist gives no rows: PostgreSQL raises that when it is executed."""
        portal = self._session.portals.find(statement.fetches or "")
        if portal is None:
            return PreparedStatement(statement, types, Description(types, None))
        described = portal.prepared
        return PreparedStatement(
            statement, types, Description(types, described.description.columns), described.row_description
        )

    def check_values(self, portal: str, prepared: PreparedStatement, binding: Binding) -> None:
        """Reads the values for a lakehouse table, as PostgreSQL does at Bind; those for itself it reads itself. Raises
        SqlError, but for what could not be used: that is told to who executes it."""
        names = () if prepared.statement is None else prepared.statement.references
        if any(self._services.catalog.has_table_called(self._session.workspace, each.name) for each in names):
            with suppress(FeatureNotSupported):
                self._decode(prepared, binding, portal)

    async def open_result(self, portal: Portal, max_rows: int, *, alone: bool) -> Result:
        """Plans the portal's statement and starts it; `max_rows` is what will be fetched first (0: all)."""
        statement, prepared = portal.prepared.statement, portal.prepared
        assert statement is not None, "an empty query has no result"
        self._session.block.admit(ends_block=statement.ends_block)
        if statement.verb == COPY:
            session, catalog = self._session, self._services.catalog
            return await open_copy(session, catalog, statement, self.settings(), self._append, alone=alone)
        await self._confirm(prepared)
        situation = self._session.situation
        relayed = self._relayed.find((statement, situation))
        if relayed is not None:
            return await self._relay(relayed, portal, max_rows)
        planned, values = await self._plan(statement, prepared, portal)
        if isinstance(planned, Metadata):
            self._relayed.keep((statement, situation), planned, len(statement.text))
            return await self._relay(planned, portal, max_rows)
        if isinstance(planned, Query | CatalogChange | Constant) and planned.notice is not None:
            self._session.inform(planned.notice)
        if isinstance(planned, Query):
            if planned.writes is not None or planned.then is not None:
                self._session.admit_write(planned.tag, alone=alone)
            return await self._open_query(planned, portal, values)
        if isinstance(planned, Constant):
            return ConstantResult.of_texts(planned.tag, planned.columns, planned.rows)
        if isinstance(planned, ShowVariable):
            columns = (ResultColumn(planned.name, PgType(Oid.TEXT)),)
            return ConstantResult.of_texts("SHOW", columns, ((self._session.settings.get(planned.name, "0"),),))
        if isinstance(planned, DeclareCursor | FetchCursor | CloseCursor):
            return await self._open_cursor(planned, portal, max_rows)
        return ActionResult(functools.partial(actions.act, self._session, self._services.catalog, planned))

    async def _open_cursor(
        self, planned: DeclareCursor | FetchCursor | CloseCursor, portal: Portal, max_rows: int
    ) -> Result:
        session = self._session
        if isinstance(planned, CloseCursor):
            return ActionResult(functools.partial(cursors.close, session, planned.name, portal))
        if isinstance(planned, DeclareCursor):
            relay = None if planned.relayed is None else functools.partial(self._relay, planned.relayed, portal, 0)
            return ActionResult(functools.partial(cursors.declare, session, planned, portal, relay))
        cursor = cursors.find(session, planned.name)
        if cursor.options.relayed:
            assert portal.prepared.statement is not None
            return await self._relay(Metadata(portal.prepared.statement.parsed_text), portal, max_rows)
        await cursor.open()
        return cursors.fetch(session, planned, cursor, portal.binding.result_formats)

    async def _confirm(self, prepared: PreparedStatement) -> None:
        """Describes a stored statement anew, which is known unless something has changed since Parse."""
        statement = prepared.statement
        if not prepared.row_description or statement is None or statement.describable is None or statement.fetches:
            return
        current = self.find_described(statement, prepared.types) or await self.describe(statement, prepared.types)
        if current.description.columns != prepared.description.columns:
            raise FeatureNotSupported("cached plan must not change result type")

    async def _plan(
        self, statement: Statement, prepared: PreparedStatement, portal: Portal | None, lane: Lane | None = None
    ) -> tuple[Plan, pa.RecordBatch | None]:
        """The plan, and the client's values where a machine will need them. A portal of a statement that was not
        described before holds it described then."""
        resolution = await self._session.resolve(statement)
        if not resolution.tables:
            return plan(statement, resolution, self.settings(lane)), None
        description = prepared.description if prepared.row_description else None
        if description is not None and statement.explain_route:
            description = Description(description.parameters, None)
        if description is None and statement.describable is not None:
            prepared = await self.describe(statement, prepared.types)
            description = prepared.description
            if portal is not None:
                portal.prepared = prepared
        values = None if portal is None else self._decode(prepared, portal.binding)
        return plan(statement, resolution, self.settings(lane), description, values), values

    def _decode(self, prepared: PreparedStatement, binding: Binding, portal: str = "") -> pa.RecordBatch | None:
        oids = prepared.description.parameters
        if not oids and not binding.values:
            return None
        time_zone = self._session.variables.current("TimeZone")
        return decode_parameters(oids, binding.formats, binding.values, time_zone, portal=portal)

    async def _relay(self, planned: Metadata, portal: Portal, max_rows: int) -> Result:
        if planned.assigns:
            values = self._decode(portal.prepared, portal.binding)
            execute = functools.partial(self._execute, planned, portal, 0)
            return await relay_assigning(self._session, planned.assigns, values, execute)
        relayed = await self._execute(planned, portal, max_rows)
        return RelayedResult(relayed, repeats=not (planned.asks_for_sessions or planned.asks_for_statistics))

    async def _execute(self, planned: Metadata, portal: Portal, max_rows: int) -> RelayPortal:
        statement, binding = portal.prepared.statement, portal.binding
        session, variables = self._session, self._session.variables.effective
        if planned.asks_for_sessions:
            if planned.asks_for_all:
                await self._services.catalog.take_census(session.workspace)
            variables = {**variables, SESSION_VARIABLE: str(session.pid)}
        if planned.asks_for_statistics:
            await self._services.catalog.publish_statistics(session.workspace)
        try:
            return await session.relay.execute(
                planned.text,
                portal.prepared.types,
                binding.formats,
                binding.values,
                binding.result_formats,
                variables,
                max_rows=max_rows,
                immutable=statement is not None and statement.immutable,
                alters=bool(planned.assigns),
            )
        except InsufficientPrivilege as error:
            denied = _DENIED.fullmatch(error.message)
            if denied and self._services.catalog.has_table_called(session.workspace, denied[1]):
                raise RuntimeError("a statement that reads a lakehouse table was relayed") from error
            raise

    async def _open_query(self, query: Query, portal: Portal, values: pa.RecordBatch | None) -> Result:
        execution = Execution(query, await self._parameters(query, values))
        may_reroute = query.lane is Lane.DUCKDB and self.settings().lane is None
        reroute = functools.partial(self._reroute, portal, values) if may_reroute else None
        surroundings = self._surroundings(query, reroute)
        formats = portal.binding.result_formats
        columns = query.columns
        message = portal.prepared.row_description
        if _undescribed(query):
            columns = portal.prepared.description.columns or await self._analyse(query)
        scroll = portal.options.scroll
        source = Source(execution, surroundings, _RETENTIONS[scroll])
        rows = Scroll(source, scrolls=scroll is not False)
        if columns is None:
            return QueryResult(source, rows, b"")
        codes = spread_formats(formats, len(columns))
        message = with_formats(message, formats) if message else describe_rows(columns, codes)
        encoder = ResultEncoder(columns, codes, self._session.variables)
        return QueryResult(source, rows, message, columns, encoder)

    def _surroundings(self, query: Query, reroute: Callable[[], Awaitable[Execution]] | None = None) -> Surroundings:
        return Surroundings(
            self._leases,
            self._session.vault,
            functools.partial(actions.settle, self._session, self._services.catalog),
            self._services.writers.turn(self._session.workspace, query.writes, self._session.lock_seconds),
            reroute,
            self._services.trees,
        )

    def _append(self, query: Query) -> Result:
        """The result of a write without values."""
        source = Source(Execution(query, None), self._surroundings(query), Retention.NONE)
        return QueryResult(source, Scroll(source, scrolls=False), b"")

    async def _reroute(self, portal: Portal, values: pa.RecordBatch | None) -> Execution:
        assert portal.prepared.statement is not None
        planned, _ = await self._plan(portal.prepared.statement, portal.prepared, portal, Lane.SPARK)
        if not isinstance(planned, Query):
            raise InternalError("a query became something else when it was planned for the other lane")
        return Execution(planned, await self._parameters(planned, values))

    async def _parameters(self, query: Query, values: pa.RecordBatch | None) -> pa.RecordBatch | None:
        asked = {parameter.source for parameter in query.parameters if isinstance(parameter.source, SessionValue)}
        known = await self._session_values(asked) if asked else {}
        return engine_parameters(query, values, known, self._session.variables.current("TimeZone"))

    async def _session_values(self, asked: set[SessionValue]) -> Mapping[SessionValue, str | datetime | None]:
        session = self._session
        return {
            SessionValue.NOW: await session.now() if SessionValue.NOW in asked else None,
            SessionValue.CURRENT_USER: session.principal.name,
            SessionValue.SESSION_USER: session.principal.name,
            SessionValue.CURRENT_DATABASE: session.workspace,
            SessionValue.CURRENT_SCHEMA: await self._current_schema() if SessionValue.CURRENT_SCHEMA in asked else None,
        }

    async def _current_schema(self) -> str | None:
        """The first schema of the search path that there is, as PostgreSQL has it."""
        return await self._session.relay.current_schema(self._session.variables.effective) or None

    async def _analyse(self, query: Query) -> tuple[ResultColumn, ...]:
        parameters = await self._parameters(query, None)
        scans = await find_scans(query, trees=self._services.trees)
        lease = await self._leases.take(query.lane.value)
        try:
            schema = await lease.describe(query.sql, parameters=parameters, scans=scans)
        except SqlError:
            await self._leases.give_back(query.lane.value, lease)
            raise
        except BaseException:
            await self._leases.drop(lease)
            raise
        await self._leases.give_back(query.lane.value, lease)
        return describe_schema(schema)


def _prepared(statement: Statement, types: tuple[int, ...], described: RelayDescription) -> PreparedStatement:
    description = Description(described.parameters, described.columns)
    return PreparedStatement(statement, types, description, described.row_description)


def _undescribed(query: Query) -> bool:
    """Whether only the engine knows the columns: a read in the spark dialect."""
    return query.columns is None and query.writes is None and query.then is None
