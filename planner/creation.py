"""CREATE TABLE and CREATE TABLE … AS of lakehouse tables in the postgres dialect.

A new table's Delta log is written at a fresh path, by the gateway where `planner.newtables` has all that it needs and
DuckDB gives its rows, else by Spark; its shadow is registered after that.
"""

from dataclasses import replace

import pyarrow as pa

from catalog.changes import Key, RegisterTable
from catalog.errors import DuplicateTable, FeatureNotSupported
from catalog.locations import is_object
from catalog.names import TableName
from catalog.resolution import Resolution, ResolvedTable
from catalog.types import Description, Oid, PgType, ResultColumn
from planner import tree
from planner.appends import find_obstacle, plan_append
from planner.authorize import require_create, require_reads
from planner.columns import delta_type
from planner.dialects.coercion import STRINGS, TEXT, decimal
from planner.dialects.context import Context
from planner.dialects.expression import Unverified
from planner.dialects.queries import Output, Queries
from planner.dialects.spelling import Spelling
from planner.elements import NOT_ENFORCED, Column, read_elements
from planner.newtables import plan_table
from planner.parse import Statement
from planner.plan import CatalogChange, Constant, Lane, Plan, Query, Settings
from planner.puts import Put
from planner.reads import SPELLINGS, finish
from planner.route import refuse_forced
from planner.syntax import TableOptions
from planner.tree import Node

_SPARK = SPELLINGS[Lane.SPARK]
_ON_SPARK = "writes run on Spark"
_HERE = "the gateway writes the table's log itself"
_SPARKS = "only Spark makes such a table"


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


def plan_create(statement: Statement, fields: Node, resolution: Resolution, settings: Settings) -> Plan:
    """Raises 42P07, 42501, and 0A000 for what Delta tables do not have."""
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
    if settings.lane is not Lane.SPARK:
        made = plan_table(name, resolution.new_location, listed, statement.options)
        if made is not None:
            here = _made("", "CREATE TABLE", name, resolution, keys)
            return replace(here, lane=Lane.DUCKDB, reason=_HERE, put=Put(made))
        if settings.lane is Lane.DUCKDB:
            raise refuse_forced(Lane.DUCKDB, _SPARKS)
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
    return Query(Lane.SPARK, _ON_SPARK, sql, tag, None, writes=name, then=then, location=location, remarks=remarks)


def plan_create_as(
    statement: Statement,
    fields: Node,
    resolution: Resolution,
    tables: dict[int | None, ResolvedTable],
    settings: Settings,
    description: Description | None,
    values: pa.RecordBatch | None,
) -> Plan:
    """Raises what `plan_create` and a SELECT raise."""
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
    parameters = description.parameters if description else ()
    if settings.lane is not Lane.SPARK:
        here = _make_as(statement, fields, name, resolution, tables, settings, parameters, values)
        if isinstance(here, Query):
            return here
        if settings.lane is Lane.DUCKDB:
            raise refuse_forced(Lane.DUCKDB, here)
    context = Context(statement, tables, _SPARK, settings.customs, parameters)
    rows = _Rows(context, fields)
    path = f"delta.{_SPARK.identifier(resolution.new_location)}"
    options = _options(statement, {column.name for column in rows.columns})
    sql = f"CREATE TABLE {path} USING delta{options} AS {rows.sql}"
    done = finish(context, sql)
    return replace(_made(sql, "SELECT", name, resolution), parameters=done.parameters, reads=done.reads)


def _make_as(
    statement: Statement,
    fields: Node,
    name: TableName,
    resolution: Resolution,
    tables: dict[int | None, ResolvedTable],
    settings: Settings,
    parameters: tuple[int, ...],
    values: pa.RecordBatch | None,
) -> Query | str:
    """The plan for rows that DuckDB gives, or why there is none."""
    context = Context(statement, tables, SPELLINGS[Lane.DUCKDB], settings.customs, parameters)
    try:
        rows = _Rows(context, fields)
    except Unverified as reason:
        return reason.message
    _options(statement, {column.name for column in rows.columns})
    made = plan_table(name, resolution.new_location, rows.columns, statement.options)
    if made is None:
        return _SPARKS
    obstacle = find_obstacle(made)
    if obstacle is not None:
        return obstacle
    planned = plan_append(made, finish(context, rows.sql), parameters, values, is_forced=settings.lane is not None)
    if isinstance(planned, str):
        return planned
    then, location = RegisterTable(name, resolution.new_location), resolution.new_location
    return replace(planned, tag="SELECT", then=then, location=location)


class _Rows:
    """The rows of CREATE TABLE … AS on one lane, and the columns that the table has for them."""

    def __init__(self, context: Context, fields: Node) -> None:
        into, spelling = fields["into"], context.spelling
        query = Queries(context).translate(fields["query"]["SelectStmt"], None)
        names = tree.strings(into.get("colNames"))
        called = [names[i] if i < len(names) else out.name for i, out in enumerate(query.outputs)]
        types = [_stored_type(out) for out in query.outputs]
        self.columns = [Column(name, type_, nullable=True) for name, type_ in zip(called, types, strict=True)]
        listed = ", ".join(
            f"{_stored(f'q.c{i}', out.type, column.type, spelling)} AS {spelling.identifier(column.name)}"
            for i, (out, column) in enumerate(zip(query.outputs, self.columns, strict=True), 1)
        )
        where = " LIMIT 0" if into.get("skipData") else ""
        self.sql = f"SELECT {listed} FROM ({query.sql}) AS q{where}"


def _stored_type(output: Output) -> PgType:
    """An approximate numeric is stored with 18 decimals. Texts have a length where they come from a column as they are
    there; everything else is as it is."""
    type_ = output.type
    if type_ is None or (type_.oid in STRINGS and (output.term is None or type_.oid == Oid.NAME)):
        return TEXT
    return decimal(38, 18) if type_.oid == Oid.NUMERIC and type_.typmod < 0 else type_


def _stored(sql: str, type_: PgType | None, stored: PgType, spelling: Spelling) -> str:
    if type_ is None or stored.oid != Oid.NUMERIC or (type_ == stored and spelling.lane is Lane.SPARK):
        return sql
    return f"CAST({sql} AS {spelling.type(stored)})"
