"""Ranges of blocks, by which clients read one table over several connections.

A lakehouse table has no blocks, but pg_class tells its size in them. Each row is taken to lie in the first one: of the
ranges that make up a table, the one that begins there has every row and the others have none, however it was split.

Reference: DuckDB's PostgreSQL extension, `pg_use_ctid_scan` and `pg_pages_per_task`.
"""

import re

from planner import tree
from planner.bind import Scope
from planner.tree import Node

_BLOCK = re.compile(r"\((\d+),0\)")


def covers_rows(between: Node, scope: Scope) -> bool | None:
    """Whether ``ctid BETWEEN '(m,0)'::tid AND '(n,0)'::tid`` has the rows of the one table that is read; None for any
    other condition."""
    joined = scope.joined
    if len(joined.sources) != 1 or len(joined.scans - joined.nullable) != 1 or not _is_ctid(between["lexpr"], scope):
        return None
    first, last = (_block(bound) for bound in tree.items(between["rexpr"]))
    return None if first is None or last is None else first == 0 < last


def _is_ctid(node: Node, scope: Scope) -> bool:
    kind, fields = tree.unwrap(node)
    if kind != "ColumnRef" or tree.kind(fields["fields"][-1]) != "String":
        return False
    return tree.strings(fields["fields"]) == ["ctid"] and all(c.name != "ctid" for c in scope.joined.columns)


def _block(node: Node) -> int | None:
    """The block at whose beginning that is, before its first row."""
    kind, fields = tree.unwrap(node)
    if kind != "TypeCast" or tree.strings(fields["typeName"]["names"])[-1] != "tid":
        return None
    kind, constant = tree.unwrap(fields["arg"])
    found = _BLOCK.fullmatch(str(tree.constant(constant))) if kind == "A_Const" else None
    return int(found[1]) if found else None
