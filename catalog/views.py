"""Views: PostgreSQL's own over the shadows, so that names, types and dependencies follow PostgreSQL's rules.

Each has a row among the tables, too, for its owner and grants. What a view reads is known from PostgreSQL's
dependencies, and its text is what PostgreSQL writes of it: it follows renamings, and every name has its schema.

An outside writer may take from a table what a view needs. Then the view is replaced by an empty one with its columns,
and its text waits in the control tables: reading it is refused, and the next change of a table tries to mend it.
"""

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from catalog.changes import CreateView, Privilege
from catalog.connection import Connection, fetch
from catalog.errors import (
    DependentObjectsStillExist,
    DuplicateTable,
    FeatureNotSupported,
    InsufficientPrivilege,
    UndefinedTable,
    WrongObjectType,
    error_class,
)
from catalog.expansion import check_expansion
from catalog.inventory import TableEntry, find_schema, find_table, is_owner
from catalog.mirror import mirror_table
from catalog.names import TableName
from catalog.principals import Principal

_HELD = """
SELECT t.id, t.schema_name AS schema, t.name, coalesce(v.definition, pg_get_viewdef(t.shadow)) AS definition, v.reason,
       coalesce((SELECT reloptions FROM pg_class WHERE oid = t.shadow), '{}') AS options,
       obj_description(t.shadow, 'pg_class') AS comment,
       ARRAY(SELECT ARRAY[attname, format_type(atttypid, atttypmod), col_description(attrelid, attnum)]
             FROM pg_attribute WHERE attrelid = t.shadow AND attnum > 0 ORDER BY attnum) AS columns
FROM lakegate.tables t JOIN lakegate.view_states v ON v.table_id = t.id
"""
_BROKEN = _HELD + "WHERE v.reason IS NOT NULL ORDER BY t.id"
_DEPENDENTS = f"""
WITH RECURSIVE reached (oid, depth) AS (
    SELECT %s::oid, 0
    UNION
    SELECT r.ev_class, depth + 1
    FROM reached JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = reached.oid
    JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid AND r.ev_class <> reached.oid
    WHERE depth < 100)
{_HELD}
JOIN (SELECT oid, max(depth) AS depth FROM reached WHERE depth > 0 GROUP BY oid) found ON found.oid = t.shadow
ORDER BY depth, t.id
"""
_ADOPT = """
INSERT INTO lakegate.tables (schema_name, name, location, owner, shadow, schema_digest)
SELECT n.nspname, c.relname, '', %(owner)s, c.oid, '' FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relname = %(name)s AND c.relkind = 'v' RETURNING id
"""
# A view belongs to a schema, its own; every other object that it or its rule depends on could take it along, or keep a
# schema from being dropped, without the control tables' knowledge.
_FOREIGN = """
SELECT pg_describe_object(d.refclassid, d.refobjid, 0)
FROM pg_rewrite w JOIN pg_depend d ON (d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid)
                                   OR (d.classid = 'pg_class'::regclass AND d.objid = w.ev_class),
     pg_identify_object(d.refclassid, d.refobjid, 0) i
WHERE w.ev_class = %s AND i.schema IS DISTINCT FROM 'pg_catalog'
  AND NOT (d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_namespace'::regclass)
  AND NOT (d.refclassid = 'pg_class'::regclass
           AND EXISTS (SELECT FROM lakegate.tables t WHERE t.shadow = d.refobjid))
LIMIT 1
"""
_HINT = "Views read lakehouse tables and other views of them."
_CIRCULAR = "42P17"
_LOST = """UPDATE lakegate.tables SET shadow = c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE (nspname, relname) = (schema_name, name) AND id = %s"""


@dataclass(frozen=True, slots=True)
class HeldView:
    """A view as PostgreSQL has it. `columns` are name, type and comment."""

    id: int
    schema: str
    name: str
    definition: str
    reason: str | None
    options: list[str]
    comment: str | None
    columns: list[list[str | None]]

    @property
    def table(self) -> TableName:
        return TableName(self.schema, self.name)

    def statement(self, definition: sql.Composable) -> sql.Composed:
        """What makes it again, or in place of the one that is there."""
        pairs = [option.split("=", 1) for option in self.options]
        options = [sql.SQL("{} = {}").format(sql.Identifier(key), sql.Literal(value)) for key, value in pairs]
        with_ = sql.SQL(" WITH ({})").format(sql.SQL(", ").join(options)) if options else sql.SQL("")
        name = sql.Identifier(self.schema, self.name)
        return sql.SQL("CREATE OR REPLACE VIEW {}{} AS {}").format(name, with_, definition)

    def original(self) -> sql.Composed:
        return self.statement(_trusted(self.definition))

    def placeholder(self) -> sql.Composed:
        """Its columns without anything behind them."""
        columns = [
            sql.SQL("NULL::{} AS {}").format(_trusted(str(type_)), sql.Identifier(str(name)))
            for name, type_, _ in self.columns
        ]
        return self.statement(sql.SQL("SELECT {}").format(sql.SQL(", ").join(columns)))

    def comments(self) -> list[sql.Composed]:
        """What makes its comments again."""
        name = sql.Identifier(self.schema, self.name)
        found = [sql.SQL("COMMENT ON VIEW {} IS {}").format(name, sql.Literal(self.comment))] if self.comment else []
        return found + [
            sql.SQL("COMMENT ON COLUMN {} IS {}").format(
                sql.Identifier(self.schema, self.name, str(column)), sql.Literal(comment)
            )
            for column, _, comment in self.columns
            if comment is not None
        ]


async def create_view(connection: Connection, change: CreateView, who: Principal) -> set[TableName]:
    """Returns the relations that are others now. Raises what PostgreSQL does, FeatureNotSupported for a view that reads
    anything but lakehouse relations, ProgramLimitExceeded for one that reads too many."""
    name = change.name
    schema = await find_schema(connection, name.schema)
    if Privilege.CREATE not in schema.privileges(who):
        raise InsufficientPrivilege(f"permission denied for schema {name.schema}")
    present = await _find_present(connection, change, who)
    # Prepared, so that PostgreSQL takes one statement and no more.
    await connection.execute(change.text.encode(), prepare=True)
    if change.unknown is not None:
        raise FeatureNotSupported(f'a view cannot read "{change.unknown}"', hint=_HINT)
    if present is None:
        row = {"schema": name.schema, "name": name.name, "owner": who.name}
        made = await (await connection.execute(_ADOPT, row)).fetchone()
        assert made is not None, "the view that was made"
        await connection.execute("INSERT INTO lakegate.view_states (table_id) VALUES (%s)", made)
    else:
        update = "UPDATE lakegate.view_states SET definition = NULL, reason = NULL WHERE table_id = %s"
        await connection.execute(update, (present.id,))
        await connection.execute(_LOST, (present.id,))
    view = await find_table(connection, name)
    dependents = await read_dependents(connection, view.shadow)
    if name in {each.table for each in dependents}:
        raise error_class(_CIRCULAR)(f'infinite recursion detected in rules for relation "{name.name}"')
    assert view.shadow is not None, "a view has one"
    await _refuse_foreign(connection, view.shadow)
    await check_expansion(connection, view.shadow)
    await mirror_table(connection, view)
    return {name, *(each.table for each in dependents)}


async def _refuse_foreign(connection: Connection, shadow: int) -> None:
    """A temporary table that goes would take the view along, and a type or a function that is named in an expression is
    no relation that a statement's text shows."""
    for (foreign,) in await fetch(connection, _FOREIGN, (shadow,)):
        raise FeatureNotSupported(f"a view cannot depend on {foreign}", hint=_HINT)


async def _find_present(connection: Connection, change: CreateView, who: Principal) -> TableEntry | None:
    """The view that is to be replaced."""
    name = change.name.name
    try:
        present = await find_table(connection, change.name)
    except UndefinedTable:
        return None
    if not change.replace:
        raise DuplicateTable(f'relation "{name}" already exists')
    if present.view is None:
        raise WrongObjectType(f'"{name}" is not a view')
    if not is_owner(who, present.owner):
        raise InsufficientPrivilege(f"must be owner of view {name}")
    return present


async def read_dependents(connection: Connection, shadow: int | None) -> list[HeldView]:
    """All views that read the relation, directly or through others; none before those that it reads."""
    return [] if shadow is None else await _read(connection, _DEPENDENTS, shadow)


def refuse_dependents(kind: str, name: TableName, dependents: list[HeldView]) -> None:
    """What DROP without CASCADE says."""
    if dependents:
        raise DependentObjectsStillExist(
            f"cannot drop {kind} {name.name} because other objects depend on it",
            detail="\n".join(f"view {each.name} depends on {kind} {name.name}" for each in dependents[:100]),
            hint="Use DROP ... CASCADE to drop the dependent objects too.",
        )


async def restore_views(connection: Connection, views: list[HeldView]) -> None:
    """Makes again those that went with a shadow. One that cannot be becomes a placeholder."""
    for view in views:
        reason = view.reason or await _try(connection, view.original())
        if reason is not None:
            await connection.execute(view.placeholder())
        for comment in view.comments():
            await connection.execute(comment)
        await _note_reason(connection, view, reason)
        await connection.execute(_LOST, (view.id,))
        await mirror_table(connection, await find_table(connection, view.table))


async def mend_views(connection: Connection) -> set[TableName]:
    """Tries those that cannot be read again, after a table has changed; returns those that can now."""
    mended: set[TableName] = set()
    for view in await _read(connection, _BROKEN):
        if await _try(connection, view.original()) is None:
            await _note_reason(connection, view, None)
            mended.add(view.table)
    return mended


async def _read(connection: Connection, query: str, *parameters: Any) -> list[HeldView]:
    return [HeldView(*row) for row in await fetch(connection, query, parameters)]


async def _try(connection: Connection, statement: sql.Composed) -> str | None:
    """Why it cannot be carried out; None if it was."""
    try:
        async with connection.transaction():
            await connection.execute(statement)
    except (psycopg.ProgrammingError, psycopg.NotSupportedError, psycopg.DataError) as error:
        return error.diag.message_primary or str(error)
    return None


async def _note_reason(connection: Connection, view: HeldView, reason: str | None) -> None:
    update = "UPDATE lakegate.view_states SET definition = %s, reason = %s WHERE table_id = %s"
    await connection.execute(update, (None if reason is None else view.definition, reason, view.id))


def _trusted(text: str) -> sql.SQL:
    """What PostgreSQL itself has written."""
    return sql.SQL(text)
