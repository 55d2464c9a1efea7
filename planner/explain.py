"""EXPLAIN of what reads or writes lakehouse tables; that of anything else is PostgreSQL's.

Whether the options are right PostgreSQL says, which is asked to explain ``SELECT 1`` with the same ones. Reference:
PostgreSQL `src/backend/commands/explain.c`.
"""

from typing import Any

from catalog.errors import FeatureNotSupported
from planner import tree
from planner.parse import Statement
from planner.plan import Explain
from planner.tree import Node

VERB = "Explain"
_OFF = frozenset({"off", "false", "0", "no"})
_QUERIES = frozenset({"Select", "Insert", "Update", "Delete", "Merge", "CreateTableAs", "Execute"})


def plan_explain(statement: Statement) -> Explain:
    """Raises 0A000 for what cannot be told of lakehouse tables."""
    query = statement.query
    assert query is not None, "every EXPLAIN has a query"
    if query.verb == "DeclareCursor" and query.query is not None:
        query = query.query
    if query.verb not in _QUERIES:
        raise FeatureNotSupported("EXPLAIN of such a statement is not supported on lakehouse tables")
    _, fields = tree.unwrap(statement.tree)
    said = {option["DefElem"]["defname"]: _value(option["DefElem"]) for option in fields.get("options", ())}
    style = str(said.get("format", "text")).lower()
    if style in ("xml", "yaml"):
        raise FeatureNotSupported(
            f"EXPLAIN in format {style} is not supported on lakehouse tables", hint="Use FORMAT text or FORMAT json."
        )
    refused = next((name for name in ("memory", "generic_plan") if said.get(name)), None)
    if refused is not None:
        raise FeatureNotSupported(f"EXPLAIN option {refused.upper()} is not supported on lakehouse tables")
    analyze = bool(said.get("analyze"))
    serialize = str(said.get("serialize") or "none").lower()
    return Explain(
        query=query,
        prefix=statement.parsed_text[: statement.query.offset - statement.offset] if statement.query else "",
        json=style == "json",
        analyze=analyze,
        verbose=bool(said.get("verbose")),
        costs=bool(said.get("costs", True)),
        settings=bool(said.get("settings")),
        timing=bool(said.get("timing", analyze)),
        summary=bool(said.get("summary", analyze)),
        serialize=None if serialize in ("none", "off") else "text" if serialize == "true" else serialize,
    )


def _value(option: Node) -> Any:
    """A switch as whether it is on, anything else as its word."""
    if "arg" not in option:
        return True
    kind, fields = tree.unwrap(option["arg"])
    if kind == "Integer":
        return bool(fields.get("ival", 0))
    word = str(fields.get("sval", fields.get("boolval", ""))).lower()
    if word in _OFF:
        return False
    return True if word in ("on", "true") else word
