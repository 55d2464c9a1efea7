"""Who may do what: a statement's needs against the privileges in its resolution.

PostgreSQL's rule and texts: a read needs SELECT, INSERT, UPDATE and DELETE need theirs and SELECT for what they read,
making a table needs CREATE on its schema, DROP, ALTER and COMMENT need the owner. An admin owns everything.
"""

from collections.abc import Iterable

from catalog.changes import Privilege
from catalog.errors import InsufficientPrivilege, InvalidSchemaName
from catalog.names import Role
from catalog.resolution import Resolution, ResolvedTable
from planner.parse import Statement


def require(table: ResolvedTable, privileges: Iterable[Privilege]) -> None:
    """Raises 42501 unless the principal holds all of `privileges` on the table."""
    if not frozenset(privileges) <= table.privileges:
        raise InsufficientPrivilege(f"permission denied for {table.kind} {table.name.name}")


def require_reads(statement: Statement, resolution: Resolution) -> None:
    """SELECT on every table that the statement reads; behind a view, of whoever counts there."""
    for reference in statement.references:
        table = resolution.tables.get(reference)
        if table is not None and reference.role is Role.READ:
            _require_read(table)


def _require_read(table: ResolvedTable) -> None:
    require(table, {Privilege.SELECT})
    for behind in () if table.view is None else table.view.relations.values():
        _require_read(behind)


def require_owner(table: ResolvedTable, resolution: Resolution) -> None:
    """Raises 42501 unless the principal owns the table, by itself or through a group, or is an admin."""
    who = resolution.principal
    if not who.admin and table.owner != who.name and table.owner not in who.groups:
        raise InsufficientPrivilege(f"must be owner of {table.kind} {table.name.name}")


def require_create(schema: str | None, resolution: Resolution) -> str:
    """The schema in which a table may be made. Raises 3F000 if there is none, 42501 if it may not be used so."""
    name = schema or resolution.current_schema
    if name is None:
        raise InvalidSchemaName("no schema has been selected to create in")
    if name not in resolution.schemas:
        raise InvalidSchemaName(f'schema "{name}" does not exist')
    if Privilege.CREATE not in resolution.schemas[name]:
        raise InsufficientPrivilege(f"permission denied for schema {name}")
    return name
