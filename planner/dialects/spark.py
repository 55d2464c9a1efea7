"""Spark SQL's spellings (ANSI mode). Tables are read as ``delta.`path` VERSION AS OF n``, parameters as ``:p1``…"""

import datetime
from collections.abc import Iterator, Sequence

from catalog.types import PgType
from planner import tree
from planner.dialects.expression import Unverified
from planner.dialects.spelling import Span, engine_type
from planner.plan import Lane
from planner.tree import Node

_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"})

_LATER = (
    "element_at(element_at(transform(array(CAST({local} AS TIMESTAMP)), shown -> transform("
    "array(to_utc_timestamp(shown, '{zone}')), early -> transform("
    "array(shown - (from_utc_timestamp(early + INTERVAL '1' DAY, '{zone}') - (early + INTERVAL '1' DAY))), late -> "
    "CASE WHEN from_utc_timestamp(late, '{zone}') = shown THEN late ELSE early END))), 1), 1)[0]"
)
"""Spark takes the earlier of two moments. The later is what the offset of a day later gives, if that shows the same."""


class Spark:
    lane = Lane.SPARK

    def identifier(self, name: str) -> str:
        return "`" + name.replace("`", "``") + "`"

    def string(self, text: str) -> str:
        return "'" + text.translate(_ESCAPES) + "'"

    def type(self, type_: PgType) -> str:
        return engine_type(type_, Lane.SPARK)

    def span(self, span: Span) -> str:
        """An interval literal; Spark keeps months apart from days and seconds."""
        if span.months and (span.days or span.microseconds):
            raise Unverified("an interval of months and days")
        if span.months:
            return f"INTERVAL '{span.months}' MONTH"
        if span.microseconds:
            seconds = f"{span.microseconds // 1_000_000}.{span.microseconds % 1_000_000:06d}"
            return f"(INTERVAL '{span.days}' DAY + make_dt_interval(0, 0, 0, {seconds}))"
        return f"INTERVAL '{span.days}' DAY"

    def array(self, elements: Sequence[str], type_: PgType) -> str:
        return f"CAST(array({', '.join(elements)}) AS {self.type(type_)})"

    def each(self, array: str, name: str, sql: str) -> str:
        return f"transform({array}, {name} -> {sql})"

    def timestamptz(self, moment: datetime.datetime) -> str:
        return f"TIMESTAMP '{moment.astimezone(datetime.UTC):%Y-%m-%d %H:%M:%S.%f}+00:00'"

    def local(self, moment: str, zone: str) -> str:
        return f"CAST(from_utc_timestamp({moment}, '{zone}') AS TIMESTAMP_NTZ)"

    def moment(self, local: str, zone: str) -> str:
        return _LATER.format(local=local, zone=zone)


def check_memberships(node: Node, *, filters: bool) -> None:
    """Spark answers false where PostgreSQL answers NULL for ``x IN (SELECT …)`` with a NULL in it.

    In a filter that is the same, and a NOT IN that a filter demands is right; anywhere else it is `Unverified`.
    """
    kind, fields = tree.unwrap(node)
    if filters and kind == "BoolExpr" and fields["boolop"] != "NOT_EXPR":
        for part in fields["args"]:
            check_memberships(part, filters=fields["boolop"] == "AND_EXPR" or not _is_negation(part))
        return
    if filters and _is_negation(node):
        node = fields["args"][0] if kind == "BoolExpr" else node
        kind, fields = tree.unwrap(node)
    if filters and kind == "SubLink":
        return
    if any(sublink in ("ANY_SUBLINK", "ALL_SUBLINK") for sublink in _sublinks(node)):
        raise Unverified("IN (SELECT …) as a value is not supported on the Spark lane")


def _sublinks(node: Node | list[Node] | object) -> Iterator[str]:
    """The kinds of sub-selects in an expression; those inside them are their own queries' matter."""
    if isinstance(node, list):
        for part in node:
            yield from _sublinks(part)
    elif isinstance(node, dict):
        if "SubLink" in node:
            yield node["SubLink"]["subLinkType"]
        else:
            yield from _sublinks(list(node.values()))


def _is_negation(node: Node) -> bool:
    kind, fields = tree.unwrap(node)
    if kind == "BoolExpr":
        return fields["boolop"] == "NOT_EXPR" and tree.kind(fields["args"][0]) == "SubLink"
    return kind == "SubLink" and fields["subLinkType"] == "ALL_SUBLINK"
