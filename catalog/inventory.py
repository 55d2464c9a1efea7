"""A workspace's schemas, tables and grants at one catalog version, held in memory so that no statement waits for a
query.

`load_inventory` reads all of it; `refresh_inventory` re-reads only schemas, and the tables that one change named.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from catalog.changes import Privilege
from catalog.connection import Connection, fetch
from catalog.errors import InvalidSchemaName, UndefinedTable
from catalog.names import TableName
from catalog.principals import Principal
from catalog.types import PgType, ResultColumn

SCHEMA_PRIVILEGES = frozenset({Privilege.USAGE, Privilege.CREATE})
TABLE_PRIVILEGES = frozenset({Privilege.SELECT, Privilege.INSERT, Privilege.UPDATE, Privilege.DELETE})

Grants = Mapping[str, frozenset[Privilege]]


@dataclass(frozen=True, slots=True)
class SchemaEntry:
    name: str
    owner: str
    grants: Grants

    def privileges(self, who: Principal) -> frozenset[Privilege]:
        """What `who` may do here; the owner (as a group, too) and admins may do all."""
        return SCHEMA_PRIVILEGES if is_owner(who, self.owner) else _granted(self.grants, who)


@dataclass(frozen=True, slots=True)
class View:
    """What a view is: its SELECT as PostgreSQL writes it, its columns, the lakehouse relations that it reads.

    `by_invoker`: who asks needs the privileges on those, instead of the owner. `reason` says why it cannot be read,
    None if it can.
    """

    text: str
    columns: tuple[ResultColumn, ...]
    reads: tuple[TableName, ...]
    by_invoker: bool = False
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class TableEntry:
    """A table, or a view, whose `location` is empty. `shadow` is the OID of the PostgreSQL table or view, None where
    PostgreSQL cannot hold it, for the reason `obstacle`.

    `schema_digest` is that of the Delta schema which the shadow shows.
    """

    id: int
    name: TableName
    location: str
    owner: str
    shadow: int | None
    obstacle: str | None
    schema_digest: str
    grants: Grants
    view: View | None = None

    @property
    def kind(self) -> str:
        """As messages call it."""
        return "table" if self.view is None else "view"

    def privileges(self, who: Principal) -> frozenset[Privilege]:
        return TABLE_PRIVILEGES if is_owner(who, self.owner) else _granted(self.grants, who)


@dataclass(frozen=True, slots=True)
class Inventory:
    """`system_relations` are the relations of the schemas that PostgreSQL or we keep, by schema."""

    version: int
    schemas: Mapping[str, SchemaEntry]
    tables: Mapping[TableName, TableEntry]
    system_relations: Mapping[str, frozenset[str]]
    volatile_functions: frozenset[str]

    def with_others(
        self,
        names: Collection[TableName],
        tables: Mapping[TableName, TableEntry],
        schemas: Mapping[str, SchemaEntry],
        version: int,
    ) -> "Inventory":
        """This, with `schemas`, and `tables` in place of what has one of the names."""
        kept = dict(self.tables)
        for name in names:
            kept.pop(name, None)
        return replace(self, version=version, schemas=schemas, tables=kept | dict(tables))


def is_owner(who: Principal, owner: str) -> bool:
    """Admins own everything; members of a group own what the group owns."""
    return who.admin or owner == who.name or owner in who.groups


def _granted(grants: Grants, who: Principal) -> frozenset[Privilege]:
    return frozenset().union(*(grants.get(name, frozenset()) for name in who.grantees))


_SCHEMAS = """
    SELECT s.name, s.owner,
           (SELECT array_agg(ARRAY[g.grantee, g.privilege]) FROM lakegate.schema_grants g WHERE g.schema_name = s.name)
    FROM lakegate.schemas s"""
_TABLES = """
    SELECT t.id, t.schema_name, t.name, t.location, t.owner, t.shadow::bigint, t.obstacle, t.schema_digest,
           (SELECT array_agg(ARRAY[g.grantee, g.privilege]) FROM lakegate.table_grants g WHERE g.table_id = t.id),
           CASE WHEN v.table_id IS NOT NULL THEN jsonb_build_array(
               coalesce(v.definition, pg_get_viewdef(t.shadow)),
               (SELECT jsonb_agg(jsonb_build_array(attname, atttypid::bigint, atttypmod) ORDER BY attnum)
                FROM pg_attribute WHERE attrelid = t.shadow AND attnum > 0),
               (SELECT jsonb_agg(DISTINCT jsonb_build_array(r.schema_name, r.name))
                FROM pg_rewrite w JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
                JOIN lakegate.tables r ON d.refclassid = 'pg_class'::regclass AND r.shadow = d.refobjid
                WHERE w.ev_class = t.shadow AND r.id <> t.id),
               EXISTS (SELECT FROM pg_class c, unnest(c.reloptions) o WHERE c.oid = t.shadow
                       AND CASE WHEN o ~ '^security_invoker=' THEN split_part(o, '=', 2)::boolean END),
               v.reason) END
    FROM lakegate.tables t LEFT JOIN lakegate.view_states v ON v.table_id = t.id"""
_SYSTEM_RELATIONS = """
    SELECT n.nspname, array_agg(c.relname::text) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('pg_catalog', 'information_schema', 'lakegate') AND c.relkind IN ('r', 'v') GROUP BY 1"""
_GONE = "PostgreSQL does not have it any more"
_VOLATILE_FUNCTIONS = "SELECT DISTINCT proname::text FROM pg_proc WHERE provolatile = 'v'"


async def load_inventory(connection: Connection) -> Inventory:
    """Reads everything in one snapshot of the workspace's database."""
    async with connection.transaction():
        await _begin_snapshot(connection)
        system = await fetch(connection, _SYSTEM_RELATIONS)
        return Inventory(
            version=await _version(connection),
            schemas=await find_schemas(connection),
            tables=_tables(await fetch(connection, _TABLES)),
            system_relations={schema: frozenset(names) for schema, names in system},
            volatile_functions=frozenset(name for (name,) in await fetch(connection, _VOLATILE_FUNCTIONS)),
        )


async def refresh_inventory(
    connection: Connection, old: Inventory, version: int, changed: Iterable[TableName]
) -> Inventory:
    """`old` brought to the next version, `version`, in which of the tables only `changed` differ; reads all when more
    has happened.
    """
    async with connection.transaction():
        await _begin_snapshot(connection)
        current = await _version(connection)
        if current == version == old.version + 1:
            names = set(changed)
            return old.with_others(names, await find_tables(connection, names), await find_schemas(connection), version)
    return old if current == old.version else await load_inventory(connection)


async def find_schemas(connection: Connection) -> dict[str, SchemaEntry]:
    """All schemas as the caller's transaction sees them."""
    return _schemas(await fetch(connection, _SCHEMAS))


async def find_tables(connection: Connection, names: Iterable[TableName]) -> dict[TableName, TableEntry]:
    """Those tables as the caller's transaction sees them, without those that are none."""
    query = _TABLES + " JOIN unnest(%s::text[], %s::text[]) AS k (s, n) ON (t.schema_name, t.name) = (k.s, k.n)"
    listed = list(names)
    return _tables(await fetch(connection, query, ([each.schema for each in listed], [each.name for each in listed])))


async def find_schema(connection: Connection, name: str) -> SchemaEntry:
    """One schema as the caller's transaction sees it. Raises InvalidSchemaName."""
    for entry in _schemas(await fetch(connection, _SCHEMAS + " WHERE s.name = %s", (name,))).values():
        return entry
    raise InvalidSchemaName(f'schema "{name}" does not exist')


async def find_table(connection: Connection, name: TableName) -> TableEntry:
    """One table as the caller's transaction sees it. Raises UndefinedTable."""
    query = _TABLES + " WHERE (t.schema_name, t.name) = (%s, %s)"
    for entry in _tables(await fetch(connection, query, (name.schema, name.name))).values():
        return entry
    raise UndefinedTable(f'relation "{name.schema}.{name.name}" does not exist')


async def list_tables(connection: Connection, schema: str) -> list[TableEntry]:
    """Every table of a schema as the caller's transaction sees it."""
    return list(_tables(await fetch(connection, _TABLES + " WHERE t.schema_name = %s", (schema,))).values())


async def _begin_snapshot(connection: Connection) -> None:
    await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


async def _version(connection: Connection) -> int:
    return int((await fetch(connection, "SELECT version FROM lakegate.version"))[0][0])


def _schemas(rows: Iterable[tuple[Any, ...]]) -> dict[str, SchemaEntry]:
    return {name: SchemaEntry(name, owner, _grants(grants)) for name, owner, grants in rows}


def _tables(rows: Iterable[tuple[Any, ...]]) -> dict[TableName, TableEntry]:
    entries = (
        TableEntry(id, TableName(schema, name), location, owner, shadow, obstacle, digest, _grants(grants), _view(view))
        for id, schema, name, location, owner, shadow, obstacle, digest, grants, view in rows
    )
    return {entry.name: entry for entry in entries}


def _view(row: list[Any] | None) -> View | None:
    if row is None:
        return None
    text, columns, reads, by_invoker, reason = row
    if text is None:
        reason = reason or _GONE
    return View(
        text=(text or "").strip().removesuffix(";"),
        columns=tuple(ResultColumn(name, PgType(oid, typmod)) for name, oid, typmod in columns or ()),
        reads=tuple(TableName(*name) for name in reads or ()),
        by_invoker=by_invoker,
        reason=reason,
    )


def _grants(pairs: list[list[str]] | None) -> Grants:
    gathered: dict[str, set[Privilege]] = {}
    for grantee, privilege in pairs or ():
        gathered.setdefault(grantee, set()).add(Privilege(privilege))
    return {grantee: frozenset(privileges) for grantee, privileges in gathered.items()}
