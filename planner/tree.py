"""PostgreSQL's raw parse tree, as libpg_query's JSON gives it: how to look into it.

A node is an object with one key, its kind: ``{"ColumnRef": {"fields": [...], "location": 7}}``. Fields that hold their
default are absent. Locations count bytes from 0.

Reference: PostgreSQL `src/include/nodes/parsenodes.h`.
"""

from collections.abc import Iterable, Iterator
from typing import Any

Node = dict[str, Any]
PLACES = frozenset({"location", "list_start", "list_end", "rexpr_list_start", "rexpr_list_end"})
"""Fields that tell where in the text a node is."""


def unwrap(node: Node) -> tuple[str, Node]:
    """The kind and the fields of a node."""
    ((kind, fields),) = node.items()
    return kind, fields


def kind(node: Node | None) -> str | None:
    return next(iter(node), None) if node else None


def strings(nodes: list[Node] | None) -> list[str]:
    """The parts of a name: a list of String nodes."""
    return [node["String"].get("sval", "") for node in nodes or ()]


def items(node: Node) -> list[Node]:
    """The items of a List node."""
    found: list[Node] = node["List"].get("items", [])
    return found


def constant(fields: Node) -> int | str | bool | None:
    """The value of an A_Const; a number that is no int4 stays text and is told from a string by `is_number`."""
    if fields.get("isnull"):
        return None
    if "ival" in fields:
        return int(fields["ival"].get("ival", 0))
    if "fval" in fields:
        return str(fields["fval"]["fval"])
    if "boolval" in fields:
        return bool(fields["boolval"].get("boolval", False))
    holder: Node = fields.get("sval", {})
    return str(holder.get("sval", ""))


def is_number(fields: Node) -> bool:
    return "ival" in fields or "fval" in fields


def walk(node: Any) -> Iterator[tuple[str, Node]]:
    """Every node of the tree with its kind, parents first."""
    stack = [node]
    while stack:
        current = stack.pop()
        if type(current) is list:
            stack.extend(reversed(current))
        elif type(current) is dict:
            for key, value in reversed(current.items()):
                if type(value) is dict:
                    if "A" <= key < "[":
                        yield key, value
                    stack.append(value)
                elif type(value) is list:
                    stack.append(value)


def placeless(node: Any) -> Any:
    """The tree without its places in the text, so that equal expressions are equal."""
    if type(node) is dict:
        return {name: placeless(value) for name, value in node.items() if name not in PLACES}
    return [placeless(value) for value in node] if type(node) is list else node


def columns_among(nodes: Iterable[tuple[str, Node]]) -> set[str]:
    """The last names of every column reference, ``*`` among them unless it is count(*)'s."""
    return {
        part["String"].get("sval", "") if "String" in part else "*"
        for kind, fields in nodes
        if kind == "ColumnRef"
        for part in fields["fields"][-1:]
    }


def column_names(node: Any) -> set[str]:
    """The same of every node of the tree."""
    return columns_among(walk(node))
