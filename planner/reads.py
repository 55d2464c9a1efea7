"""Reads in the postgres dialect: one translation a lane, kept; pruning and routing fresh at every call.

What is kept depends on the statement, the tables' versions, the description and the settings. Only the file pruning
of a prepared statement depends on its parameters.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from catalog.errors import FeatureNotSupported
from catalog.names import TableName
from catalog.resolution import ResolvedTable
from catalog.scans import DataFile, Scan, ScanColumn
from catalog.snapshots import Snapshot
from catalog.types import Description
from planner.customs import Customs
from planner.dialects.context import Context, snapshot_of
from planner.dialects.duckdb import DuckDb
from planner.dialects.expression import Unverified
from planner.dialects.queries import Queries, Target
from planner.dialects.spark import Spark
from planner.dialects.spelling import Spelling
from planner.parse import Statement
from planner.plan import Lane, Parameter, Query, Settings
from planner.predicates import Predicate, Value, all_of
from planner.prune import Pruner, parameter_values
from planner.route import DUCKDB_BYTES, obstacle, refuse_forced

SPELLINGS: Mapping[Lane, Spelling] = {Lane.DUCKDB: DuckDb(), Lane.SPARK: Spark()}


@dataclass(slots=True)
class Relation:
    """One relation of the lane's SQL: a snapshot with what all its uses together demand of a file."""

    name: str
    table: ResolvedTable
    demand: Predicate | None
    files: tuple[DataFile, ...]
    pruner: Pruner
    columns: tuple[ScanColumn, ...]

    def scan(self, values: Mapping[int, Value | None]) -> Scan:
        """The scan for these parameter values."""
        snapshot = snapshot_of(self.table)
        mask = self.pruner.keep(self.demand, values) if self.demand is not None else None
        files, kept = self.files, b"*"
        if mask is not None:
            chosen = mask.nonzero()[0]
            files, kept = tuple(self.files[i] for i in chosen.tolist()), chosen.tobytes()
        # The path tells a table from one that was made anew at the same place.
        named = f"{snapshot.location}\0{snapshot.version}\0{files[0].path if files else ''}\0"
        digest = hashlib.blake2b(named.encode() + kept, digest_size=16)
        return Scan(
            self.name, snapshot.location, snapshot.version, self.columns, files, snapshot.uniform, digest.hexdigest()
        )


@dataclass(slots=True)
class Translation:
    """A statement on one lane, complete but for pruning."""

    lane: Lane
    sql: str
    relations: tuple[Relation, ...]
    parameters: tuple[Parameter, ...]
    reads: tuple[tuple[TableName, int], ...]

    @property
    def snapshots(self) -> tuple[Snapshot, ...]:
        """Of the tables that it reads, each once."""
        return tuple({id(found): found for found in (snapshot_of(each.table) for each in self.relations)}.values())


@dataclass(slots=True)
class Read:
    """Both lanes' translations of one statement, made when first asked for."""

    statement: Statement
    tables: dict[int | None, ResolvedTable]
    description: Description
    customs: Customs
    lanes: dict[Lane, Translation | Unverified] = field(default_factory=dict)

    def on(self, lane: Lane) -> Translation | Unverified:
        if lane not in self.lanes:
            try:
                self.lanes[lane] = self._translate(lane)
            except Unverified as reason:
                self.lanes[lane] = reason
        return self.lanes[lane]

    def _translate(self, lane: Lane) -> Translation:
        context = Context(self.statement, self.tables, SPELLINGS[lane], self.customs, self.description.parameters)
        described = self.description.columns
        targets = None if described is None else [Target(column.name, column.type) for column in described]
        query = Queries(context).translate(self.statement.tree["SelectStmt"], None, targets)
        return finish(context, query.sql)

    def plan(self, settings: Settings, values: pa.RecordBatch | None) -> Query:
        """The lane that runs it, with its pruned scans. Raises 0A000 if a forced lane, or each lane, cannot."""
        translation, scans, reason = self._route(settings.lane, parameter_values(values, self.description.parameters))
        return Query(
            lane=translation.lane,
            reason=reason,
            sql=translation.sql,
            tag="SELECT",
            columns=self.description.columns,
            parameters=translation.parameters,
            scans=scans,
            reads=translation.reads,
            snapshots=translation.snapshots if translation.lane is Lane.SPARK else (),
        )

    def _route(
        self, forced: Lane | None, values: Mapping[int, Value | None]
    ) -> tuple[Translation, tuple[Scan, ...], str]:
        small = self.on(Lane.DUCKDB) if forced is not Lane.SPARK else Unverified("")
        reason = "forced by lakegate.lane"
        if isinstance(small, Translation):
            blocked = obstacle(relation.table for relation in small.relations)
            scans = () if blocked else tuple(relation.scan(values) for relation in small.relations)
            size = sum(file.size for scan in scans for file in scan.files)
            if not blocked and (size <= DUCKDB_BYTES or forced):
                files = sum(len(scan.files) for scan in scans)
                return small, scans, reason if forced else f"{files} files of {size} bytes fit the DuckDB machine"
            reason = blocked or f"{size} bytes to scan are more than the DuckDB machine takes"
        elif not forced:
            reason = small.message
        if forced is Lane.DUCKDB:
            raise (
                refuse_forced(forced, reason, small.hint if isinstance(small, Unverified) else None)
                if not isinstance(small, Unverified)
                else refuse_forced(forced, small.message, small.hint)
            )
        large = self.on(Lane.SPARK)
        if isinstance(large, Unverified):
            raise (
                refuse_forced(Lane.SPARK, large.message, large.hint)
                if forced
                else FeatureNotSupported(large.message, hint=large.hint)
            )
        return large, (), reason


def finish(context: Context, sql: str) -> Translation:
    """A translation from what its context has learnt."""
    numbered = {}
    for scan, table in enumerate(context.scanned):
        numbered[scan] = Relation(
            f"scan_{scan}",
            table,
            all_of(list(context.demands.get(scan, ()))),
            data_files(snapshot_of(table)),
            Pruner(snapshot_of(table)),
            scan_columns(table),
        )
    reads = tuple(dict.fromkeys((table.name, snapshot_of(table).version) for table in context.scanned))
    parameters = tuple(sorted(context.parameters.values(), key=lambda parameter: int(parameter.name[1:])))
    return Translation(context.spelling.lane, sql, tuple(numbered.values()), parameters, reads)


def data_files(snapshot: Snapshot) -> tuple[DataFile, ...]:
    """The snapshot's files in the form that crosses to a machine."""
    names = snapshot.files.schema.names
    if "path" not in names:
        return ()
    columns = [f"partition.{name}" for name in snapshot.partition_columns]
    partitions = zip(*(snapshot.files.column(name).to_pylist() for name in columns), strict=True) if columns else None
    paths, sizes = snapshot.files.column("path").to_pylist(), snapshot.files.column("size_bytes").to_pylist()
    values = list(partitions) if partitions is not None else [()] * len(paths)
    return tuple(DataFile(path, size, tuple(value)) for path, size, value in zip(paths, sizes, values, strict=True))


def scan_columns(table: ResolvedTable) -> tuple[ScanColumn, ...]:
    snapshot = snapshot_of(table)
    partitions = frozenset(snapshot.partition_columns)
    return tuple(
        ScanColumn(c.engine_name, c.physical_name, c.delta_type, c.name in partitions) for c in snapshot.columns
    )
