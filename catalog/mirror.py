"""Mirrors control rows as PostgreSQL privileges: what the relay's bare roles may see, and no more. Beside them lies
what the catalog's views show: the owner's role and the access list as they would be if the shadow were the table.

Any right on a table gives REFERENCES on its shadow; ownership does too; USAGE on a schema gives USAGE. The mirror also
makes PostgreSQL refuse to drop a role that still has rights somewhere.
"""

from collections.abc import Collection, Iterable

from psycopg import sql

from catalog.changes import Privilege
from catalog.connection import Connection, fetch
from catalog.inventory import Grants, SchemaEntry, TableEntry
from catalog.principals import PUBLIC

ADMINS = "lakegate_admin"
EVERYONE = "lakegate_principal"
_OWNER_OF_TABLE, _OWNER_OF_SCHEMA = "SELECT,INSERT,UPDATE,DELETE,TRUNCATE", "USAGE,CREATE"
"""What an owner is shown to hold."""
_SHOWN_OF_TABLE = """
INSERT INTO lakegate.rights
SELECT id, shadow, lakegate.find_role(%s), lakegate.build_acl(%s, %s, %s) FROM lakegate.tables WHERE id = %s
ON CONFLICT (table_id) DO UPDATE SET (shadow, owner_role, acl) = (EXCLUDED.shadow, EXCLUDED.owner_role, EXCLUDED.acl)
"""
_SHOWN_OF_NEW_TABLES = """
INSERT INTO lakegate.rights SELECT id, shadow, lakegate.find_role(%s) FROM lakegate.tables WHERE id = ANY (%s)
"""
_SHOWN_OF_SCHEMA = """
UPDATE lakegate.schemas SET (owner_role, acl) = (SELECT lakegate.find_role(%s), lakegate.build_acl(%s, %s, %s))
WHERE name = %s
"""


async def mirror_table(connection: Connection, table: TableEntry) -> None:
    """Makes the shadow's privileges equal to what `table` says."""
    await connection.execute(_SHOWN_OF_TABLE, (*_shown(table.owner, table.grants), _OWNER_OF_TABLE, table.id))
    if table.shadow is None:
        return
    wanted = {grantee for grantee, privileges in table.grants.items() if privileges} | {table.owner, ADMINS}
    present = await _grantees(connection, "pg_class", "relacl", "relowner", table.shadow)
    target = sql.SQL("REFERENCES ON TABLE {}").format(sql.Identifier(table.name.schema, table.name.name))
    await _equalise(connection, target, present, wanted)


async def mirror_new_tables(connection: Connection, tables: Collection[int], owner: str) -> None:
    """The same for the tables of these numbers, which were made just now: nobody but their owner has a right yet."""
    await connection.execute(_SHOWN_OF_NEW_TABLES, (owner, list(tables)))
    query = "SELECT schema_name, name FROM lakegate.tables WHERE id = ANY (%s) AND shadow IS NOT NULL"
    shadows = [sql.Identifier(*names) for names in await fetch(connection, query, (list(tables),))]
    if shadows:
        target = sql.SQL("REFERENCES ON TABLE {}").format(sql.SQL(", ").join(shadows))
        await _equalise(connection, target, set(), {owner, ADMINS})


async def mirror_schema(connection: Connection, schema: SchemaEntry) -> None:
    """Makes the schema's privileges equal to what `schema` says."""
    await connection.execute(_SHOWN_OF_SCHEMA, (*_shown(schema.owner, schema.grants), _OWNER_OF_SCHEMA, schema.name))
    wanted = {grantee for grantee, privileges in schema.grants.items() if Privilege.USAGE in privileges}
    query = "SELECT oid::bigint FROM pg_namespace WHERE nspname = %s"
    ((oid,),) = await fetch(connection, query, (schema.name,))
    present = await _grantees(connection, "pg_namespace", "nspacl", "nspowner", oid)
    target = sql.SQL("USAGE ON SCHEMA {}").format(sql.Identifier(schema.name))
    await _equalise(connection, target, present, wanted | {schema.owner, ADMINS})


def _shown(owner: str, grants: Grants) -> tuple[str, str, list[str]]:
    """As `lakegate.find_role` and `lakegate.build_acl` take it: grantees and privileges in turn."""
    pairs = [text for name in sorted(grants) for privilege in sorted(grants[name]) for text in (name, str(privilege))]
    return owner, owner, pairs


async def _grantees(connection: Connection, catalog: str, acl: str, owner: str, oid: int) -> set[str]:
    """Whom the object's access list names, its owner (who is our own role) apart."""
    query = sql.SQL(
        """SELECT DISTINCT CASE a.grantee WHEN 0 THEN {public} ELSE pg_get_userbyid(a.grantee)::text END
           FROM {catalog} o, aclexplode(o.{acl}) a WHERE o.oid = {oid} AND a.grantee <> o.{owner}"""
    ).format(
        public=sql.Literal(PUBLIC),
        catalog=sql.Identifier("pg_catalog", catalog),
        acl=sql.Identifier(acl),
        owner=sql.Identifier(owner),
        oid=sql.Literal(oid),
    )
    return {name for (name,) in await (await connection.execute(query)).fetchall()}


async def _equalise(connection: Connection, target: sql.Composable, present: set[str], wanted: set[str]) -> None:
    owner = connection.info.user
    for statement, names in (("GRANT {} TO {}", wanted - present), ("REVOKE {} FROM {}", present - wanted)):
        if names - {owner}:
            roles = _role_list(sorted(names - {owner}))
            await connection.execute(sql.SQL(statement).format(target, roles))


def _role_list(names: Iterable[str]) -> sql.Composable:
    return sql.SQL(", ").join(sql.SQL("PUBLIC") if name == PUBLIC else sql.Identifier(name) for name in names)
