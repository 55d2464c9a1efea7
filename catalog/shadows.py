"""Shadows: the empty PostgreSQL tables that show a Delta table's columns to PostgreSQL's parser and to its clients.

A shadow belongs to the metastore's owner. Principals get REFERENCES on it, never SELECT: Parse and Describe check no
privilege, information_schema lists what one has any right on, and a relayed read fails with 42501.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql
from psycopg.abc import QueryNoTemplate

from catalog.connection import Connection
from catalog.names import SYSTEM_COLUMNS, TableName
from catalog.snapshots import Identity, Snapshot, SnapshotColumn
from catalog.types import shadow_type

MOST_COLUMNS = 1600
LONGEST_NAME = 63


@dataclass(frozen=True, slots=True)
class ShadowColumn:
    """A column as the shadow has it now. `type` is `format_type`'s spelling, `marks` what the catalog says of identity
    and generation."""

    name: str
    physical_name: str | None
    type: str
    nullable: bool
    comment: str | None
    marks: str = ""


def find_obstacle(table: TableName, columns: Sequence[SnapshotColumn]) -> str | None:
    """Why PostgreSQL cannot hold this table, as an error message; None when it can."""
    if len(columns) > MOST_COLUMNS:
        return f"table {table} has {len(columns)} columns, and PostgreSQL allows {MOST_COLUMNS}"
    for name in (table.name, *(column.name for column in columns)):
        if len(name.encode()) > LONGEST_NAME:
            return f'name "{name}" is longer than the {LONGEST_NAME} bytes that PostgreSQL allows'
        if "\0" in name or not name:
            return "PostgreSQL allows neither empty names nor the character NUL in them"
    if taken := next((column.name for column in columns if column.name in SYSTEM_COLUMNS), None):
        return f'column name "{taken}" conflicts with a system column name'
    return None


def create_shadow(table: TableName, snapshot: Snapshot) -> list[sql.Composed]:
    """The statements that make the shadow, comments included."""
    columns = sql.SQL(", ").join(_column_definition(column) for column in snapshot.columns)
    name = sql.Identifier(table.schema, table.name)
    statements: list[sql.Composed] = [sql.SQL("CREATE TABLE {} ({})").format(name, columns)]
    if snapshot.comment:
        statements.append(comment_on_table(table, snapshot.comment))
    statements += [comment_on_column(table, c.name, c.comment) for c in snapshot.columns if c.comment is not None]
    return statements


def alter_shadow(
    table: TableName, present: Sequence[ShadowColumn], wanted: Sequence[SnapshotColumn]
) -> list[sql.Composed] | None:
    """The statements that turn the present columns into the wanted ones, following renames by physical name.

    None when ALTER TABLE cannot give the wanted order, or what generates a column, so that the shadow must be made
    anew.
    """
    by_physical = {column.physical_name: column for column in present}
    kept = [column for column in wanted if column.physical_name in by_physical]
    survivors = [
        column.physical_name for column in present if column.physical_name in {c.physical_name for c in wanted}
    ]
    if [column.physical_name for column in kept] != survivors or list(wanted[: len(kept)]) != kept:
        return None
    if any(c.name in {p.name for p in present if p.physical_name != c.physical_name} for c in wanted):
        return None
    if any(by_physical[c.physical_name].marks != _marks(c) for c in kept):
        return None
    head = sql.SQL("ALTER TABLE {} ").format(sql.Identifier(table.schema, table.name))
    dropped = [p for p in present if p.physical_name not in {c.physical_name for c in wanted}]
    statements: list[sql.Composed] = [head + _drop(column.name) for column in dropped]
    for column in kept:
        statements += _alter_column(table, head, by_physical[column.physical_name], column)
    for column in wanted[len(kept) :]:
        statements.append(head + sql.SQL("ADD COLUMN ") + _column_definition(column))
        if column.comment is not None:
            statements.append(comment_on_column(table, column.name, column.comment))
    return statements


def comment_on_table(table: TableName, comment: str | None, kind: str = "table") -> sql.Composed:
    """`kind` may be ``view``."""
    head = sql.SQL(f"COMMENT ON {kind.upper()} " + "{} IS {}")
    return head.format(sql.Identifier(*table.parts), sql.Literal(comment))


def comment_on_column(table: TableName, column: str, comment: str | None) -> sql.Composed:
    name = sql.Identifier(table.schema, table.name, column)
    return sql.SQL("COMMENT ON COLUMN {} IS {}").format(name, sql.Literal(comment))


async def read_shadow(connection: Connection, table_id: int, shadow: int) -> list[ShadowColumn]:
    """The shadow's columns in order."""
    cursor = await connection.execute(
        """SELECT a.attname::text, c.physical_name, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
                  col_description(a.attrelid, a.attnum), concat(a.attidentity, a.attgenerated)
           FROM pg_attribute a LEFT JOIN lakegate.columns c ON c.table_id = %s AND c.name = a.attname
           WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum""",
        (table_id, shadow),
    )
    return [ShadowColumn(*row) for row in await cursor.fetchall()]


async def run(connection: Connection, statements: Sequence[QueryNoTemplate]) -> None:
    """All of them in one round trip."""
    async with connection.pipeline():
        for statement in statements:
            await connection.execute(statement)


def _column_definition(column: SnapshotColumn) -> sql.Composed:
    spelling = sql.SQL(shadow_type(column.delta_type)[1])
    limit = sql.SQL("" if column.nullable else " NOT NULL")
    made: sql.Composable = sql.SQL("")
    if column.identity is not None:
        made = _identity(column.identity)
    elif column.generation is not None:
        text = sql.SQL(" GENERATED ALWAYS AS (lakegate.delta_expression({}, NULL::{})) STORED")
        made = text.format(sql.Literal(column.generation), spelling)
    return sql.SQL("{} {}{}{}").format(sql.Identifier(column.name), spelling, limit, made)


def _identity(identity: Identity) -> sql.Composed:
    when = sql.SQL("ALWAYS" if identity.always else "BY DEFAULT")
    text = " GENERATED {} AS IDENTITY (START WITH {} INCREMENT BY {} MINVALUE {} MAXVALUE {})"
    numbers = (identity.start, identity.step, -(2**63), 2**63 - 1)
    return sql.SQL(text).format(when, *map(sql.Literal, numbers))


def _marks(column: SnapshotColumn) -> str:
    if column.identity is not None:
        return "a" if column.identity.always else "d"
    return "" if column.generation is None else "s"


def _is_nullable(column: SnapshotColumn) -> bool:
    """A column with an identity is NOT NULL in PostgreSQL."""
    return column.nullable and column.identity is None


def _drop(name: str) -> sql.Composed:
    return sql.SQL("DROP COLUMN {}").format(sql.Identifier(name))


def _alter_column(table: TableName, head: sql.Composed, old: ShadowColumn, new: SnapshotColumn) -> list[sql.Composed]:
    name, spelling = sql.Identifier(new.name), shadow_type(new.delta_type)[1]
    statements: list[sql.Composed] = []
    if old.name != new.name:
        statements.append(head + sql.SQL("RENAME COLUMN {} TO {}").format(sql.Identifier(old.name), name))
    if old.type != spelling:
        change = sql.SQL("ALTER COLUMN {} TYPE {} USING NULL").format(name, sql.SQL(spelling))
        statements.append(head + change)
    if old.nullable != _is_nullable(new):
        verb = sql.SQL("DROP" if new.nullable else "SET")
        statements.append(head + sql.SQL("ALTER COLUMN {} {} NOT NULL").format(name, verb))
    if old.comment != new.comment:
        statements.append(comment_on_column(table, new.name, new.comment))
    return statements
