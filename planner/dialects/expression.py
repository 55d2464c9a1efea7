"""A translated expression: the lane's SQL with its PostgreSQL type, and what pruning may know of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from catalog.errors import FeatureNotSupported

if TYPE_CHECKING:
    from catalog.types import PgType
    from planner.dialects.spelling import Span
    from planner.predicates import Predicate, Term


class Unverified(FeatureNotSupported):
    """No verified rewrite on this lane: the other lane is tried, and the client sees it only if both have none."""


@dataclass(frozen=True, slots=True)
class Expression:
    """`type` None is PostgreSQL's unknown: an untyped string in `literal`, or NULL (`literal` None).

    `term` and `predicate` are what file pruning understands of it. `name` is the column's name if none is given.
    `width` bounds the digits of an exact number better than its type does, where statistics or a literal tell. `span`
    is a literal interval's.
    """

    sql: str
    type: PgType | None
    literal: str | None = None
    term: Term | None = None
    predicate: Predicate | None = None
    width: int | None = None
    span: Span | None = None
    name: str = "?column?"

    def named(self, name: str) -> Expression:
        return replace(self, name=name)

    @property
    def is_null(self) -> bool:
        return self.type is None and self.literal is None


NULL = Expression("NULL", None)
