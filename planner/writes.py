"""INSERT, UPDATE, DELETE, MERGE and TRUNCATE of lakehouse tables in the postgres dialect.

The gateway writes what DuckDB has the rows of, where `planner.appends` and `planner.rewrites` allow it. Everything else
is on the Spark lane: the target is written by its path. Values become the columns' types by PostgreSQL's assignment
casts; a text that is too long for varchar(n) is refused by Delta. UPDATE … FROM and DELETE … USING become MERGE: a row
that matches twice is then an error instead of a choice left open.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from catalog.changes import Privilege
from catalog.errors import FeatureNotSupported, UndefinedColumn
from catalog.resolution import Resolution, ResolvedTable
from catalog.types import Description, Oid, PgType
from planner import tree
from planner.appends import find_obstacle, plan_append
from planner.authorize import require, require_reads
from planner.bind import Joined, Scope, Source
from planner.dialects.coercion import STRINGS, TEXT
from planner.dialects.context import Context, snapshot_of
from planner.dialects.expression import Unverified
from planner.dialects.queries import Queries, Target, Translated
from planner.membership import join_members
from planner.parse import Statement
from planner.plan import Lane, Query, Settings
from planner.reads import SPELLINGS, finish
from planner.rewrites import find_obstacle_to_change, plan_emptying, plan_rewrite
from planner.route import obstacle as obstacle_to_read
from planner.route import refuse_forced
from planner.shadow import column_type
from planner.tree import Node

VERBS = frozenset({"Insert", "Update", "Delete", "Merge", "Truncate"})
_TAGS = {"UpdateStmt": "UPDATE", "DeleteStmt": "DELETE"}
_COMMANDS = {"CMD_INSERT": Privilege.INSERT, "CMD_UPDATE": Privilege.UPDATE, "CMD_DELETE": Privilege.DELETE}


def plan_write(
    statement: Statement,
    resolution: Resolution,
    tables: dict[int | None, ResolvedTable],
    settings: Settings,
    description: Description | None,
    values: pa.RecordBatch | None = None,
) -> Query:
    """Raises 42501 without the privileges, 0A000 for ON CONFLICT, RETURNING and sub-selects that Delta cannot take."""
    require_reads(statement, resolution)
    parameters = description.parameters if description else ()
    if settings.lane is not Lane.SPARK:
        here = _plan_here(_Write(statement, tables, settings, parameters, Lane.DUCKDB), settings, values)
        if isinstance(here, Query):
            return here
        if settings.lane is Lane.DUCKDB:
            raise refuse_forced(Lane.DUCKDB, here)
    return _Write(statement, tables, settings, parameters, Lane.SPARK).plan()


def _plan_here(write: "_Write", settings: Settings, values: pa.RecordBatch | None) -> Query | str:
    """The plan of what the gateway writes, or why it does not."""
    table, is_insert = snapshot_of(write.table), write.kind == "InsertStmt"
    obstacle = find_obstacle(table) if is_insert else find_obstacle_to_change(table)
    if obstacle is not None:
        return obstacle
    if write.kind == "TruncateStmt":
        return obstacle_to_read([write.table]) or plan_emptying(table, write.empty())
    if not is_insert and (write.kind == "MergeStmt" or write.looks_beside):
        return "rows that are matched with others are Spark's to change"
    try:
        sql = write.rows() if is_insert else write.changed_rows()
    except Unverified as reason:
        return reason.message
    done, types, is_forced = finish(write.context, sql), write.context.parameter_types, settings.lane is not None
    if is_insert:
        return plan_append(table, done, types, values, is_forced=is_forced)
    return plan_rewrite(table, done, _TAGS[write.kind], types, values, is_forced=is_forced)


class _Write:
    def __init__(
        self,
        statement: Statement,
        tables: dict[int | None, ResolvedTable],
        settings: Settings,
        parameters: tuple[int, ...],
        lane: Lane,
    ) -> None:
        self.kind, self.fields = tree.unwrap(statement.tree)
        self.context = Context(statement, tables, SPELLINGS[lane], settings.customs, parameters)
        self.queries = Queries(self.context)
        self.table = self._target()
        self.columns = {c.name: c for c in snapshot_of(self.table).columns}
        self.path = f"delta.{self.context.spelling.identifier(snapshot_of(self.table).location)}"

    def _target(self) -> ResolvedTable:
        relation = self.fields["relations"][0]["RangeVar"] if self.kind == "TruncateStmt" else self.fields["relation"]
        table = self.context.tables.get(relation.get("location", 0))
        if table is None:
            raise FeatureNotSupported(
                f'"{relation["relname"]}" cannot be written from lakehouse tables',
                hint="Temporary tables live in PostgreSQL, apart from the lakehouse.",
            )
        return table

    def plan(self) -> Query:
        """The Spark statement that does it, by the target's path."""
        self._refuse_returning()
        if self.fields.get("withClause") and self.kind != "InsertStmt":
            raise FeatureNotSupported("WITH is not supported here on lakehouse tables", hint="Use a sub-select.")
        sql, tag = getattr(self, f"_{self.kind}")()
        done = finish(self.context, sql)
        return Query(
            Lane.SPARK, "writes run on Spark", sql, tag, None, done.parameters, (), done.reads, writes=self.table.name
        )

    def _TruncateStmt(self) -> tuple[str, str]:
        return f"DELETE FROM {self.path}", self.empty()

    def empty(self) -> str:
        """The tag of a TRUNCATE that may be done."""
        if len(self.fields["relations"]) > 1:
            raise FeatureNotSupported("TRUNCATE takes one lakehouse table at a time")
        require(self.table, {Privilege.DELETE})
        return "TRUNCATE TABLE"

    @property
    def looks_beside(self) -> bool:
        """Whether an UPDATE or DELETE names other relations beside its table."""
        return any(self.fields.get(clause) for clause in ("fromClause", "usingClause", "withClause"))

    def changed_rows(self) -> str:
        """A SELECT of the table's rows as an UPDATE or DELETE leaves them, and behind all columns whether it has met
        the row. Raises Unverified."""
        self._refuse_returning()
        self._require_change()
        quote, met = self.context.spelling.identifier, _find_free("met", self.columns)
        alias, scope = self._scanned_scope()
        condition = self.queries.filter(self.fields["whereClause"], scope) if "whereClause" in self.fields else "TRUE"
        values = dict(self._assigned_values(self.fields.get("targetList", []), scope))
        rows = f"SELECT *, coalesce({condition}, FALSE) AS {met} FROM {self.context.scan_sql(0)} AS {alias}"
        if not any(kind == "SubLink" for kind, _ in tree.walk(self.fields.get("targetList", []))):
            cases = {
                name: f"CASE WHEN {alias}.{met} THEN {value} ELSE {alias}.{quote(name)} END"
                for name, value in values.items()
            }
            return f"SELECT {self._replaced(cases, alias)}, {alias}.{met} FROM ({rows}) AS {alias}"
        # Sub-selects are for the rows that are met: for others they may fail.
        changed = f"SELECT {self._replaced(values, alias)}, {alias}.{met} FROM seen AS {alias} WHERE {alias}.{met}"
        return f"WITH seen AS MATERIALIZED ({rows}) {changed} UNION ALL SELECT * FROM seen WHERE NOT {met}"

    def _replaced(self, values: Mapping[str, str], alias: str) -> str:
        """All columns, some of them with other values."""
        quote = self.context.spelling.identifier
        return ", ".join(f"{values.get(name, f'{alias}.{quote(name)}')} AS {quote(name)}" for name in self.columns)

    def _require_change(self) -> None:
        seen = {Privilege.SELECT} if self.kind == "UpdateStmt" or "whereClause" in self.fields else set()
        require(self.table, {Privilege.UPDATE if self.kind == "UpdateStmt" else Privilege.DELETE, *seen})

    def _scanned_scope(self) -> tuple[str, Scope]:
        """The target as the first that is scanned."""
        relation, alias = self.fields["relation"], self.context.alias()
        name = relation.get("alias", {}).get("aliasname", relation["relname"])
        source = self.context.scan(self.table, name, alias)
        return alias, Scope(Joined("", [source], list(source.columns), source.scans))

    def _refuse_returning(self) -> None:
        if self.fields.get("returningClause") or self.fields.get("returningList"):
            raise FeatureNotSupported(
                "RETURNING is not supported on lakehouse tables", hint="SELECT the rows afterwards."
            )

    def rows(self) -> str:
        """A SELECT of what an INSERT puts into the table, all of its columns in their order. Raises Unverified."""
        self._refuse_returning()
        given, query = self._source()
        return f"SELECT {self._listed(given, list(self.columns))} FROM ({query.sql}) AS q"

    def _InsertStmt(self) -> tuple[str, str]:
        given, query = self._source()
        quote = self.context.spelling.identifier
        made = {n for n, c in self.columns.items() if n not in given and (c.generation is not None or c.identity)}
        written = [n for n in self.columns if n not in made]
        target = f"{self.path} ({', '.join(map(quote, written))})" if made else self.path
        return f"INSERT INTO {target} SELECT {self._listed(given, written)} FROM ({query.sql}) AS q", "INSERT 0"

    def _source(self) -> tuple[list[str], Translated]:
        """The columns that an INSERT gives values for, and these values, called ``c0``, ``c1``…"""
        if "onConflictClause" in self.fields:
            raise FeatureNotSupported("ON CONFLICT is not supported on lakehouse tables", hint="Use MERGE.")
        require(self.table, {Privilege.INSERT})
        if "selectStmt" not in self.fields:
            raise FeatureNotSupported("INSERT … DEFAULT VALUES is not supported on lakehouse tables")
        names = [node["ResTarget"]["name"] for node in self.fields.get("cols", [])] or list(self.columns)
        select = self.fields["selectStmt"]["SelectStmt"]
        if "withClause" in self.fields:
            select = {**select, "withClause": self.fields["withClause"]}
        given = names[: self._width(select, len(names))]
        targets = [replace(self._assigned(name), name=f"c{place}") for place, name in enumerate(given)]
        return given, self.queries.translate(select, None, targets)

    def _listed(self, given: Sequence[str], names: Sequence[str]) -> str:
        """Those columns of the source, NULL where it gives none."""
        quote = self.context.spelling.identifier
        return ", ".join(
            f"q.c{given.index(name)} AS {quote(name)}"
            if name in given
            else f"CAST(NULL AS {self._spelled(name)}) AS {quote(name)}"
            for name in names
        )

    def _width(self, select: Node, most: int) -> int:
        """PostgreSQL lets an INSERT without a column list give fewer values than columns."""
        if "valuesLists" in select:
            return min(most, len(tree.items(select["valuesLists"][0])))
        if any("A_Star" in str(node) for node in select.get("targetList", [])) or "targetList" not in select:
            return most
        return min(most, len(select["targetList"]))

    def _type(self, name: str) -> PgType:
        if name not in self.columns:
            raise UndefinedColumn(f'column "{name}" of relation "{self.table.name.name}" does not exist')
        return self._column_types()[name]

    def _column_types(self) -> dict[str, PgType]:
        return {name: column_type(column) for name, column in self.columns.items()}

    def _assigned(self, name: str) -> Target:
        type_ = self._type(name)
        return Target(name, TEXT if type_.oid in STRINGS else type_, assigned=True)

    def _spelled(self, name: str) -> str:
        type_ = self._type(name)
        if type_.oid == Oid.JSONB:
            raise FeatureNotSupported(f'column "{name}" of a nested type cannot be written in the postgres dialect')
        return self.context.spelling.type(type_)

    def _target_scope(self, relation: Node, others: Joined | None = None) -> tuple[str, Scope]:
        alias = self.context.alias()
        name = relation.get("alias", {}).get("aliasname", relation["relname"])
        source = self._own_source(name, alias)
        joined = Joined("", [source], list(source.columns))
        if others is not None:
            joined.sources += others.sources
            joined.columns += others.columns
        return alias, Scope(joined)

    def _own_source(self, name: str, alias: str) -> Source:
        source = self.context.scan(self.table, name, alias)
        self.context.scanned.pop()
        columns = tuple(replace(column, term=None) for column in source.columns)
        return Source(name, columns, source.schema)

    def _assignments(self, nodes: Sequence[Node], scope: Scope) -> str:
        quote = self.context.spelling.identifier
        return ", ".join(f"{quote(name)} = {value}" for name, value in self._assigned_values(nodes, scope))

    def _assigned_values(self, nodes: Sequence[Node], scope: Scope) -> Iterator[tuple[str, str]]:
        for node in nodes:
            target = node["ResTarget"]
            if tree.kind(target["val"]) in ("MultiAssignRef", "SetToDefault") or target.get("indirection"):
                raise FeatureNotSupported("SET takes one value a column on lakehouse tables")
            self._refuse_subselects(target["val"])
            value = self.queries.output(
                self.queries.expressions.translate(target["val"], scope), self._assigned(target["name"])
            )
            yield target["name"], value.sql

    def _refuse_subselects(self, node: Node) -> None:
        """Delta has none there."""
        if self.context.spelling.lane is Lane.SPARK and any(kind == "SubLink" for kind, _ in tree.walk(node)):
            raise FeatureNotSupported("sub-selects are not supported here on lakehouse tables", hint="Use MERGE.")

    def _condition(self, node: Node | None, scope: Scope) -> str:
        if node is None:
            return "TRUE"
        self._refuse_subselects(node)
        return self.queries.expressions.condition(node, scope).sql

    def _UpdateStmt(self) -> tuple[str, str]:
        self._require_change()
        if self.fields.get("fromClause"):
            source, alias, scope = self._with_source(self.fields["fromClause"])
            action = f"UPDATE SET {self._assignments(self.fields['targetList'], scope)}"
            return self._merge(
                source, alias, self._condition(self.fields.get("whereClause"), scope), [f"WHEN MATCHED THEN {action}"]
            ), "UPDATE"
        alias, scope = self._target_scope(self.fields["relation"])
        assignments = self._assignments(self.fields["targetList"], scope)
        condition = self._condition(self.fields.get("whereClause"), scope)
        return f"UPDATE {self.path} AS {alias} SET {assignments} WHERE {condition}", "UPDATE"

    def _DeleteStmt(self) -> tuple[str, str]:
        self._require_change()
        fields = join_members(self.fields)
        if fields.get("usingClause"):
            source, alias, scope = self._beside(fields)
            condition = self._condition(fields.get("whereClause"), scope)
            return self._merge(source, alias, condition, ["WHEN MATCHED THEN DELETE"]), "DELETE"
        alias, scope = self._target_scope(self.fields["relation"])
        return (
            f"DELETE FROM {self.path} AS {alias} WHERE {self._condition(self.fields.get('whereClause'), scope)}",
            "DELETE",
        )

    def _beside(self, fields: Node) -> tuple[str, str, Scope]:
        """What a DELETE looks at beside its table. PostgreSQL has found all names: one that is missing is a row's of
        the table."""
        try:
            return self._with_source(fields["usingClause"])
        except UndefinedColumn:
            if fields is self.fields:
                raise
            raise FeatureNotSupported(
                "a sub-select that depends on the row is not supported here on lakehouse tables", hint="Use MERGE."
            ) from None

    def _with_source(self, nodes: Sequence[Node]) -> tuple[str, str, Scope]:
        if len(nodes) != 1 or tree.kind(nodes[0]) == "JoinExpr":
            raise FeatureNotSupported(
                "this takes one table or sub-select beside the target", hint="Join inside a sub-select."
            )
        others = self.queries.relations.from_clause(list(nodes), None)
        alias, scope = self._target_scope(self.fields["relation"], others)
        return others.sql, alias, scope

    def _merge(self, source: str, alias: str, condition: str, actions: Sequence[str]) -> str:
        return f"MERGE INTO {self.path} AS {alias} USING {source} ON {condition} {' '.join(actions)}"

    def _MergeStmt(self) -> tuple[str, str]:
        whens = [node["MergeWhenClause"] for node in self.fields["mergeWhenClauses"]]
        require(
            self.table,
            {Privilege.SELECT, *(_COMMANDS[w["commandType"]] for w in whens if w["commandType"] in _COMMANDS)},
        )
        source, alias, scope = self._with_source([self.fields["sourceRelation"]])
        actions = [self._action(when, scope) for when in whens]
        return self._merge(source, alias, self._condition(self.fields["joinCondition"], scope), actions), "MERGE"

    def _action(self, when: Node, scope: Scope) -> str:
        match = {
            "MERGE_WHEN_MATCHED": "MATCHED",
            "MERGE_WHEN_NOT_MATCHED_BY_SOURCE": "NOT MATCHED BY SOURCE",
            "MERGE_WHEN_NOT_MATCHED_BY_TARGET": "NOT MATCHED",
        }[when.get("matchKind", "MERGE_WHEN_MATCHED")]
        test = f" AND {self._condition(when['condition'], scope)}" if "condition" in when else ""
        command = when["commandType"]
        if command == "CMD_DELETE":
            return f"WHEN {match}{test} THEN DELETE"
        if command == "CMD_UPDATE":
            return f"WHEN {match}{test} THEN UPDATE SET {self._assignments(when['targetList'], scope)}"
        if command != "CMD_INSERT" or "values" not in when:
            raise FeatureNotSupported("DO NOTHING and DEFAULT VALUES are not supported in MERGE on lakehouse tables")
        names = [node["ResTarget"]["name"] for node in when.get("targetList", [])] or list(self.columns)
        pairs = zip(names, when["values"], strict=False)
        given = {
            n: self.queries.output(self.queries.expressions.translate(v, scope), self._assigned(n)).sql
            for n, v in pairs
        }
        quote = self.context.spelling.identifier
        values = ", ".join(given.get(n) or f"CAST(NULL AS {self._spelled(n)})" for n in self.columns)
        return f"WHEN {match}{test} THEN INSERT ({', '.join(map(quote, self.columns))}) VALUES ({values})"


def _find_free(name: str, taken: Collection[str]) -> str:
    """A name like that one which differs from these by more than its case."""
    known = {each.casefold() for each in taken}
    while name in known:
        name += "_"
    return name
