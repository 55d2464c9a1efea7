"""Questions about sizes of relations (`pg_relation_size` and kin), and which function of schema ``lakegate`` answers.

A call costs more than most of what PostgreSQL does for it. Where a statement asks of the relations that it reads, a
look into `lakegate.sizes` is written before the arguments, which PostgreSQL plans as part of the statement.
"""

from catalog.names import quote_identifier
from planner import tree
from planner.syntax import Replacement
from planner.tree import Node

FUNCTIONS = frozenset({"pg_table_size", "pg_total_relation_size", "pg_relation_size", "pg_indexes_size"})
_OF_EACH = FUNCTIONS - {"pg_indexes_size"}
_LOOK = "(SELECT lakegate_bytes FROM lakegate.sizes WHERE lakegate_relation = {}::pg_catalog.regclass)"


def replace_size(name: str, call: Node) -> Replacement:
    """What a call of one of `FUNCTIONS` becomes."""
    place, arguments = int(call["location"]), call.get("args", [])
    column = _column(arguments[0]) if name in _OF_EACH and len(arguments) == 1 else ""
    if column:
        return Replacement(place, f"lakegate.each_{name}", _LOOK.format(column))
    return Replacement(place, f"lakegate.{name}")


def _column(node: Node) -> str:
    """A column's name as it may be written again, also of one that is cast to a relation's type; else empty."""
    kind, fields = tree.unwrap(node)
    if kind == "TypeCast" and tree.strings(fields["typeName"]["names"])[-1] in ("regclass", "oid"):
        return _column(fields["arg"])
    if kind != "ColumnRef" or any("String" not in part for part in fields["fields"]):
        return ""
    return ".".join(quote_identifier(part) for part in tree.strings(fields["fields"]))
