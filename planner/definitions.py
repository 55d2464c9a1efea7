"""CREATE, ALTER and DROP of tables and schemas, and COMMENT, in the postgres dialect: those that make a table are in
`planner.creation`. DROP, COMMENT, keys and schemas touch only the catalog.
"""

import pyarrow as pa

from catalog.changes import AddKey, CommentOnTable, CreateSchema, DropKey, DropSchema, DropTable
from catalog.errors import FeatureNotSupported, SuccessfulCompletion, UndefinedTable
from catalog.resolution import Resolution, ResolvedTable
from catalog.types import Description
from planner import tree
from planner.authorize import require_owner
from planner.columns import ADD, DROP, plan_added, plan_dropped, plan_renamed
from planner.creation import plan_create, plan_create_as
from planner.elements import NOT_ENFORCED, read_key
from planner.parse import Statement
from planner.plan import CatalogChange, Constant, Lane, Plan, Settings
from planner.tree import Node
from planner.views import check_kind, plan_rename, plan_view, renames_relation

VERBS = frozenset({"Create", "CreateTableAs", "AlterTable", "Rename", "Drop", "Comment", "CreateSchema", "View"})


def plan_definition(
    statement: Statement,
    resolution: Resolution,
    tables: dict[int | None, ResolvedTable],
    settings: Settings,
    description: Description | None,
    values: pa.RecordBatch | None,
) -> Plan:
    """Raises 42501, 42P07, 42P01 as PostgreSQL does, 0A000 for what Delta tables do not have."""
    kind, fields = tree.unwrap(statement.tree)
    if kind == "ViewStmt":
        return plan_view(statement, fields, resolution, tables)
    if renames_relation(kind, fields):
        return plan_rename(fields, resolution, tables[fields["relation"].get("location", 0)])
    match kind:
        case "CreateSchemaStmt":
            return _create_schema(fields)
        case "CreateStmt":
            return plan_create(statement, fields, resolution, settings)
        case "CreateTableAsStmt":
            return plan_create_as(statement, fields, resolution, tables, settings, description, values)
        case "DropStmt":
            return _drop(statement, fields, resolution)
        case "CommentStmt":
            return _comment(statement, fields, resolution)
    return _alter(kind, fields, resolution, tables, settings.lane)


def _create_schema(fields: Node) -> Plan:
    if fields.get("schemaElts") or fields.get("authrole"):
        raise FeatureNotSupported("CREATE SCHEMA takes only a name")
    return CatalogChange(CreateSchema(fields["schemaname"], bool(fields.get("if_not_exists"))), "CREATE SCHEMA")


def _drop(statement: Statement, fields: Node, resolution: Resolution) -> Plan:
    kind = fields["removeType"]
    if_exists, cascade = bool(fields.get("missing_ok")), fields.get("behavior") == "DROP_CASCADE"
    if len(fields["objects"]) != 1:
        raise FeatureNotSupported("DROP takes one lakehouse object at a time")
    if kind == "OBJECT_SCHEMA":
        return CatalogChange(DropSchema(fields["objects"][0]["String"]["sval"], if_exists, cascade), "DROP SCHEMA")
    if kind not in ("OBJECT_TABLE", "OBJECT_VIEW"):
        raise FeatureNotSupported("this DROP is not supported")
    table, word = _object(statement, resolution), kind.removeprefix("OBJECT_")
    if table is None:
        name = tree.strings(tree.items(fields["objects"][0]))[-1]
        if not if_exists:
            raise UndefinedTable(f'{word.lower()} "{name}" does not exist')
        return Constant(
            f"DROP {word}", remarks=(SuccessfulCompletion(f'{word.lower()} "{name}" does not exist, skipping'),)
        )
    require_owner(table, resolution)
    return CatalogChange(DropTable(table.name, if_exists, cascade, kind == "OBJECT_VIEW"), f"DROP {word}")


def _object(statement: Statement, resolution: Resolution) -> ResolvedTable | None:
    return next((resolution.tables[r] for r in statement.references if r in resolution.tables), None)


def _comment(statement: Statement, fields: Node, resolution: Resolution) -> Plan:
    table, kind = _object(statement, resolution), fields["objtype"]
    if table is None or kind not in ("OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_COLUMN"):
        raise FeatureNotSupported("COMMENT ON is supported on lakehouse tables, views and their columns")
    require_owner(table, resolution)
    check_kind(table, kind)
    column = tree.strings(tree.items(fields["object"]))[-1] if kind == "OBJECT_COLUMN" else None
    return CatalogChange(CommentOnTable(table.name, column, fields.get("comment")), "COMMENT")


def _alter(
    kind: str, fields: Node, resolution: Resolution, tables: dict[int | None, ResolvedTable], lane: Lane | None
) -> Plan:
    table = tables[fields["relation"].get("location", 0)]
    require_owner(table, resolution)
    if kind == "RenameStmt":
        if fields["renameType"] != "OBJECT_COLUMN":
            raise FeatureNotSupported("this RENAME is not supported on lakehouse tables")
        return plan_renamed(fields, table, lane)
    commands = [node["AlterTableCmd"] for node in fields["cmds"]]
    subtypes = {command["subtype"] for command in commands}
    if subtypes == {ADD}:
        return plan_added(commands, table, resolution, lane)
    if subtypes == {DROP}:
        return plan_dropped(commands, table, lane)
    if len(commands) != 1:
        raise FeatureNotSupported(
            "ALTER TABLE takes one kind of change at a time on lakehouse tables",
            hint="Make one after another in a transaction block.",
        )
    (command,) = commands
    if command["subtype"] == "AT_AddConstraint":
        key = read_key(command["def"]["Constraint"], resolution)
        return CatalogChange(AddKey(table.name, key), "ALTER TABLE", remarks=(NOT_ENFORCED,))
    if command["subtype"] == "AT_DropConstraint":
        if_exists, cascade = bool(command.get("missing_ok")), command.get("behavior") == "DROP_CASCADE"
        return CatalogChange(DropKey(table.name, command["name"], if_exists, cascade), "ALTER TABLE")
    raise FeatureNotSupported("ALTER TABLE adds, drops and renames columns and keys of lakehouse tables")
