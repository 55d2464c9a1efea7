"""GRANT and REVOKE on schemas and tables: control rows first, their mirror after, in the caller's transaction."""

from catalog.changes import Grant, Privilege
from catalog.connection import Connection
from catalog.errors import InsufficientPrivilege, InvalidParameterValue, UndefinedObject
from catalog.inventory import SCHEMA_PRIVILEGES, TABLE_PRIVILEGES, find_schema, find_table, is_owner, list_tables
from catalog.mirror import mirror_schema, mirror_table
from catalog.names import TableName
from catalog.principals import PUBLIC, Directory, Principal


async def apply_grant(connection: Connection, grant: Grant, who: Principal, directory: Directory) -> set[TableName]:
    """Returns the tables whose grants changed.

    Raises UndefinedObject for an unknown role, UndefinedTable, InvalidSchemaName, InsufficientPrivilege when `who`
    neither owns the object nor is an admin.
    """
    for name in grant.grantees:
        if name != PUBLIC and directory.find(name) is None:
            raise UndefinedObject(f'role "{name}" does not exist')
    tables = list(grant.tables)
    for schema in grant.all_tables_in:
        await find_schema(connection, schema)
        tables += [entry.name for entry in await list_tables(connection, schema)]
    for table in tables:
        await _grant_on_table(connection, grant, table, who)
    for schema in grant.schemas:
        await _grant_on_schema(connection, grant, schema, who)
    return set(tables)


async def _grant_on_table(connection: Connection, grant: Grant, name: TableName, who: Principal) -> None:
    table = await find_table(connection, name)
    _require_owner(who, table.owner, f"table {name.name}")
    _require_known(grant.privileges, TABLE_PRIVILEGES, "table")
    await _change_rows(connection, "table_grants", "table_id", table.id, grant)
    await mirror_table(connection, await find_table(connection, name))


async def _grant_on_schema(connection: Connection, grant: Grant, name: str, who: Principal) -> None:
    schema = await find_schema(connection, name)
    _require_owner(who, schema.owner, f"schema {name}")
    _require_known(grant.privileges, SCHEMA_PRIVILEGES, "schema")
    await _change_rows(connection, "schema_grants", "schema_name", name, grant)
    await mirror_schema(connection, await find_schema(connection, name))


def _require_owner(who: Principal, owner: str, what: str) -> None:
    if not is_owner(who, owner):
        raise InsufficientPrivilege(f"permission denied for {what}")


def _require_known(privileges: frozenset[Privilege], possible: frozenset[Privilege], kind: str) -> None:
    if wrong := sorted(privileges - possible):
        raise InvalidParameterValue(f"invalid privilege type {wrong[0]} for {kind}")


async def _change_rows(connection: Connection, table: str, key: str, value: int | str, grant: Grant) -> None:
    pairs = [(grantee, str(privilege)) for grantee in grant.grantees for privilege in grant.privileges]
    parameters = (value, [grantee for grantee, _ in pairs], [privilege for _, privilege in pairs])
    pairs_of = "unnest(%s::text[], %s::text[]) AS p (grantee, privilege)"
    if grant.revoke:
        query = (
            f"DELETE FROM lakegate.{table} g USING (SELECT %s AS key, p.* FROM {pairs_of}) w"
            f" WHERE (g.{key}, g.grantee, g.privilege) = (w.key, w.grantee, w.privilege)"
        )
    else:
        query = f"INSERT INTO lakegate.{table} SELECT %s, p.* FROM {pairs_of} ON CONFLICT DO NOTHING"
    await connection.execute(query.encode(), parameters)
