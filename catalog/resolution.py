"""What a statement's references mean for one principal at one catalog version. Partner of `catalog.lookup`."""

from collections.abc import Mapping
from dataclasses import dataclass

from catalog.changes import Privilege
from catalog.names import TableName, TableReference
from catalog.principals import Principal
from catalog.snapshots import Snapshot


@dataclass(frozen=True, slots=True)
class ResolvedTable:
    """`snapshot` is None when nothing is to be read: no privilege, or a reference that only names the object.

    `obstacle` says why PostgreSQL holds no shadow of it, as an error message; None when it does.
    """

    name: TableName
    privileges: frozenset[Privilege]
    snapshot: Snapshot | None
    owner: str
    obstacle: str | None = None


@dataclass(frozen=True, slots=True)
class Resolution:
    """All that the planner needs to know from the catalog for one statement.

    `tables` has lakehouse tables only: a reference that is absent is PostgreSQL's to judge (pg_catalog, temporary,
    unknown). `schemas` has every lakehouse schema and what the principal may do there. `new_location` is a fresh folder
    for the table that the statement makes, empty where none is named.
    """

    principal: Principal
    workspace: str
    catalog_version: int
    tables: Mapping[TableReference, ResolvedTable]
    schemas: Mapping[str, frozenset[Privilege]]
    current_schema: str | None
    new_location: str
    volatile_functions: frozenset[str]
