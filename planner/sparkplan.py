"""Plans of the spark dialect: tables become paths at their versions, and Spark runs the text.

Names are resolved in the metastore and authorised like the other dialect's. SHOW, DESCRIBE and USE are answered from
the resolution. Result columns are described by Spark's own analyser.
"""

from sqlglot import exp

from catalog.changes import CreateSchema, DropSchema, DropTable, Privilege, RegisterTable, SyncTable
from catalog.errors import FeatureNotSupported, SuccessfulCompletion, UndefinedTable
from catalog.names import Role, TableName, TableReference
from catalog.resolution import Resolution, ResolvedTable
from catalog.types import Oid, PgType, ResultColumn
from planner.authorize import require, require_create, require_owner, require_reads
from planner.creation import find_existing
from planner.dialects.context import snapshot_of
from planner.parse import Statement
from planner.plan import CatalogChange, Constant, Lane, Parameter, Plan, Query, SessionValue, Settings
from planner.route import refuse_forced
from planner.sparkfunctions import FOLDED
from planner.sparkseeds import seed_all
from planner.sparksql import name_of, tables

_TEXT = PgType(Oid.TEXT)
_PROPERTIES = (exp.FileFormatProperty, exp.PartitionedByProperty, exp.SchemaCommentProperty, exp.Property)
_HISTORY = (
    ("version", Oid.INT8), ("timestamp", Oid.TIMESTAMPTZ), ("userId", Oid.TEXT), ("userName", Oid.TEXT),
    ("operation", Oid.TEXT), ("operationParameters", Oid.JSONB), ("job", Oid.JSONB), ("notebook", Oid.JSONB),
    ("clusterId", Oid.TEXT), ("readVersion", Oid.INT8), ("isolationLevel", Oid.TEXT), ("isBlindAppend", Oid.BOOL),
    ("operationMetrics", Oid.JSONB), ("userMetadata", Oid.TEXT), ("engineInfo", Oid.TEXT),
)  # fmt: skip
"""The columns of DESCRIBE HISTORY, which Spark cannot describe without running it."""
_WRITES: dict[type[exp.Expr], tuple[str, frozenset[Privilege]]] = {
    exp.Insert: ("INSERT 0", frozenset({Privilege.INSERT})),
    exp.Update: ("UPDATE", frozenset({Privilege.UPDATE, Privilege.SELECT})),
    exp.Delete: ("DELETE", frozenset({Privilege.DELETE, Privilege.SELECT})),
    exp.TruncateTable: ("TRUNCATE TABLE", frozenset({Privilege.DELETE})),
}


def plan_spark(statement: Statement, resolution: Resolution, settings: Settings) -> Plan:
    """Raises 42P01 for a table that the metastore does not know, 42501 without privileges, 0A000 for the rest."""
    if statement.verb == "ShowSchemas":
        return Constant(
            "SHOW", (ResultColumn("namespace", _TEXT),), tuple((name,) for name in sorted(resolution.schemas))
        )
    assert statement.spark is not None
    return _SparkPlan(statement, statement.spark.copy(), resolution, settings).plan()


class _SparkPlan:
    def __init__(self, statement: Statement, tree: exp.Expr, resolution: Resolution, settings: Settings) -> None:
        self.statement = statement
        self.tree = tree
        self.resolution = resolution
        self.settings = settings
        self.named = list(zip(statement.references, tables(tree), strict=True))
        self.seeds: list[Parameter] = []

    def plan(self) -> Plan:
        """The plan by the kind of the tree's root."""
        tree = self.tree
        if isinstance(tree, exp.Describe):
            return self._describe()
        if isinstance(tree, exp.Create):
            return self._create(tree)
        if isinstance(tree, exp.Drop):
            return self._drop(tree)
        if self.settings.lane is Lane.DUCKDB:
            raise refuse_forced(Lane.DUCKDB, "the spark dialect runs on Spark")
        if isinstance(tree, exp.Query | exp.Values):
            require_reads(self.statement, self.resolution)
            return self._query("the spark dialect runs on Spark", "SELECT")
        if isinstance(tree, exp.Alter):
            return self._alter(tree)
        if isinstance(tree, exp.Merge):
            return self._write(tree, "MERGE", self._merge_privileges(tree))
        for kind, (tag, privileges) in _WRITES.items():
            if isinstance(tree, kind):
                return self._write(tree, tag, privileges)
        raise FeatureNotSupported(f"{type(tree).__name__.upper()} is not supported in the spark dialect")

    def _table(self, role: Role | None = None) -> ResolvedTable:
        for reference, _ in self.named:
            if role is None or reference.role is role:
                table = self.resolution.tables.get(reference)
                if table is None:
                    raise _undefined(reference, self.statement.offset)
                return table
        raise FeatureNotSupported("the statement names no table")

    def _placed(self) -> tuple[tuple[TableName, int], ...]:
        """Puts each table's path in its name's place; returns the versions that are read."""
        reads = {}
        for reference, node in self.named:
            table = self.resolution.tables.get(reference)
            if reference.role is Role.CREATE:
                continue
            if table is None:
                raise _undefined(reference, self.statement.offset)
            snapshot = snapshot_of(table)
            if not node.alias and reference.role is Role.READ:
                node.set("alias", exp.TableAlias(this=exp.to_identifier(node.name, quoted=True)))
            node.set("this", exp.to_identifier(snapshot.location, quoted=True))
            node.set("db", exp.to_identifier("delta"))
            node.set("catalog", None)
            if reference.role is Role.READ:
                node.set(
                    "version",
                    exp.Version(this="VERSION", kind="AS OF", expression=exp.Literal.number(snapshot.version)),
                )
                reads[table.name] = snapshot.version
        for column in self.tree.find_all(exp.Column):
            column.set("db", None)
            column.set("catalog", None)
        return tuple(reads.items())

    def _sql(self) -> str:
        seed_all(self.tree, self._draw)
        self.tree = self.tree.transform(self._folded)
        return self.tree.sql(dialect="spark", comments=False)

    def _draw(self) -> exp.Expr:
        name = f"p{len(self.seeds) + 1}"
        self.seeds.append(Parameter(name, PgType(Oid.INT8), SessionValue.SEED))
        return exp.Placeholder(this=name)

    def _folded(self, node: exp.Expr) -> exp.Expr:
        """Functions of the session become literals: the engine's own session is not the client's."""
        if not isinstance(node, exp.Func) or isinstance(node, exp.Binary):
            return node
        names = [node.name.lower()] if isinstance(node, exp.Anonymous) else [n.lower() for n in type(node).sql_names()]
        for name in FOLDED & set(names):
            if name in ("current_user", "session_user", "user"):
                who = self.resolution.principal
                return exp.Literal.string(who.user if name == "session_user" else who.name)
            schema = self.resolution.current_schema
            if name == "current_catalog" or schema is None:
                return exp.Literal.string(self.resolution.workspace)
            return exp.Literal.string(schema)
        return node

    def _query(self, reason: str, tag: str) -> Query:
        reads = self._placed()
        found = (snapshot_of(self.resolution.tables[reference]) for reference, _ in self.named)
        snapshots = tuple({id(snapshot): snapshot for snapshot in found}.values())
        sql = self._sql()
        return Query(Lane.SPARK, reason, sql, tag, None, tuple(self.seeds), reads=reads, snapshots=snapshots)

    def _write(self, tree: exp.Expr, tag: str, privileges: frozenset[Privilege]) -> Query:
        require_reads(self.statement, self.resolution)
        table = self._table(Role.WRITE)
        if isinstance(tree, exp.Insert) and (
            tree.args.get("partition") or not isinstance(tree.this, exp.Table | exp.Schema)
        ):
            raise FeatureNotSupported("INSERT takes a table and, if any, its columns")
        if isinstance(tree, exp.Insert) and tree.args.get("overwrite"):
            privileges |= {Privilege.DELETE}
        if isinstance(tree, exp.TruncateTable):
            self.tree = exp.Delete(this=tree.expressions[0].copy())
            self.named = [(self.named[0][0], self.tree.this)]
        require(table, privileges)
        reads = self._placed()
        sql = self._sql()
        return Query(
            Lane.SPARK, "writes run on Spark", sql, tag, None, tuple(self.seeds), reads=reads, writes=table.name
        )

    def _merge_privileges(self, tree: exp.Merge) -> frozenset[Privilege]:
        needed = {Privilege.SELECT}
        for when in tree.args["whens"].expressions:
            action = when.args.get("then")
            needed.add(
                Privilege.INSERT if isinstance(action, exp.Insert)
                else Privilege.UPDATE if isinstance(action, exp.Update)
                else Privilege.DELETE
            )  # fmt: skip
        return frozenset(needed)

    def _describe(self) -> Plan:
        table = self._table()
        require(table, {Privilege.SELECT})
        style = str(self.tree.args.get("style") or "").upper()
        if style == "HISTORY" or str(self.tree.args.get("kind") or "").upper() == "HISTORY":
            columns = tuple(ResultColumn(name, PgType(oid)) for name, oid in _HISTORY)
            snapshot = snapshot_of(table)
            sql = f"DESCRIBE HISTORY delta.{exp.to_identifier(snapshot.location, quoted=True).sql('spark')}"
            reason = "the table's history is read by Spark"
            return Query(Lane.SPARK, reason, sql, "SELECT", columns, snapshots=(snapshot,))
        if style not in ("", "EXTENDED", "FORMATTED"):
            raise FeatureNotSupported(f"DESCRIBE {style} is not supported")
        if self.statement.verb == "ShowColumns":
            names = tuple((column.name,) for column in snapshot_of(table).columns)
            return Constant("SHOW", (ResultColumn("col_name", _TEXT),), names)
        rows: list[tuple[str | None, ...]] = [(c.name, c.delta_type, c.comment) for c in snapshot_of(table).columns]
        if style:
            rows += [("", "", ""), ("Name", str(table.name), ""), ("Owner", table.owner, ""), ("Provider", "delta", "")]
        return Constant(
            "DESCRIBE", tuple(ResultColumn(n, _TEXT) for n in ("col_name", "data_type", "comment")), tuple(rows)
        )

    def _create(self, tree: exp.Create) -> Plan:
        kind = str(tree.args["kind"]).upper()
        if kind in ("SCHEMA", "DATABASE"):
            name = name_of(tree.this.args.get("db")) or name_of(tree.this.this)
            return CatalogChange(CreateSchema(name, bool(tree.args.get("exists"))), "CREATE SCHEMA")
        if kind != "TABLE" or tree.args.get("replace") or tree.args.get("clone"):
            raise FeatureNotSupported(f"CREATE {kind} is not supported in this form")
        require_reads(self.statement, self.resolution)
        reference, node = next((r, n) for r, n in self.named if r.role is Role.CREATE)
        made = TableName(require_create(reference.schema, self.resolution), reference.name)
        existing = find_existing(made, self.resolution, bool(tree.args.get("exists")), "CREATE TABLE")
        if existing is not None:
            return existing
        self._check_properties(tree)
        reads = self._placed()
        node.set("this", exp.to_identifier(self.resolution.new_location, quoted=True))
        node.set("db", exp.to_identifier("delta"))
        node.set("catalog", None)
        tree.set("exists", False)
        tag = "SELECT" if tree.expression else "CREATE TABLE"
        location = self.resolution.new_location
        sql = self._sql()
        return Query(
            Lane.SPARK, "writes run on Spark", sql, tag, None, tuple(self.seeds), reads=reads, writes=made,
            then=RegisterTable(made, location), location=location,
        )  # fmt: skip

    def _check_properties(self, tree: exp.Create) -> None:
        properties = tree.args.get("properties") or exp.Properties(expressions=[])
        for item in properties.expressions:
            if isinstance(item, exp.FileFormatProperty) and item.name.lower() != "delta":
                raise FeatureNotSupported("only USING delta is supported")
            if type(item) not in _PROPERTIES or (
                type(item) is exp.Property and not item.name.lower().startswith("delta.")
            ):
                raise FeatureNotSupported(f"{type(item).__name__} is not supported in CREATE TABLE")
        if not any(isinstance(item, exp.FileFormatProperty) for item in properties.expressions):
            properties.append("expressions", exp.FileFormatProperty(this=exp.var("DELTA")))
            tree.set("properties", properties)

    def _drop(self, tree: exp.Drop) -> Plan:
        kind, exists = str(tree.args["kind"]).upper(), bool(tree.args.get("exists"))
        if kind in ("SCHEMA", "DATABASE"):
            name = name_of(tree.this.args.get("db")) or name_of(tree.this.this)
            return CatalogChange(DropSchema(name, exists, bool(tree.args.get("cascade"))), "DROP SCHEMA")
        if kind not in ("TABLE", "VIEW") or tree.args.get("purge"):
            raise FeatureNotSupported(f"DROP {kind} is not supported in this form")
        if not any(reference in self.resolution.tables for reference, _ in self.named) and exists:
            return Constant(
                f"DROP {kind}", remarks=(SuccessfulCompletion(f"the {kind.lower()} does not exist, skipping"),)
            )
        table = self._table()
        require_owner(table, self.resolution)
        return CatalogChange(DropTable(table.name, exists, view=kind == "VIEW"), f"DROP {kind}")

    def _alter(self, tree: exp.Alter) -> Plan:
        actions = tree.args.get("actions") or []
        added = [a for action in actions for a in (action.expressions if isinstance(action, exp.Schema) else [action])]
        if not added or not all(
            isinstance(action, exp.ColumnDef | exp.RenameColumn) or _drops_column(action) for action in added
        ):
            raise FeatureNotSupported("ALTER TABLE adds, drops and renames columns")
        table = self._table()
        require_owner(table, self.resolution)
        self._placed()
        then = SyncTable(table.name)
        return Query(Lane.SPARK, "writes run on Spark", self._sql(), "ALTER TABLE", None, writes=table.name, then=then)


def _undefined(reference: TableReference, offset: int) -> UndefinedTable:
    name = f"{reference.schema}.{reference.name}" if reference.schema else reference.name
    return UndefinedTable(
        f'relation "{name}" does not exist',
        position=None if reference.position is None else reference.position - offset,
    )


def _drops_column(action: exp.Expr) -> bool:
    return isinstance(action, exp.Drop) and str(action.args.get("kind", "")).upper() == "COLUMN"
