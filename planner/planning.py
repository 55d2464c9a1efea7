"""Statement to plan: the planner's front door. Partner of `planner.plan`, which says what a plan is."""

from functools import lru_cache

import pyarrow as pa

from catalog.errors import FeatureNotSupported
from catalog.resolution import Resolution, ResolvedTable
from catalog.types import Description
from planner.parse import Statement
from planner.plan import Plan, Settings
from planner.reads import Read


def located(statement: Statement, resolution: Resolution) -> dict[int | None, ResolvedTable]:
    """The lakehouse tables by where the tree names them: the byte in the statement's text."""
    tables: dict[int | None, ResolvedTable] = {}
    for reference in statement.references:
        table = resolution.tables.get(reference)
        if table is not None and reference.position is not None:
            characters = (statement.describable or statement.text)[: reference.position - 1 - statement.offset]
            tables[len(characters.encode())] = table
    return tables
