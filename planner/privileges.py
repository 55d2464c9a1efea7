"""Questions about privileges (`has_table_privilege` and kin), and which function of schema ``lakegate`` answers each.

There are three answers. PostgreSQL's own is right for USAGE on a schema, which is mirrored there. Of tables that are
named one by one, `lakegate.has_…` looks each up in the control tables. Where a statement asks of the rows of a catalog,
that would be a look-up for each of them: `lakegate.each_has_…` gets the tables that the user holds the privilege on as
a constant, of which PostgreSQL makes a hash table.
"""

from planner import tree
from planner.syntax import Replacement
from planner.tree import Node

_ARGUMENTS = {"has_table_privilege": 2, "has_any_column_privilege": 2, "has_column_privilege": 3}
"""By function that is asked of a table: how many, without the role."""
_OF_COLUMNS = frozenset({"SELECT", "INSERT", "UPDATE"})
_OF_TABLES = _OF_COLUMNS | {"DELETE", "TRUNCATE", "TRIGGER", "MAINTAIN"}
"""Nobody has them on a shadow. REFERENCES is what its visibility is made of."""
_CURRENT = frozenset({"SVFOP_CURRENT_USER", "SVFOP_CURRENT_ROLE", "SVFOP_USER"})

FUNCTIONS = frozenset({*_ARGUMENTS, "has_schema_privilege"})


def replace_question(name: str, call: Node) -> Replacement | None:
    """What a call of one of `FUNCTIONS` becomes; None for one that PostgreSQL answers rightly."""
    place, arguments = int(call["location"]), call.get("args", [])
    privilege = _constant(arguments[-1]) if arguments else ""
    if name == "has_schema_privilege":
        return None if privilege == "USAGE" else Replacement(place, f"lakegate.{name}")
    if _asks_of_each(name, arguments) and privilege in (_OF_TABLES if name == "has_table_privilege" else _OF_COLUMNS):
        return Replacement(place, f"lakegate.each_{name}", f"lakegate.held('{privilege}')")
    return Replacement(place, f"lakegate.{name}")


def _asks_of_each(name: str, arguments: list[Node]) -> bool:
    """Whether it asks for the statement's own user, of tables that the statement reads somewhere."""
    most = _ARGUMENTS[name]
    if len(arguments) > most and arguments[0].get("SQLValueFunction", {}).get("op") not in _CURRENT:
        return False
    return most <= len(arguments) <= most + 1 and bool(tree.column_names(arguments[-most]))


def _constant(node: Node) -> str:
    """A string constant as a privilege is read; empty for anything else."""
    value = tree.constant(node["A_Const"]) if "A_Const" in node else None
    return value.strip(" \t\n\r").upper() if isinstance(value, str) else ""
