"""What a statement demands of one scan's rows, in the few forms that file statistics can answer.

The translator states predicates, `planner.prune` evaluates them against a snapshot's file table. A form that is not
here is simply not stated: the file is read.
"""

import datetime
from dataclasses import dataclass
from decimal import Decimal

from catalog.types import PgType
from planner import tree
from planner.tree import Node

Value = bool | int | float | Decimal | str | bytes | datetime.date | datetime.datetime


@dataclass(frozen=True, slots=True)
class ColumnTerm:
    """A bare column: `scan` numbers the relations of the statement."""

    scan: int
    column: str


@dataclass(frozen=True, slots=True)
class ConstantTerm:
    value: Value


@dataclass(frozen=True, slots=True)
class ParameterTerm:
    """The client's ``$n``, compared as `type`."""

    number: int
    type: PgType


Term = ColumnTerm | ConstantTerm | ParameterTerm
Operand = ConstantTerm | ParameterTerm


@dataclass(frozen=True, slots=True)
class Comparison:
    """``column operator operand`` with one of ``= < <= > >=``."""

    column: ColumnTerm
    operator: str
    operand: Operand


@dataclass(frozen=True, slots=True)
class Nullness:
    column: ColumnTerm
    is_null: bool


@dataclass(frozen=True, slots=True)
class Prefix:
    """The column starts with this text."""

    column: ColumnTerm
    text: str


@dataclass(frozen=True, slots=True)
class AllOf:
    parts: tuple["Predicate", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    parts: tuple["Predicate", ...]


Predicate = Comparison | Nullness | Prefix | AllOf | AnyOf

FLIPPED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def comparison(left: Term | None, operator: str, right: Term | None) -> Predicate | None:
    """The predicate that ``left operator right`` states, if one side is a column and the other a value."""
    if operator not in FLIPPED or left is None or right is None:
        return None
    if isinstance(left, ColumnTerm):
        return None if isinstance(right, ColumnTerm) else Comparison(left, operator, right)
    return Comparison(right, FLIPPED[operator], left) if isinstance(right, ColumnTerm) else None


def all_of(parts: list[Predicate | None]) -> Predicate | None:
    """AND: an unknown part demands nothing, the others still hold."""
    known = tuple(part for part in parts if part is not None)
    return (known[0] if len(known) == 1 else AllOf(known)) if known else None


def any_of(parts: list[Predicate | None]) -> Predicate | None:
    """OR: with an unknown part nothing is demanded."""
    known = tuple(part for part in parts if part is not None)
    return AnyOf(known) if known and len(known) == len(parts) else None


def scans_of(predicate: Predicate) -> frozenset[int]:
    if isinstance(predicate, AllOf | AnyOf):
        return frozenset().union(*map(scans_of, predicate.parts))
    return frozenset({predicate.column.scan})


def conjuncts(predicate: Predicate | None) -> tuple[Predicate, ...]:
    if predicate is None:
        return ()
    return (
        tuple(p for part in predicate.parts for p in conjuncts(part)) if isinstance(predicate, AllOf) else (predicate,)
    )


def passes_filters(select: Node) -> bool:
    """Whether a filter on bare columns of a SELECT's rows may as well be one on the rows that it reads."""
    if any(name in select for name in ("limitCount", "limitOffset")) or select.get("distinctClause", [{}]) != [{}]:
        return False
    return not any("over" in fields for kind, fields in tree.walk(select["targetList"]) if kind == "FuncCall")


def within(term: Term | None, scans: frozenset[int]) -> Term | None:
    """The term if it is a column of one of these scans."""
    return term if isinstance(term, ColumnTerm) and term.scan in scans else None
