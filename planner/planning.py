"""Statement to plan: the planner's front door. Partner of `planner.plan`, which says what a plan is."""

from collections import OrderedDict
from typing import TYPE_CHECKING

import pyarrow as pa

from catalog.errors import FeatureNotSupported
from catalog.resolution import Resolution, ResolvedTable
from catalog.types import Description, Oid, PgType, ResultColumn
from planner import cursors, definitions, explain, prepared, roles, session, sparkplan, transfers, tree, writes
from planner.authorize import require_reads
from planner.customs import Customs
from planner.parse import Statement
from planner.plan import Constant, Dialect, Lane, Plan, Query, Settings
from planner.reads import Read
from planner.relay import relay, verb_words
from planner.route import refuse_objects

if TYPE_CHECKING:
    from collections.abc import Hashable

_REMEMBERED = 512
_UNDESCRIBED = Description((), None)
_TEXT = PgType(Oid.TEXT)
ROUTE_COLUMNS = (ResultColumn("property", _TEXT), ResultColumn("value", _TEXT))
"""The columns of ``EXPLAIN (ROUTE)``."""


class Memo:
    """The translations of late, by statement, table versions, description and settings. Bounded, oldest out first.

    A resolution that comes again, the very same one, has been authorised for that statement already.
    """

    def __init__(self, size: int = _REMEMBERED) -> None:
        self._reads: OrderedDict[Hashable, Read] = OrderedDict()
        self._authorised: OrderedDict[tuple[Statement, int, Customs], tuple[Resolution, Description, Read]] = (
            OrderedDict()
        )
        self._size = size

    def recall(
        self, statement: Statement, resolution: Resolution, description: Description, customs: Customs
    ) -> Read | None:
        """The read that was remembered for this resolution."""
        found = self._authorised.get((statement, id(resolution), customs))
        return found[2] if found is not None and found[1] == description else None

    def remember(self, statement: Statement, resolution: Resolution, read: Read) -> None:
        """Its principal may read what it reads. The resolution is kept as well, so that no other gets its identity."""
        self._authorised[statement, id(resolution), read.customs] = resolution, read.description, read
        if len(self._authorised) > self._size:
            self._authorised.popitem(last=False)

    def read(
        self, statement: Statement, tables: dict[int | None, ResolvedTable], description: Description, customs: Customs
    ) -> Read:
        """The statement's read with its translations, made on first use.

        Snapshots count by identity: the read keeps them, and the catalog gives the same one while a version lasts. A
        table that was made anew at its old place has another, even at the same version.
        """
        snapshots = tuple((place, table.identity()) for place, table in tables.items())
        key = (statement, snapshots, description, customs)
        found = self._reads.get(key)
        if found is None:
            found = self._reads[key] = Read(statement, tables, description, customs)
            if len(self._reads) > self._size:
                self._reads.popitem(last=False)
        else:
            self._reads.move_to_end(key)
        return found


_MEMO = Memo()


def plan(
    statement: Statement,
    resolution: Resolution,
    settings: Settings,
    description: Description | None = None,
    values: pa.RecordBatch | None = None,
) -> Plan:
    """What should happen with `statement`.

    `description` is what Describe announced, needed for whatever touches a lakehouse table. `values` are the client's
    parameters (one row, ``p1``…), used to prune files; without them a parameter prunes nothing. Everything but pruning
    is remembered.

    Raises `SqlError`: 42501 without privileges, 0A000 for what is not supported on any allowed lane.
    """
    planned = _plan(statement, resolution, settings, description, values)
    refuse_objects(planned, resolution)
    return _explained(planned, statement, resolution)


def _plan(
    statement: Statement,
    resolution: Resolution,
    settings: Settings,
    description: Description | None,
    values: pa.RecordBatch | None,
) -> Plan:
    if statement.dialect is Dialect.SPARK:
        return sparkplan.plan_spark(statement, resolution, settings)
    verb = statement.verb
    if verb in session.VERBS or session.shows_kept(statement):
        return session.plan_session(statement)
    if verb in cursors.VERBS:
        return cursors.plan_cursor(statement, resolution)
    if verb in prepared.VERBS:
        return prepared.plan_prepared(statement, resolution)
    if prepared.creates_from_execute(statement):
        return prepared.plan_create(statement, resolution)
    if verb == explain.VERB and _explains_tables(statement, resolution):
        return explain.plan_explain(statement)
    if verb in roles.VERBS:
        return roles.plan_roles(statement, resolution)
    if _defines(statement, resolution):
        tables = located(statement, resolution)
        return definitions.plan_definition(statement, resolution, tables, settings, description, values)
    if not resolution.tables:
        return relay(statement, resolution)
    if transfers.is_transfer(statement, resolution):
        return transfers.plan_transfer(statement, resolution)
    if verb == "Select":
        return _read(statement, resolution, settings, description or _UNDESCRIBED).plan(settings, values)
    tables = located(statement, resolution)
    if verb in writes.VERBS:
        return writes.plan_write(statement, resolution, tables, settings, description, values)
    raise FeatureNotSupported(
        f"{verb_words(verb)} is not supported on lakehouse tables",
        hint="SELECT from them, or EXPLAIN (ROUTE) to see how a statement would run.",
    )


def _explains_tables(statement: Statement, resolution: Resolution) -> bool:
    """Whether PostgreSQL alone cannot explain it: an EXECUTE may stand for anything."""
    query = statement.query
    assert query is not None, "every EXPLAIN has a query"
    return bool(resolution.tables) or query.executes is not None or _defines(query, resolution)


def _read(statement: Statement, resolution: Resolution, settings: Settings, description: Description) -> Read:
    read = _MEMO.recall(statement, resolution, description, settings.customs)
    if read is None:
        tables = located(statement, resolution)
        require_reads(statement, resolution)
        read = _MEMO.read(statement, tables, description, settings.customs)
        _MEMO.remember(statement, resolution, read)
    return read


def _defines(statement: Statement, resolution: Resolution) -> bool:
    """Whether it makes, changes or drops a permanent table or schema, or comments on a lakehouse table."""
    if statement.verb not in definitions.VERBS:
        return False
    _, fields = tree.unwrap(statement.tree)
    if statement.verb in ("Create", "CreateTableAs", "View"):
        relation = fields.get("relation") or fields.get("view") or fields["into"]["rel"]
        return relation.get("relpersistence") != "t" and not relation.get("schemaname", "").startswith("pg_temp")
    if statement.verb == "CreateSchema" or fields.get("removeType") == "OBJECT_SCHEMA":
        return True
    return bool(resolution.tables)


def located(statement: Statement, resolution: Resolution) -> dict[int | None, ResolvedTable]:
    """The lakehouse tables by where the tree names them: the byte in the statement's text."""
    return {
        place: resolution.tables[reference] for reference, place in statement.places() if reference in resolution.tables
    }


def _explained(planned: Plan, statement: Statement, resolution: Resolution) -> Plan:
    """The plan itself, or what EXPLAIN (ROUTE) tells of it."""
    if not statement.explain_route:
        return planned
    if not isinstance(planned, Query):
        kind = type(planned).__name__
        rows: list[tuple[str, str]] = [("lane", "none"), ("reason", f"{kind}: no compute is needed")]
    else:
        rows = [("lane", planned.lane.value), ("reason", planned.reason)]
        rows += [("table", f"{name} at version {version}") for name, version in planned.reads]
        rows += _scanned(planned, resolution)
        rows.append(("sql", planned.sql))
    return Constant("EXPLAIN", ROUTE_COLUMNS, tuple(rows))


def _scanned(query: Query, resolution: Resolution) -> list[tuple[str, str]]:
    if query.lane is not Lane.DUCKDB:
        return []
    totals = {snapshot.location: snapshot.files.num_rows for snapshot in resolution.snapshots()}
    rows = []
    for scan in query.scans:
        size = sum(file.size for file in scan.files)
        rows.append(("scan", f"{scan.relation}: {len(scan.files)} of {totals[scan.location]} files, {size} bytes"))
    return rows
