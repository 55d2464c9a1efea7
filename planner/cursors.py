"""Cursors: DECLARE, FETCH, MOVE and CLOSE.

References: PostgreSQL `src/include/nodes/parsenodes.h` (CURSOR_OPT_…), `src/backend/executor/execAmi.c`
(ExecSupportsBackwardScan).
"""

from catalog.errors import FeatureNotSupported
from catalog.resolution import Resolution
from planner import tree
from planner.dialects.aggregates import AGGREGATES
from planner.parse import Statement
from planner.plan import CloseCursor, CursorPlan, DeclareCursor, Direction, FetchCursor, Movement
from planner.relay import relay
from planner.tree import Node

VERBS = frozenset({"DeclareCursor", "Fetch", "ClosePortal"})
_BINARY, _SCROLL, _NO_SCROLL, _HOLD = 0x01, 0x02, 0x04, 0x20
_GROUPING = frozenset({"groupClause", "havingClause", "distinctClause", "withClause", "windowClause"})


def plan_cursor(statement: Statement, resolution: Resolution) -> CursorPlan:
    """Raises 0A000 for a cursor over a query that PostgreSQL would have to answer and may not."""
    _, fields = tree.unwrap(statement.tree)
    name = fields.get("portalname", "")
    if statement.verb == "DeclareCursor":
        return _declare(statement, resolution, name, int(fields.get("options", 0)))
    if statement.verb == "ClosePortal":
        return CloseCursor(name if "portalname" in fields else None)
    movement = Movement(Direction(fields["direction"]), int(fields.get("howMany", 0)))
    return FetchCursor(name, movement, bool(fields.get("ismove")))


def _declare(statement: Statement, resolution: Resolution, name: str, options: int) -> DeclareCursor:
    assert statement.query is not None, "every DECLARE has a query"
    if resolution.tables and statement.query.verb != "Select":
        raise FeatureNotSupported("a cursor on lakehouse tables reads a SELECT")
    return DeclareCursor(
        name=name,
        query=statement.query,
        scroll=True if options & _SCROLL else False if options & _NO_SCROLL else None,
        scans=_scans(statement.query.tree),
        hold=bool(options & _HOLD),
        binary=bool(options & _BINARY),
        relayed=None if resolution.tables else relay(statement, resolution),
    )


def _scans(query: Node) -> bool:
    """Whether PostgreSQL's plan for it would be a scan, sorted or limited at most, which goes backwards for nothing."""
    _, fields = tree.unwrap(query)
    relations = fields.get("fromClause", [])
    if fields.get("op") != "SETOP_NONE" or _GROUPING & fields.keys() or len(relations) > 1:
        return False
    if relations and tree.kind(relations[0]) != "RangeVar":
        return False
    return not any(
        kind == "FuncCall" and ("over" in call or tree.strings(call["funcname"])[-1] in AGGREGATES)
        for kind, call in tree.walk(fields.get("targetList", []))
    )
