"""Spark's dialect: parsed by sqlglot."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp

from catalog.names import TableReference


@dataclass(frozen=True, slots=True)
class SparkStatement:
    text: str
    offset: int
    verb: str
    references: tuple[TableReference, ...]
    functions: tuple[tuple[str | None, str], ...]
    explain_route: bool
    tree: exp.Expression


def parse(text: str) -> Iterator[SparkStatement]:
    raise NotImplementedError
