"""Schemas and tables: their control rows and their shadows, made and changed in the caller's transaction."""

from collections.abc import Mapping, Sequence

import psycopg
from psycopg import sql

from catalog.changes import CommentOnTable, CreateSchema, DropSchema, DropTable, Privilege, RenameTable
from catalog.connection import Connection
from catalog.errors import (
    DatatypeMismatch,
    DependentObjectsStillExist,
    DuplicateSchema,
    DuplicateTable,
    FeatureNotSupported,
    InsufficientPrivilege,
    InvalidTableDefinition,
    ReservedName,
    UndefinedColumn,
    UndefinedTable,
    WrongObjectType,
)
from catalog.inventory import TableEntry, find_schema, find_table, is_owner, list_tables
from catalog.keys import read_keys, restore_keys
from catalog.leftovers import claim
from catalog.mirror import mirror_new_tables, mirror_schema, mirror_table
from catalog.names import TableName
from catalog.observations import observe, record
from catalog.principals import Principal
from catalog.shadows import (
    LONGEST_NAME,
    alter_shadow,
    comment_on_column,
    comment_on_table,
    create_shadow,
    find_obstacle,
    read_shadow,
    run,
)
from catalog.snapshots import Snapshot
from catalog.types import ResultColumn, shadow_type
from catalog.views import HeldView, mend_views, read_dependents, refuse_dependents, restore_views

RESERVED_SCHEMAS = frozenset({"lakegate", "information_schema"})
_HOLD_TABLE = "SELECT id FROM lakegate.tables WHERE (schema_name, name) = (%s, %s) FOR NO KEY UPDATE"


async def create_schema(connection: Connection, change: CreateSchema, who: Principal) -> None:
    """Only admins may. Raises DuplicateSchema, ReservedName."""
    if not who.admin:
        raise InsufficientPrivilege(f"permission denied for database {connection.info.dbname}")
    if change.name in RESERVED_SCHEMAS or change.name.startswith("pg_"):
        raise ReservedName(
            f'unacceptable schema name "{change.name}"', detail="the metastore keeps this name for itself"
        )
    if not change.name or len(change.name.encode()) > LONGEST_NAME:
        raise FeatureNotSupported(f"a schema's name has between 1 and {LONGEST_NAME} bytes")
    insert = "INSERT INTO lakegate.schemas (name, owner) VALUES (%s, %s) ON CONFLICT DO NOTHING"
    if (await connection.execute(insert, (change.name, who.name))).rowcount == 0:
        raise DuplicateSchema(f'schema "{change.name}" already exists')
    await connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(change.name)))
    await mirror_schema(connection, await find_schema(connection, change.name))


async def drop_schema(connection: Connection, change: DropSchema, who: Principal) -> set[TableName]:
    """Returns the relations that have gone with it. Raises InvalidSchemaName, InsufficientPrivilege, and
    DependentObjectsStillExist without CASCADE."""
    schema = await find_schema(connection, change.name)
    if not is_owner(who, schema.owner):
        raise InsufficientPrivilege(f"must be owner of schema {change.name}")
    tables = await list_tables(connection, change.name)
    if tables and not change.cascade:
        raise DependentObjectsStillExist(
            f"cannot drop schema {change.name} because other objects depend on it",
            detail="\n".join(f"{table.kind} {table.name} depends on schema {change.name}" for table in tables[:100]),
            hint="Use DROP ... CASCADE to drop the dependent objects too.",
        )
    gone = {table.name for table in tables}
    for table in tables:
        views = await read_dependents(connection, table.shadow)
        await _remove(connection, table, views)
        gone |= {view.table for view in views}
    await connection.execute("DELETE FROM lakegate.schemas WHERE name = %s", (change.name,))
    await connection.execute(sql.SQL("DROP SCHEMA {}").format(sql.Identifier(change.name)))
    return gone


async def register_tables(connection: Connection, snapshots: Sequence[Snapshot], who: Principal) -> None:
    """Control rows, shadows and the owner's right to see them, of many tables in a few round trips. Whoever removes
    what lies there is waited for, and does so no more. Raises DuplicateTable, InvalidSchemaName."""
    for schema in {snapshot.table.schema for snapshot in snapshots}:
        if Privilege.CREATE not in (await find_schema(connection, schema)).privileges(who):
            raise InsufficientPrivilege(f"permission denied for schema {schema}")
    if not who.admin:
        for snapshot in snapshots:
            await _refuse_taken_location(connection, snapshot.location)
    await claim(connection, [snapshot.location for snapshot in snapshots])
    made = await _insert_rows(connection, snapshots, who)
    await _make_shadows(connection, made)
    await mirror_new_tables(connection, made, who.name)


async def _insert_rows(connection: Connection, snapshots: Sequence[Snapshot], who: Principal) -> Mapping[int, Snapshot]:
    insert = """INSERT INTO lakegate.tables (schema_name, name, location, owner, obstacle, schema_digest)
                SELECT s, n, l, %s, 'not made yet', '' FROM unnest(%s::text[], %s::text[], %s::text[]) AS t (s, n, l)
                ON CONFLICT DO NOTHING RETURNING schema_name, name, id"""
    columns = zip(*((s.table.schema, s.table.name, s.location) for s in snapshots), strict=True)
    rows = await (await connection.execute(insert, (who.name, *map(list, columns)))).fetchall()
    ids = {TableName(schema, name): number for schema, name, number in rows}
    made: dict[int, Snapshot] = {}
    for snapshot in snapshots:
        number = ids.pop(snapshot.table, None)
        if number is None:
            raise DuplicateTable(f'relation "{snapshot.table.name}" already exists')
        made[number] = snapshot
    return made


def check_columns(expected: Sequence[ResultColumn], snapshot: Snapshot) -> None:
    """Raises UndefinedColumn or DatatypeMismatch where the table has others; nothing expected allows any."""
    found = {column.name: shadow_type(column.delta_type) for column in snapshot.columns}
    named = [column.name for column in expected]
    for column in expected:
        if column.name not in found:
            raise UndefinedColumn(f'the table at {snapshot.location} has no column "{column.name}"')
        if found[column.name][0] != column.type:
            raise DatatypeMismatch(
                f'column "{column.name}" of the table at {snapshot.location} is {found[column.name][1]}',
                hint="Leave the columns out: the table's log tells them.",
            )
    if expected and named != list(found):
        raise InvalidTableDefinition(
            f"the table at {snapshot.location} has the columns {', '.join(found)}, in this order"
        )


async def sync_table(connection: Connection, snapshot: Snapshot) -> set[TableName]:
    """Brings the shadow to the snapshot's schema: by ALTER TABLE where that keeps the order and what depends on it,
    else made anew, with its keys and views. Returns the relations that are others now."""
    # Somebody else, a block for one, may be at it: who has waited sees what that has come to.
    await connection.execute(_HOLD_TABLE, snapshot.table.parts)
    table = await find_table(connection, snapshot.table)
    if table.schema_digest == snapshot.schema_digest:
        return {table.name}
    views = await read_dependents(connection, table.shadow)
    if await _alter(connection, table, snapshot):
        await _record_columns(connection, {table.id: snapshot})
    else:
        keys = await read_keys(connection, table)
        await _drop_shadow(connection, table)
        await _make_shadows(connection, {table.id: snapshot})
        await mirror_table(connection, await find_table(connection, table.name))
        await restore_keys(connection, keys)
        await restore_views(connection, views)
    return {table.name, *(view.table for view in views)} | await mend_views(connection)


async def drop_table(connection: Connection, change: DropTable, who: Principal) -> set[TableName]:
    """Removes control rows and shadow, or a view; the files stay. Returns what has gone. Raises UndefinedTable,
    InsufficientPrivilege, WrongObjectType, and DependentObjectsStillExist without CASCADE."""
    kind = "view" if change.view else "table"
    try:
        table = await find_table(connection, change.name)
    except UndefinedTable:
        if change.if_exists:
            return set()
        raise UndefinedTable(f'{kind} "{change.name.name}" does not exist') from None
    schema = await find_schema(connection, change.name.schema)
    if not is_owner(who, table.owner) and not is_owner(who, schema.owner):
        raise InsufficientPrivilege(f"must be owner of {table.kind} {change.name.name}")
    if table.kind != kind:
        hint = f"Use DROP {table.kind.upper()} to remove a {table.kind}."
        raise WrongObjectType(f'"{change.name.name}" is not a {kind}', hint=hint)
    views = await read_dependents(connection, table.shadow)
    if not change.cascade:
        refuse_dependents(kind, table.name, views)
    await _remove(connection, table, views)
    return {table.name, *(view.table for view in views)}


async def rename_table(connection: Connection, change: RenameTable, who: Principal) -> set[TableName]:
    """A table or view; its place, keys, grants and comments stay. Returns the relations that are others now. Raises
    InsufficientPrivilege, DuplicateTable, FeatureNotSupported."""
    table, new = await find_table(connection, change.name), TableName(change.name.schema, change.new)
    if not is_owner(who, table.owner):
        raise InsufficientPrivilege(f"must be owner of {table.kind} {change.name.name}")
    schema = await find_schema(connection, change.name.schema)
    if Privilege.CREATE not in schema.privileges(who):
        raise InsufficientPrivilege(f"permission denied for schema {schema.name}")
    if len(change.new.encode()) > LONGEST_NAME or table.shadow is None:
        raise FeatureNotSupported(f"table {table.name} cannot be renamed so", detail=table.obstacle)
    head = sql.SQL(f"ALTER {table.kind.upper()} " + "{} RENAME TO {}")
    await connection.execute(head.format(sql.Identifier(*table.name.parts), sql.Identifier(change.new)))
    await connection.execute("UPDATE lakegate.tables SET name = %s WHERE id = %s", (change.new, table.id))
    return {table.name, new, *(view.table for view in await read_dependents(connection, table.shadow))}


async def comment_on(connection: Connection, change: CommentOnTable, who: Principal) -> None:
    """Comments live on the shadow until the Delta schema next changes it. Raises UndefinedColumn."""
    table = await find_table(connection, change.name)
    if not is_owner(who, table.owner):
        raise InsufficientPrivilege(f"must be owner of {table.kind} {change.name.name}")
    if table.shadow is None:
        raise FeatureNotSupported(f"table {change.name} has no place for comments", detail=table.obstacle)
    if change.column is None:
        await connection.execute(comment_on_table(change.name, change.comment, table.kind))
        return
    columns = {column.name for column in await read_shadow(connection, table.id, table.shadow)}
    if change.column not in columns:
        raise UndefinedColumn(f'column "{change.column}" of relation "{change.name.name}" does not exist')
    await connection.execute(comment_on_column(change.name, change.column, change.comment))


async def _alter(connection: Connection, table: TableEntry, snapshot: Snapshot) -> bool:
    """Whether it was done: not where the order changes, nor where what depends on a column (a key, a view) forbids
    it."""
    if table.shadow is None or find_obstacle(table.name, snapshot.columns) is not None:
        return False
    statements = alter_shadow(table.name, await read_shadow(connection, table.id, table.shadow), snapshot.columns)
    if statements is None:
        return False
    try:
        async with connection.transaction():
            await run(connection, [*statements, comment_on_table(table.name, snapshot.comment)])
    except (psycopg.errors.ProgrammingError, psycopg.errors.DependentObjectsStillExist, psycopg.NotSupportedError):
        return False
    return True


async def _refuse_taken_location(connection: Connection, location: str) -> None:
    """Nobody makes somebody else's files a table of his own."""
    query = """SELECT EXISTS (SELECT FROM lakegate.tables
               WHERE location <> '' AND (starts_with(location || '/', %(here)s || '/')
                                         OR starts_with(%(here)s || '/', location || '/')))"""
    taken = await (await connection.execute(query, {"here": location})).fetchone()
    if taken is not None and taken[0]:
        raise InsufficientPrivilege("permission denied for the location, which belongs to another table")


async def _make_shadows(connection: Connection, tables: Mapping[int, Snapshot]) -> None:
    """For the tables of these numbers, of those that PostgreSQL can hold; of the others it is written down why not."""
    obstacles = {number: find_obstacle(snapshot.table, snapshot.columns) for number, snapshot in tables.items()}
    possible = [snapshot for number, snapshot in tables.items() if obstacles[number] is None]
    await run(connection, [statement for one in possible for statement in create_shadow(one.table, one)])
    update = """UPDATE lakegate.tables t SET obstacle = w.obstacle, shadow = CASE WHEN w.obstacle IS NULL THEN (
                    SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                    WHERE (nspname, relname) = (t.schema_name::name, t.name::name)) END
                FROM unnest(%s::bigint[], %s::text[]) AS w (id, obstacle) WHERE t.id = w.id"""
    await connection.execute(update, (list(obstacles), list(obstacles.values())))
    await _record_columns(connection, tables)


async def _record_columns(connection: Connection, tables: Mapping[int, Snapshot]) -> None:
    columns = [(number, column) for number, snapshot in tables.items() for column in snapshot.columns]
    names = [column.name for _, column in columns], [column.physical_name for _, column in columns]
    insert = "INSERT INTO lakegate.columns SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[])"
    update = """UPDATE lakegate.tables t SET schema_digest = w.digest
                FROM unnest(%s::bigint[], %s::text[]) AS w (id, digest) WHERE t.id = w.id"""
    digests = [snapshot.schema_digest for snapshot in tables.values()]
    async with connection.pipeline():
        await connection.execute("DELETE FROM lakegate.columns WHERE table_id = ANY (%s)", (list(tables),))
        await connection.execute(insert, ([number for number, _ in columns], *names))
        await connection.execute(update, (list(tables), digests))
    await record(connection, *(observe(number, snapshot) for number, snapshot in tables.items()))


async def _remove(connection: Connection, table: TableEntry, views: list[HeldView]) -> None:
    """With the views that read it. One that went with another before is gone already."""
    if table.view is None:
        await _drop_shadow(connection, table)
    else:
        statement = sql.SQL("DROP VIEW IF EXISTS {} CASCADE").format(sql.Identifier(*table.name.parts))
        await connection.execute(statement)
    ids = [table.id, *(view.id for view in views)]
    await connection.execute("DELETE FROM lakegate.tables WHERE id = ANY (%s)", (ids,))


async def _drop_shadow(connection: Connection, table: TableEntry) -> None:
    """CASCADE, because a session's temporary view may depend on the shadow."""
    if table.shadow is not None:
        await connection.execute(sql.SQL("DROP TABLE {} CASCADE").format(sql.Identifier(*table.name.parts)))
