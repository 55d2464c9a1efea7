"""Primary and foreign keys of lakehouse tables: constraints of their shadows, which tell tools how tables are joined.

They are informational: nobody enforces them on a Delta table, and a shadow is empty. A primary key's columns are NOT
NULL in the Delta schema already, so that the shadow never says more of them than the table. Keys live on the shadow
alone. ALTER TABLE carries them along; where a shadow is made anew, those that still fit are put back.
"""

from contextlib import suppress
from dataclasses import dataclass

import psycopg
from psycopg import sql

from catalog.changes import AddKey, DropKey, Key
from catalog.connection import Connection, fetch
from catalog.errors import FeatureNotSupported, InsufficientPrivilege, InvalidTableDefinition, UndefinedObject
from catalog.inventory import TableEntry, find_table, is_owner
from catalog.names import TableName
from catalog.principals import Principal

_HELD = """
SELECT n.nspname AS schema, c.relname AS table, k.conname AS name, k.columns, rn.nspname AS other_schema,
       r.relname AS other_table, k.referenced
FROM (SELECT *, ARRAY(SELECT a.attname::text FROM unnest(conkey) WITH ORDINALITY u(number, place)
                      JOIN pg_attribute a ON (a.attrelid, a.attnum) = (conrelid, number) ORDER BY place) AS columns,
             ARRAY(SELECT a.attname::text FROM unnest(confkey) WITH ORDINALITY u(number, place)
                   JOIN pg_attribute a ON (a.attrelid, a.attnum) = (confrelid, number) ORDER BY place) AS referenced
      FROM pg_constraint) k
JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_class r ON r.oid = k.confrelid LEFT JOIN pg_namespace rn ON rn.oid = r.relnamespace
WHERE k.contype IN ('p', 'f') AND %(shadow)s IN (k.conrelid, k.confrelid) ORDER BY k.contype DESC, k.oid
"""
"""Primary keys first: foreign ones refer to them."""
_NULLABLE = """
SELECT attname FROM pg_attribute
WHERE attrelid = %s::regclass AND attname = ANY (%s) AND NOT attnotnull AND attnum > 0 ORDER BY attnum LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class HeldKey:
    """A key as PostgreSQL's catalog has it."""

    schema: str
    table: str
    name: str
    columns: list[str]
    other_schema: str | None
    other_table: str | None
    referenced: list[str]

    def change(self) -> AddKey:
        """What makes it again."""
        other = None if self.other_table is None else TableName(self.other_schema or "", self.other_table)
        key = Key(self.name, tuple(self.columns), other, tuple(self.referenced))
        return AddKey(TableName(self.schema, self.table), key)


async def add_key(connection: Connection, change: AddKey, who: Principal) -> None:
    """Raises InsufficientPrivilege, InvalidTableDefinition for a column that can be NULL, else what PostgreSQL does."""
    await _find_own(connection, change.table, who)
    other = change.key.references
    if other is not None and not (await find_table(connection, other)).privileges(who):
        raise InsufficientPrivilege(f"permission denied for table {other.name}")
    await _make(connection, change)


async def drop_key(connection: Connection, change: DropKey, who: Principal) -> None:
    """Raises InsufficientPrivilege, UndefinedObject, and PostgreSQL's error where another key depends on it."""
    table = await _find_own(connection, change.table, who)
    if change.name not in {key.name for key in await read_keys(connection, table) if key.table == table.name.name}:
        if change.if_exists:
            return
        raise UndefinedObject(f'constraint "{change.name}" of relation "{table.name.name}" does not exist')
    statement = sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(
        _identifier(change.table), sql.Identifier(change.name)
    )
    await connection.execute(statement + sql.SQL(" CASCADE" if change.cascade else ""))


async def read_keys(connection: Connection, table: TableEntry) -> list[HeldKey]:
    """The table's own keys and those of others that refer to it."""
    return [HeldKey(*row) for row in await fetch(connection, _HELD, {"shadow": table.shadow})]


async def restore_keys(connection: Connection, keys: list[HeldKey]) -> None:
    """Those whose columns are still there and still fit; the others go, as with a dropped column."""
    for key in keys:
        with suppress(psycopg.errors.ProgrammingError, InvalidTableDefinition):
            async with connection.transaction():
                await _make(connection, key.change())


async def _find_own(connection: Connection, name: TableName, who: Principal) -> TableEntry:
    table = await find_table(connection, name)
    if not is_owner(who, table.owner):
        raise InsufficientPrivilege(f"must be owner of table {name.name}")
    if table.shadow is None:
        raise FeatureNotSupported(f"table {name} has no place for keys", detail=table.obstacle)
    return table


async def _make(connection: Connection, change: AddKey) -> None:
    key, table = change.key, _identifier(change.table)
    columns = sql.SQL(", ").join(map(sql.Identifier, key.columns))
    head = sql.SQL("ALTER TABLE {} ADD ").format(table)
    if key.name is not None:
        head += sql.SQL("CONSTRAINT {} ").format(sql.Identifier(key.name))
    if key.references is None:
        await _refuse_nullable(connection, change)
        await connection.execute(head + sql.SQL("PRIMARY KEY ({})").format(columns))
        return
    target = _identifier(key.references)
    if key.referenced:
        target += sql.SQL(" ({})").format(sql.SQL(", ").join(map(sql.Identifier, key.referenced)))
    await connection.execute(head + sql.SQL("FOREIGN KEY ({}) REFERENCES {}").format(columns, target))


async def _refuse_nullable(connection: Connection, change: AddKey) -> None:
    query = await connection.execute(_NULLABLE, (str(change.table), list(change.key.columns)))
    found = await query.fetchone()
    if found is not None:
        raise InvalidTableDefinition(
            f'column "{found[0]}" of table "{change.table.name}" can be NULL, so it cannot be in a primary key',
            hint="Only a column that was made NOT NULL can.",
        )


def _identifier(name: TableName) -> sql.Composed:
    return sql.Composed([sql.Identifier(name.schema, name.name)])
