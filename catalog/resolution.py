"""Names to tables: what a statement's references mean for one principal at one catalog version."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from catalog.changes import Privilege
from catalog.errors import InsufficientPrivilege
from catalog.inventory import Inventory, TableEntry
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
    for a table that the statement may make.
    """

    principal: Principal
    workspace: str
    catalog_version: int
    tables: Mapping[TableReference, ResolvedTable]
    schemas: Mapping[str, frozenset[Privilege]]
    current_schema: str | None
    new_location: str
    volatile_functions: frozenset[str]


def find_entry(
    reference: TableReference,
    inventory: Inventory,
    who: Principal,
    workspace: str,
    search_path: Sequence[str],
    temporary: frozenset[str] = frozenset(),
) -> TableEntry | None:
    """The lakehouse table that PostgreSQL's rules give the reference; None when it is none.

    Raises InsufficientPrivilege for a schema that is named and may not be used.
    """
    if reference.catalog not in (None, workspace):
        return None
    if reference.schema is not None:
        return _find_qualified(reference.schema, reference.name, inventory, who)
    for schema in _lookup_order(search_path, who):
        if schema == "pg_temp":
            if reference.name in temporary:
                return None
        elif reference.name in inventory.system_relations.get(schema, ()):
            return None
        elif (entry := inventory.tables.get(TableName(schema, reference.name))) and _may_use(schema, inventory, who):
            return entry
    return None


def find_current_schema(inventory: Inventory, who: Principal, search_path: Sequence[str]) -> str | None:
    """The first schema of the search path that exists and may be used."""
    names = (who.name if name == "$user" else name for name in search_path)
    return next((name for name in names if name in inventory.system_relations or _may_use(name, inventory, who)), None)


def _find_qualified(schema: str, name: str, inventory: Inventory, who: Principal) -> TableEntry | None:
    if schema in inventory.schemas and not _may_use(schema, inventory, who):
        raise InsufficientPrivilege(f"permission denied for schema {schema}")
    return inventory.tables.get(TableName(schema, name))


def _lookup_order(search_path: Sequence[str], who: Principal) -> Iterator[str]:
    """Temporary tables and pg_catalog come first unless the path names them itself."""
    for implicit in ("pg_temp", "pg_catalog"):
        if implicit not in search_path:
            yield implicit
    for name in search_path:
        yield who.name if name == "$user" else name


def _may_use(schema: str, inventory: Inventory, who: Principal) -> bool:
    entry = inventory.schemas.get(schema)
    return entry is not None and Privilege.USAGE in entry.privileges(who)
