"""OVER clauses: partitions, orders and frames.

`frameOptions` is a set of bits; reference: PostgreSQL `parsenodes.h`, FRAMEOPTION_*.
"""

from typing import TYPE_CHECKING

from planner.bind import Scope
from planner.dialects.expression import Unverified
from planner.tree import Node

if TYPE_CHECKING:
    from planner.dialects.translator import Expressions

_NONDEFAULT, _RANGE, _ROWS, _GROUPS = 0x1, 0x2, 0x4, 0x8
_EXCLUSIONS = 0x8000 | 0x10000 | 0x20000
_STARTS = {0x20: "UNBOUNDED PRECEDING", 0x200: "CURRENT ROW", 0x800: "{0} PRECEDING", 0x2000: "{0} FOLLOWING"}
_ENDS = {0x100: "UNBOUNDED FOLLOWING", 0x400: "CURRENT ROW", 0x1000: "{0} PRECEDING", 0x4000: "{0} FOLLOWING"}


def over_clause(window: Node, scope: Scope, expressions: "Expressions") -> str:
    """The text after OVER. A window that is named in WINDOW is written out."""
    window = expressions.queries.named_window(window)
    parts = []
    if window.get("partitionClause"):
        listed = ", ".join(expressions.translate(node, scope).sql for node in window["partitionClause"])
        parts.append(f"PARTITION BY {listed}")
    if window.get("orderClause"):
        parts.append(f"ORDER BY {expressions.queries.order_list(window['orderClause'], scope)}")
    options = int(window.get("frameOptions", 0))
    if options & _NONDEFAULT:
        parts.append(_frame(window, options, scope, expressions))
    return f"({' '.join(parts)})"


def _frame(window: Node, options: int, scope: Scope, expressions: "Expressions") -> str:
    if options & (_GROUPS | _EXCLUSIONS):
        raise Unverified("window frames with GROUPS or EXCLUDE are not supported on lakehouse tables")
    offsets = [
        expressions.translate(window[side], scope).sql if side in window else ""
        for side in ("startOffset", "endOffset")
    ]
    if options & _RANGE and any(offsets):
        raise Unverified("RANGE frames with an offset are not supported on lakehouse tables")
    start = next(text for bit, text in _STARTS.items() if options & bit).format(offsets[0])
    end = next(text for bit, text in _ENDS.items() if options & bit).format(offsets[1])
    return f"{'ROWS' if options & _ROWS else 'RANGE'} BETWEEN {start} AND {end}"
