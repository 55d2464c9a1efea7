"""Carries out plans for a session: each kind of plan becomes a result.

The partner of `gateway.session`, which owns the state that is read and changed here.
"""

from __future__ import annotations

import functools
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING

from catalog.errors import FeatureNotSupported, InternalError, SqlError
from catalog.types import Description, Oid, PgType, ResultColumn
from gateway import actions, cursors, definitions, enlistment, explanation, handover, preparation
from gateway.arguments import describe_schema, give_arguments
from gateway.assignments import relay_assigning
from gateway.briefing import brief
from gateway.copy.opening import open_copy
from gateway.pgwire.decode import decode_parameters
from gateway.pgwire.encode import ResultEncoder, date_order, spread_formats
from gateway.portal import Binding, Portal, PreparedStatement
from gateway.put import Way, open_put
from gateway.query import QueryResult
from gateway.result import ActionResult, ConstantResult, RelayedResult, Result
from gateway.rows import describe_rows, with_formats
from gateway.scroll import Scroll
from gateway.source import Execution, Source, Surroundings
from gateway.spool import Retention
from gateway.temporary.loans import lend
from gateway.temporary.transfers import transfer
from gateway.trees import find_scans
from gateway.variables import split_search_path
from planner.copy import VERB as COPY
from planner.customs import Customs
from planner.loans import involves_lakehouse
from planner.plan import (
    ALL_ROWS,
    CatalogChange,
    CloseCursor,
    Constant,
    DeclareCursor,
    Direction,
    Execute,
    Explain,
    FetchCursor,
    Lane,
    Metadata,
    Movement,
    Plan,
    Prepare,
    Query,
    Settings,
    ShowVariable,
    Transfer,
)
from planner.planning import plan
from planner.session import is_own, plan_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping
    from contextlib import AbstractAsyncContextManager

    import pyarrow as pa

    from catalog.principals import Principal
    from gateway.leases import Leases
    from gateway.relay import RelayDescription
    from gateway.services import Services
    from gateway.session import Session
    from planner.parse import Statement


class Executor:
    """Describes statements and opens their results, for one session."""

    def __init__(self, session: Session, services: Services, leases: Leases) -> None:
        self._session = session
        self._services = services
        self.leases = leases
        self.reserve = services.reserve.with_workspace(session.workspace)

    def settings(self, lane: Lane | None = None) -> Settings:
        """What of the session's settings changes a plan; `lane` overrides the session's."""
        variables = self._session.variables
        chosen = variables.effective.get("lakegate.lane", "auto")
        return Settings(
            dialect=self._session.dialect,
            lane=lane or (None if chosen == "auto" else Lane(chosen)),
            search_path=split_search_path(variables.current("search_path"), self._session.principal.name),
            customs=Customs(variables.current("TimeZone"), variables.current("DateStyle")),
        )

    async def describe(self, statement: Statement, types: tuple[int, ...]) -> PreparedStatement:
        """Parameters and columns, from PostgreSQL on the shadow or from the engine's analyser. Nothing is
        executed."""
        if statement.borrows or is_own(statement):
            return self._describe_alone(statement, types)
        if statement.describable is not None:
            variables = self._session.variables.effective
            described = await self._session.relay.describe(statement.describable, types, variables)
            return _prepared(statement, types, described)
        planned, _ = await self.plan(statement, PreparedStatement(statement, types), None)
        columns = planned.columns if isinstance(planned, Query | Constant) else None
        if isinstance(planned, Query) and _undescribed(planned):
            columns = await self._analyse(planned)
        message = b"" if columns is None else describe_rows(columns)
        return PreparedStatement(statement, types, Description(types, columns), message)

    def find_described(self, statement: Statement, types: tuple[int, ...]) -> PreparedStatement | None:
        """What `describe` gives, if PostgreSQL has told it before."""
        if statement.borrows or is_own(statement):
            return self._describe_alone(statement, types)
        assert statement.describable is not None
        variables = self._session.variables.effective
        described = self._session.relay.find_description(statement.describable, types, variables)
        return None if described is None else _prepared(statement, types, described)

    def renew(self, prepared: PreparedStatement) -> PreparedStatement:
        """As it is to be bound now: a FETCH gives the rows of the cursor that has the name then, an EXECUTE those of
        the prepared statement."""
        statement = prepared.statement
        if statement is None or not statement.borrows:
            return prepared
        return self._describe_alone(statement, prepared.types)

    def _describe_alone(self, statement: Statement, types: tuple[int, ...]) -> PreparedStatement:
        """Without PostgreSQL. What names something that does not exist gives no rows: PostgreSQL raises that when it is
        executed."""
        session, described = self._session, None
        if statement.executes is not None:
            described = session.statements.find(statement.executes)
        elif statement.fetches is not None:
            portal = session.portals.find(statement.fetches)
            described = None if portal is None else portal.prepared
        if described is None:
            return PreparedStatement(statement, types, Description(types, None))
        return PreparedStatement(
            statement, types, Description(types, described.description.columns), described.row_description
        )

    def read_values(self, portal: str, prepared: PreparedStatement, binding: Binding) -> pa.RecordBatch | None:
        """The values for a lakehouse table, which are read at Bind as in PostgreSQL; those for itself it reads itself.
        Raises SqlError, but for what could not be used: that is told to who executes it."""
        statement = prepared.statement
        if statement is None or self._services.relayed.find(self._circumstances(statement)) is not None:
            return None
        catalog, workspace = self._services.catalog, self._session.workspace
        if any(catalog.has_table_called(workspace, each.name) for each in statement.references):
            with suppress(FeatureNotSupported):
                return self._decode(prepared, binding, portal)
        return None

    async def open_result(self, portal: Portal, max_rows: int, *, alone: bool) -> Result:
        """Plans the portal's statement and starts it; `max_rows` is what will be fetched first (0: all)."""
        statement, prepared = portal.prepared.statement, portal.prepared
        assert statement is not None, "an empty query has no result"
        self._session.admit(statement)
        if is_own(statement):
            return self._act(plan_session(statement), alone=alone)
        if statement.verb == COPY:
            return await open_copy(self, self._session, self._services.catalog, portal, alone=alone)
        await self._confirm(prepared)
        circumstances = self._circumstances(statement)
        relayed = self._services.relayed.find(circumstances)
        if relayed is not None:
            return await self.relay(relayed, portal, max_rows)
        planned, values = await self.plan(statement, prepared, portal)
        if isinstance(planned, Metadata):
            self._services.relayed.keep(circumstances, planned, len(statement.text))
            return await self.relay(planned, portal, max_rows)
        if isinstance(planned, Query) and planned.changes and await self.admit_write(planned, alone=alone):
            planned, values = await self.plan(statement, prepared, portal)
        if isinstance(planned, Query | CatalogChange | Constant):
            for remark in planned.remarks:
                self._session.inform(remark)
        if isinstance(planned, Query):
            return await self.open_query(planned, portal, values)
        if isinstance(planned, Transfer):
            return await transfer(self._session, planned, portal, alone=alone)
        if isinstance(planned, Constant):
            return ConstantResult.of_texts(planned.tag, planned.columns, planned.rows)
        if isinstance(planned, ShowVariable):
            columns = (ResultColumn(planned.name, PgType(Oid.TEXT)),)
            return ConstantResult.of_texts("SHOW", columns, ((self._session.variables.shown(planned.name),),))
        if isinstance(planned, DeclareCursor | FetchCursor | CloseCursor):
            return await cursors.open_result(self, self._session, planned, portal, max_rows)
        if isinstance(planned, Prepare):
            return ActionResult(functools.partial(preparation.prepare, self._session, planned, statement))
        if isinstance(planned, Execute):
            return await self._open_execute(planned, portal, max_rows, alone=alone)
        if isinstance(planned, Explain):
            return await explanation.explain(self, self._session, planned, portal, max_rows, alone=alone)
        return self._act(planned, alone=alone)

    def _act(self, planned: Plan, *, alone: bool) -> Result:
        act = functools.partial(actions.act, self._session, self._services, planned, alone=alone)
        return ActionResult(act, actions.find_assigned(planned))

    def _circumstances(self, statement: Statement) -> Hashable:
        """All that decides whether and how a statement is relayed; the epoch of what a session has in PostgreSQL is no
        other session's, but for 0, which is nothing."""
        session = self._session
        version = self._services.catalog.version(session.workspace)
        return statement, session.workspace, version, session.principal.name, session.relay.epoch, self.settings()

    async def admit_write(self, write: Query, *, alone: bool) -> bool:
        """Refuses a write that may not run. Whether it has to be planned anew, since its block writes the table
        elsewhere. Raises SqlError."""
        self._session.admit_write(write.tag)
        if write.location is not None:
            await definitions.make_room(self._session, self._services.catalog, write.location, alone=alone)
            return False
        return await enlistment.enlist(self._session, self._services, write, alone=alone)

    async def _open_execute(self, planned: Execute, portal: Portal, max_rows: int, *, alone: bool) -> Result:
        session = self._session
        variables = await self.variables_for(planned.arguments, portal)
        prepared, binding = await preparation.bind(session, planned, variables, portal.binding.result_formats)
        session.count_plan(planned.name)
        if planned.around is not None:
            prepared = await preparation.put_in(session, prepared, planned.around)
        result = await self.open_result(session.make_portal(prepared, binding), max_rows, alone=alone)
        if isinstance(result, RelayedResult):
            result.repeats = None
        return result

    async def _confirm(self, prepared: PreparedStatement) -> None:
        """Describes a stored statement anew, which is known unless something has changed since Parse."""
        statement = prepared.statement
        if not prepared.row_description or statement is None or statement.describable is None or statement.borrows:
            return
        current = self.find_described(statement, prepared.types) or await self.describe(statement, prepared.types)
        if current.description.columns != prepared.description.columns:
            raise FeatureNotSupported("cached plan must not change result type")

    async def plan(
        self, statement: Statement, prepared: PreparedStatement, portal: Portal | None, lane: Lane | None = None
    ) -> tuple[Plan, pa.RecordBatch | None]:
        """The plan, and the client's values where a machine will need them. A portal of a statement that was not
        described before holds it described then."""
        resolution = await self._session.resolve(statement)
        if not involves_lakehouse(statement, resolution):
            return plan(statement, resolution, self.settings(lane)), None
        description = prepared.description if prepared.row_description else None
        if description is not None and statement.explain_route:
            description = Description(description.parameters, None)
        if description is None and statement.describable is not None:
            prepared = await self.describe(statement, prepared.types)
            description = prepared.description
            if portal is not None:
                portal.prepared = prepared
        if portal is not None and portal.values is None:
            portal.values = self._decode(prepared, portal.binding)
        values = None if portal is None else portal.values
        resolution = await lend(self._session, self._services.catalog, statement, resolution, portal)
        return plan(statement, resolution, self.settings(lane), description, values), values

    def _decode(self, prepared: PreparedStatement, binding: Binding, portal: str = "") -> pa.RecordBatch | None:
        oids = prepared.description.parameters
        if not oids and not binding.values:
            return None
        current = self._session.variables.current
        time_zone, order = current("TimeZone"), date_order(current("DateStyle"))
        return decode_parameters(oids, binding.formats, binding.values, time_zone, date_order=order, portal=portal)

    async def relay(self, planned: Metadata, portal: Portal, max_rows: int) -> Result:
        """PostgreSQL's own answer. Raises SqlError."""
        statement = portal.prepared.statement
        if planned.asks_for_names and statement is not None and not portal.prepared.row_description:
            # The columns are those of the catalog's own views, not of ours.
            portal.prepared = await self.describe(statement, portal.prepared.types)
        if planned.assigns:
            values = self._decode(portal.prepared, portal.binding)
            execute = functools.partial(handover.hand_over, self._session, self._services.catalog, planned, portal, 0)
            return await relay_assigning(self._session, planned.assigns, values, execute)
        relayed = await handover.hand_over(self._session, self._services.catalog, planned, portal, max_rows)
        repeats = None if planned.asks_for_all or planned.asks_for_names else planned
        return RelayedResult(relayed, repeats=repeats, custom=not portal.prepared.named, tag=planned.tag)

    async def variables_for(self, planned: Metadata, portal: Portal) -> Mapping[str, str]:
        """What a statement that PostgreSQL answers is told beside its own text."""
        return await brief(self._session, self._services.catalog, planned, portal)

    async def open_query(self, query: Query, portal: Portal, values: pa.RecordBatch | None) -> Result:
        """The result of a query, whose work begins with the first rows that are asked for. Raises SqlError."""
        if query.put is not None:
            return open_put(self, self._session, self._services.catalog, query, portal, values)
        execution = Execution(query, await give_arguments(self._session, query, values))
        may_reroute = query.lane is Lane.DUCKDB and self.may_use_spark()
        reroute = functools.partial(self._reroute, portal, values, self._session.principal) if may_reroute else None
        surroundings = self._surroundings(query, reroute)
        formats = portal.binding.result_formats
        columns = query.columns
        message = portal.prepared.row_description
        if _undescribed(query):
            columns = portal.prepared.description.columns or await self._analyse(query)
        scroll = portal.options.scroll
        source = Source(execution, surroundings, Retention.by_scroll(scroll))
        rows = Scroll(source, scrolls=scroll is not False)
        if columns is None:
            return QueryResult(source, rows, b"")
        codes = spread_formats(formats, len(columns))
        message = with_formats(message, formats) if message else describe_rows(columns, codes)
        encoder = ResultEncoder(columns, codes, self._session.variables)
        return QueryResult(source, rows, message, columns, encoder)

    def may_use_spark(self) -> bool:
        """Whether what DuckDB's lane does not do may be done on Spark's."""
        return self.settings().lane is None and "spark" in self._services.engines

    async def open_on_spark(self, portal: Portal) -> Result:
        """The result of a portal's write, as Spark carries it out. Raises SqlError."""
        planned, values = await self._plan_on_spark(portal)
        return await self.open_query(planned, portal, values)

    def find_way(self, query: Query, otherwise: Callable[[], Awaitable[Result]] | None) -> Way:
        """Of what is put into the table that a query writes."""
        around = self._surroundings(query)
        return Way(around.turn, around.room, functools.partial(around.settle, query), around.undone, otherwise)

    def _surroundings(self, query: Query, reroute: Callable[[], Awaitable[Execution]] | None = None) -> Surroundings:
        session = self._session
        drafted = enlistment.find(self._services.catalog, session, query.writes) is not None
        waits = not drafted and query.location is None
        return Surroundings(
            self.leases,
            session.principal.name,
            session.vault,
            functools.partial(actions.settle, session, self._services.catalog),
            self._services.writers.turn(session.workspace, query.writes if waits else None, session.lock_seconds),
            self._room(query),
            reroute,
            self._services.trees,
            drafted,
            self.reserve if query.changes else None,
        )

    def _room(self, query: Query) -> AbstractAsyncContextManager[None]:
        """A block has seen to the folders of its tables before."""
        if query.location is None or query.location in self._session.block.made:
            return nullcontext()
        return self._services.catalog.making(self._session.workspace, query.location)

    async def append(self, query: Query) -> Result:
        """The result of a write without a client's values."""
        execution = Execution(query, await give_arguments(self._session, query))
        source = Source(execution, self._surroundings(query), Retention.NONE)
        return QueryResult(source, Scroll(source, scrolls=False), b"")

    async def read(self, query: Query, values: pa.RecordBatch | None) -> AsyncIterator[pa.RecordBatch]:
        """The rows of a question of the gateway's own about a query. Raises SqlError."""
        execution = Execution(query, await give_arguments(self._session, query, values))
        source = Source(execution, self._surroundings(query), Retention.NONE)
        try:
            async for batch in Scroll(source, scrolls=False).fetch(Movement(Direction.FORWARD, ALL_ROWS)):
                yield batch
        finally:
            await source.close()

    async def _reroute(self, portal: Portal, values: pa.RecordBatch | None, who: Principal) -> Execution:
        """The query for the other lane. A cursor's may be asked for when its session acts as somebody else."""
        if self._session.principal != who:
            raise FeatureNotSupported("a query that one role has begun is not planned anew for another")
        planned, _ = await self._plan_on_spark(portal)
        return Execution(planned, await give_arguments(self._session, planned, values))

    async def _plan_on_spark(self, portal: Portal) -> tuple[Query, pa.RecordBatch | None]:
        statement = portal.prepared.statement
        assert statement is not None, "the empty query has no plan"
        planned, values = await self.plan(statement, portal.prepared, portal, Lane.SPARK)
        if not isinstance(planned, Query):
            raise InternalError("a query became something else when it was planned for the other lane")
        return planned, values

    async def _analyse(self, query: Query) -> tuple[ResultColumn, ...]:
        parameters = await give_arguments(self._session, query)
        scans = await find_scans(query, trees=self._services.trees)
        role = self._session.principal.name
        lease = await self.leases.take(query.lane.value, role)
        try:
            schema = await lease.describe(query.sql, parameters=parameters, scans=scans)
        except SqlError:
            await self.leases.give_back(query.lane.value, role, lease)
            raise
        except BaseException:
            await self.leases.drop(lease)
            raise
        await self.leases.give_back(query.lane.value, role, lease)
        return describe_schema(schema)


def _prepared(statement: Statement, types: tuple[int, ...], described: RelayDescription) -> PreparedStatement:
    description = Description(described.parameters, described.columns)
    return PreparedStatement(statement, types, description, described.row_description)


def _undescribed(query: Query) -> bool:
    """Whether only the engine knows the columns: a read in the spark dialect."""
    return query.columns is None and query.writes is None and query.then is None
