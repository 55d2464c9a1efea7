"""CREATE, ALTER and DROP of tables and schemas, and COMMENT, in the postgres dialect.

A new table's Delta log is written by Spark at a fresh path; its shadow is registered after that. DROP, COMMENT, keys
and schemas touch only the catalog.
"""

from catalog.changes import (
    AddKey,
    CommentOnTable,
    CreateSchema,
    DropKey,
    DropSchema,
    DropTable,
    Key,
    RegisterTable,
)
from catalog.errors import DuplicateTable, FeatureNotSupported, SuccessfulCompletion, UndefinedTable
from catalog.locations import is_object
from catalog.names import TableName
from catalog.resolution import Resolution, ResolvedTable
from catalog.types import Description, Oid, PgType, ResultColumn
from planner import tree
from planner.authorize import require_create, require_owner, require_reads
from planner.columns import ADD, DROP, delta_type, plan_added, plan_dropped, plan_renamed
from planner.dialects.coercion import decimal
from planner.dialects.context import Context
from planner.dialects.queries import Queries
from planner.elements import NOT_ENFORCED, read_elements, read_key
from planner.parse import Statement
from planner.plan import CatalogChange, Constant, Lane, Plan, Query, Settings
from planner.reads import SPELLINGS, finish
from planner.route import refuse_forced
from planner.syntax import TableOptions
from planner.tree import Node
from planner.views import check_kind, plan_rename, plan_view, renames_relation

VERBS = frozenset({"Create", "CreateTableAs", "AlterTable", "Rename", "Drop", "Comment", "CreateSchema", "View"})
_SPARK = SPELLINGS[Lane.SPARK]
_REASON = "writes run on Spark"


def plan_definition(
    statement: Statement,
    resolution: Resolution,
    tables: dict[int | None, ResolvedTable],
    settings: Settings,
    description: Description | None,
) -> Plan:
    """Raises 42501, 42P07, 42P01 as PostgreSQL does, 0A000 for what Delta tables do not have."""
    kind, fields = tree.unwrap(statement.tree)
    if kind == "ViewStmt":
        return plan_view(statement, fields, resolution, tables)
    if renames_relation(kind, fields):
        return plan_rename(fields, resolution, tables[fields["relation"].get("location", 0)])
    if kind in ("CreateStmt", "CreateTableAsStmt", "AlterTableStmt", "RenameStmt") and settings.lane is Lane.DUCKDB:
        raise refuse_forced(Lane.DUCKDB, "it only reads")
    match kind:
        case "CreateSchemaStmt":
            return _create_schema(fields)
        case "CreateStmt":
            return _create(statement, fields, resolution)
        case "CreateTableAsStmt":
            return _create_as(statement, fields, resolution, tables, settings, description)
        case "DropStmt":
            return _drop(statement, fields, resolution)
        case "CommentStmt":
            return _comment(statement, fields, resolution)
    return _alter(kind, fields, resolution, tables)


def _create_schema(fields: Node) -> Plan:
    if fields.get("schemaElts") or fields.get("authrole"):
        raise FeatureNotSupported("CREATE SCHEMA takes only a name")
    return CatalogChange(CreateSchema(fields["schemaname"], bool(fields.get("if_not_exists"))), "CREATE SCHEMA")


def _new_table(
    statement: Statement, relation: Node, resolution: Resolution, if_not_exists: bool, tag: str
) -> TableName | Constant:
    """The name of the table to make, or the answer that it is there already."""
    if relation.get("relpersistence") == "u":
        raise FeatureNotSupported("unlogged tables are not supported")
    name = TableName(require_create(relation.get("schemaname"), resolution), relation["relname"])
    return find_existing(name, resolution, if_not_exists, tag) or name


def find_existing(name: TableName, resolution: Resolution, if_not_exists: bool, tag: str) -> Constant | None:
    """The answer to the CREATE of a table that is there already. Raises DuplicateTable."""
    if all(table.name != name for table in resolution.tables.values()):
        return None
    told = f'relation "{name.name}" already exists'
    if not if_not_exists:
        raise DuplicateTable(told)
    return Constant(tag, remarks=(DuplicateTable(f"{told}, skipping"),))


def _options(statement: Statement, columns: set[str]) -> str:
    options = statement.options
    if options is None:
        return ""
    missing = [name for name in options.partitioned_by if name not in columns]
    if missing:
        raise FeatureNotSupported(f'PARTITIONED BY names "{missing[0]}", which is no column of the table')
    text = ""
    if options.partitioned_by:
        text += f" PARTITIONED BY ({', '.join(map(_SPARK.identifier, options.partitioned_by))})"
    if options.properties:
        pairs = ", ".join(f"{_SPARK.string(key)} = {_SPARK.string(value)}" for key, value in options.properties)
        if any(not key.startswith("delta.") or "location" in key.lower() for key, _ in options.properties):
            raise FeatureNotSupported("TBLPROPERTIES takes properties of Delta: delta.*")
        text += f" TBLPROPERTIES ({pairs})"
    return text


def _create(statement: Statement, fields: Node, resolution: Resolution) -> Plan:
    for clause in ("inhRelations", "partspec", "ofTypename", "options", "partbound"):
        if fields.get(clause):
            raise FeatureNotSupported(
                "CREATE TABLE takes columns only", hint="Write PARTITIONED BY (…) for partitions."
            )
    name = _new_table(statement, fields["relation"], resolution, bool(fields.get("if_not_exists")), "CREATE TABLE")
    if isinstance(name, Constant):
        return name
    if statement.options and statement.options.location is not None:
        return _register(statement.options, fields, name, resolution)
    listed, keys = read_elements(fields.get("tableElts", []), resolution)
    columns = [(column.name, delta_type(column.type) + ("" if column.nullable else " NOT NULL")) for column in listed]
    if not columns:
        raise FeatureNotSupported("a lakehouse table has at least one column")
    options = _options(statement, {column for column, _ in columns})
    path = f"delta.{_SPARK.identifier(resolution.new_location)}"
    spelled = ", ".join(f"{_SPARK.identifier(column)} {type_}" for column, type_ in columns)
    return _made(f"CREATE TABLE {path} ({spelled}) USING delta{options}", "CREATE TABLE", name, resolution, keys)


def _register(options: TableOptions, fields: Node, name: TableName, resolution: Resolution) -> Plan:
    """A table that exists: its log says what it is, and columns that are listed must be its."""
    if options.partitioned_by or options.properties:
        raise FeatureNotSupported(
            "LOCATION names a table that exists, whose partitions and properties its log tells",
            hint="Write only USING delta LOCATION '…'.",
        )
    location = options.location or ""
    if not is_object(location):
        raise FeatureNotSupported("LOCATION takes a folder s3://…", hint="Other tables get a folder of their own.")
    listed, keys = read_elements(fields.get("tableElts", []), resolution)
    columns = tuple(ResultColumn(column.name, column.type) for column in listed)
    return CatalogChange(RegisterTable(name, location, keys, columns), "CREATE TABLE")


def _made(sql: str, tag: str, name: TableName, resolution: Resolution, keys: tuple[Key, ...] = ()) -> Query:
    location = resolution.new_location
    then = RegisterTable(name, location, keys)
    remarks = (NOT_ENFORCED,) if keys else ()
    return Query(Lane.SPARK, _REASON, sql, tag, None, writes=name, then=then, location=location, remarks=remarks)


def _create_as(
    statement: Statement,
    fields: Node,
    resolution: Resolution,
    tables: dict[int | None, ResolvedTable],
    settings: Settings,
    description: Description | None,
) -> Plan:
    into = fields["into"]
    if fields.get("objtype") != "OBJECT_TABLE" or fields.get("is_select_into") or into.get("options"):
        raise FeatureNotSupported("this form of CREATE … AS is not supported", hint="Use CREATE TABLE … AS SELECT.")
    if tree.kind(fields["query"]) != "SelectStmt":
        raise FeatureNotSupported("CREATE TABLE … AS takes a SELECT")
    require_reads(statement, resolution)
    name = _new_table(statement, into["rel"], resolution, bool(fields.get("if_not_exists")), "CREATE TABLE AS")
    if isinstance(name, Constant):
        return name
    if statement.options and statement.options.location is not None:
        raise FeatureNotSupported("LOCATION with AS is not supported", hint="The table gets a folder of its own.")
    context = Context(statement, tables, _SPARK, settings.customs, description.parameters if description else ())
    query = Queries(context).translate(fields["query"]["SelectStmt"], None)
    names = tree.strings(into.get("colNames"))
    called = [names[i] if i < len(names) else out.name for i, out in enumerate(query.outputs)]
    listed = ", ".join(
        f"{_stored(f'q.c{i}', out.type)} AS {_SPARK.identifier(column)}"
        for i, (out, column) in enumerate(zip(query.outputs, called, strict=True), 1)
    )
    where = " LIMIT 0" if into.get("skipData") else ""
    path = f"delta.{_SPARK.identifier(resolution.new_location)}"
    options = _options(statement, set(called))
    sql = f"CREATE TABLE {path} USING delta{options} AS SELECT {listed} FROM ({query.sql}) AS q{where}"
    done = finish(context, sql)
    made = _made(sql, "SELECT", name, resolution)
    return Query(
        made.lane, made.reason, sql, made.tag, None, done.parameters, (), done.reads, name, made.then, made.location
    )


def _stored(sql: str, type_: PgType | None) -> str:
    """An approximate numeric is stored with 18 decimals; everything else as it is."""
    if type_ is not None and type_.oid == Oid.NUMERIC and type_.typmod < 0:
        return f"CAST({sql} AS {_SPARK.type(decimal(38, 18))})"
    return sql


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


def _alter(kind: str, fields: Node, resolution: Resolution, tables: dict[int | None, ResolvedTable]) -> Plan:
    table = tables[fields["relation"].get("location", 0)]
    require_owner(table, resolution)
    if kind == "RenameStmt":
        if fields["renameType"] != "OBJECT_COLUMN":
            raise FeatureNotSupported("this RENAME is not supported on lakehouse tables")
        return plan_renamed(fields, table)
    commands = [node["AlterTableCmd"] for node in fields["cmds"]]
    subtypes = {command["subtype"] for command in commands}
    if subtypes == {ADD}:
        return plan_added(commands, table, resolution)
    if subtypes == {DROP}:
        return plan_dropped(commands, table)
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
