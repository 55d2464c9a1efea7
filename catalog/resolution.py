"""What a statement's references mean for one principal at one catalog version. Partner of `catalog.resolver`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from catalog.changes import Privilege
from catalog.names import TableName, TableReference
from catalog.principals import Principal
from catalog.snapshots import Snapshot
from catalog.types import ResultColumn


@dataclass(frozen=True, slots=True)
class ResolvedView:
    """`text` is its SELECT as PostgreSQL writes it, every relation with its schema. `relations` are those that it
    reads, with the privileges that count behind it."""

    text: str
    columns: tuple[ResultColumn, ...]
    relations: Mapping[TableName, "ResolvedTable"]


@dataclass(frozen=True, slots=True)
class ResolvedTable:
    """A table, or a view. `snapshot` is None when nothing is to be read: no privilege, a reference that only names the
    object, or a view.

    `obstacle` says why PostgreSQL holds no shadow of it, as an error message; None when it does.
    """

    name: TableName
    privileges: frozenset[Privilege]
    snapshot: Snapshot | None
    owner: str
    obstacle: str | None = None
    view: ResolvedView | None = None

    @property
    def kind(self) -> str:
        """As messages call it."""
        return "table" if self.view is None else "view"

    def identity(self) -> tuple[object, ...]:
        """Equal while it reads the very same snapshots in the same way. Holds only as long as they do."""
        behind = () if self.view is None else tuple(each.identity() for each in self.view.relations.values())
        return self.name, id(self.snapshot), self.view and self.view.text, behind

    def snapshots(self) -> Iterator[Snapshot]:
        """Its own, or all behind the view; one may come several times."""
        if self.snapshot is not None:
            yield self.snapshot
        for behind in () if self.view is None else self.view.relations.values():
            yield from behind.snapshots()


@dataclass(frozen=True, slots=True)
class Resolution:
    """All that the planner needs to know from the catalog for one statement.

    `tables` has lakehouse tables and views only: a reference that is absent is PostgreSQL's to judge (pg_catalog,
    temporary, unknown). `schemas` has every lakehouse schema and what the principal may do there. `new_location` is a
    fresh folder for the table that the statement makes, empty where none is named.
    """

    principal: Principal
    workspace: str
    catalog_version: int
    tables: Mapping[TableReference, ResolvedTable]
    schemas: Mapping[str, frozenset[Privilege]]
    current_schema: str | None
    new_location: str
    volatile_functions: frozenset[str]

    def snapshots(self) -> Iterator[Snapshot]:
        """Of all tables, those behind views too."""
        for table in self.tables.values():
            yield from table.snapshots()

    def pins(self) -> Iterator[tuple[str, int]]:
        """The versions that a block sees from now on, by location: of what was not asked for at a version."""
        for reference, table in self.tables.items():
            if reference.version is None:
                yield from ((snapshot.location, snapshot.version) for snapshot in table.snapshots())
