"""Names to tables by PostgreSQL's rules: temporary tables and pg_catalog first, then the search path."""

from collections.abc import Iterator, Sequence

from catalog.changes import Privilege
from catalog.errors import InsufficientPrivilege
from catalog.inventory import Inventory, TableEntry
from catalog.names import Role, TableName, TableReference
from catalog.principals import Principal


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


def find_entries(
    references: Sequence[TableReference],
    inventory: Inventory,
    who: Principal,
    workspace: str,
    search_path: Sequence[str],
    temporary: frozenset[str] = frozenset(),
) -> dict[TableReference, TableEntry]:
    """`find_entry` of each reference, without those that mean no lakehouse table."""
    found = ((ref, find_entry(ref, inventory, who, workspace, search_path, temporary)) for ref in references)
    return {reference: entry for reference, entry in found if entry is not None}


def is_unknown(reference: TableReference, inventory: Inventory, temporary: frozenset[str]) -> bool:
    """Whether a reference that means no lakehouse table is, as far as is known, nobody else's either."""
    if reference.role is Role.CREATE or reference.name in temporary:
        return False
    if reference.schema is not None:
        return reference.schema in inventory.schemas
    return not any(reference.name in names for names in inventory.system_relations.values())


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
