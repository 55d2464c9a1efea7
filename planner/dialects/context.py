"""What one translation has learnt so far: the scans it reads, the parameters it uses, the names it has given out."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from catalog.errors import FeatureNotSupported, InsufficientPrivilege, ProgramLimitExceeded
from catalog.resolution import ResolvedTable
from catalog.snapshots import Snapshot
from catalog.types import Oid, PgType
from planner.bind import Column, Source
from planner.customs import Customs
from planner.dialects.coercion import DATE, TIMESTAMP, TIMESTAMPTZ
from planner.dialects.expression import Expression
from planner.dialects.operators import Operators
from planner.dialects.spelling import Spelling
from planner.parse import Statement
from planner.plan import Lane, Parameter, SessionValue
from planner.predicates import ColumnTerm, ParameterTerm, Predicate, Term
from planner.shadow import column_type

MOST_VIEWS = 1000
NAME = PgType(Oid.NAME)
_SEED = PgType(Oid.INT8)
SESSION_FUNCTIONS: dict[str, tuple[SessionValue, PgType]] = {
    "now": (SessionValue.NOW, TIMESTAMPTZ),
    "transaction_timestamp": (SessionValue.NOW, TIMESTAMPTZ),
    "current_timestamp": (SessionValue.NOW, TIMESTAMPTZ),
    "current_date": (SessionValue.NOW, DATE),
    "localtimestamp": (SessionValue.NOW, TIMESTAMP),
    "current_user": (SessionValue.CURRENT_USER, NAME),
    "current_role": (SessionValue.CURRENT_USER, NAME),
    "user": (SessionValue.CURRENT_USER, NAME),
    "session_user": (SessionValue.SESSION_USER, NAME),
    "current_catalog": (SessionValue.CURRENT_DATABASE, NAME),
    "current_database": (SessionValue.CURRENT_DATABASE, NAME),
    "current_schema": (SessionValue.CURRENT_SCHEMA, NAME),
}
"""Functions folded from the session. NOW as a date or timestamp is the moment in the session's TimeZone."""


@dataclass(slots=True)
class Context:
    """`tables` finds a relation by the position of its name. `parameter_types` are the client's ``$n``, from 1."""

    statement: Statement
    tables: dict[int | None, ResolvedTable]
    spelling: Spelling
    customs: Customs
    parameter_types: tuple[int, ...]
    scanned: list[ResolvedTable] = field(default_factory=list)
    demands: dict[int, list[Predicate]] = field(default_factory=dict)
    parameters: dict[int | tuple[SessionValue, int], Parameter] = field(default_factory=dict)
    operators: Operators = field(init=False)
    _aliases: int = 0
    _expanded: int = 0

    def __post_init__(self) -> None:
        self.operators = Operators(self.spelling, self.customs)

    def alias(self) -> str:
        self._aliases += 1
        return f"t{self._aliases}"

    @contextmanager
    def inside(self, statement: Statement, tables: dict[int | None, ResolvedTable]) -> Iterator[None]:
        """Within it, names are those of a view's text. Raises ProgramLimitExceeded for views that grow too large."""
        self._expanded += 1
        if self._expanded > MOST_VIEWS:
            raise ProgramLimitExceeded(f"the statement's views come to more than {MOST_VIEWS} sub-selects")
        outer = self.statement, self.tables
        self.statement, self.tables = statement, tables
        try:
            yield
        finally:
            self.statement, self.tables = outer

    def scan(self, table: ResolvedTable, name: str, alias: str) -> Source:
        """A new scan of a table, as a relation with our `alias` that the statement calls `name`."""
        index, snapshot = len(self.scanned), snapshot_of(table)
        self.scanned.append(table)
        columns = tuple(
            Column(
                c.name, f"{alias}.{self.spelling.identifier(c.engine_name)}", column_type(c), ColumnTerm(index, c.name)
            )
            for c in snapshot.columns
        )
        return Source(name, columns, table.name.schema, frozenset({index}))

    def width(self, term: Term | None) -> int | None:
        """The most digits that a bare column's values have, as far as the statistics of its files tell."""
        if not isinstance(term, ColumnTerm):
            return None
        files = snapshot_of(self.scanned[term.scan]).files
        bounds = []
        for bound, pick in (("min", pc.min), ("max", pc.max)):
            column = files.schema.get_field_index(f"{bound}.{term.column}")
            if column < 0 or not pa.types.is_decimal(files.schema.types[column]) or files.column(column).null_count:
                return None
            bounds.append(pick(files.column(column)).as_py())
        return max(
            (len(str(abs(b.scaleb(-b.as_tuple().exponent)).to_integral_value())) for b in bounds if b is not None),
            default=None,
        )

    def scan_sql(self, index: int) -> str:
        """The relation that a lane's SQL names: DuckDB gets the files beside the SQL, Spark reads the path itself."""
        if self.spelling.lane is Lane.DUCKDB:
            return f"scan_{index}"
        snapshot = snapshot_of(self.scanned[index])
        return f"(SELECT * FROM delta.{self.spelling.identifier(snapshot.location)} VERSION AS OF {snapshot.version})"

    def demand(self, scans: frozenset[int], predicate: Predicate) -> None:
        """The statement's rows come only from files of this scan that satisfy `predicate`."""
        (scan,) = scans
        self.demands.setdefault(scan, []).append(predicate)

    def client_parameter(self, number: int) -> Expression:
        if not 1 <= number <= len(self.parameter_types):
            raise FeatureNotSupported(f"there is no parameter ${number}")
        type_ = PgType(self.parameter_types[number - 1])
        self.parameters.setdefault(number, Parameter(f"p{number}", type_, number))
        return Expression(self._placeholder(f"p{number}", type_), type_, term=ParameterTerm(number, type_))

    def session_parameter(self, function: str) -> Expression:
        value, type_ = SESSION_FUNCTIONS[function]
        key = (value, type_.oid)
        if key not in self.parameters:
            number = len(self.parameter_types) + 1 + sum(isinstance(known, tuple) for known in self.parameters)
            self.parameters[key] = Parameter(f"p{number}", type_, value)
        return Expression(self._placeholder(self.parameters[key].name, type_), type_, name=function)

    def seed(self) -> str:
        """A parameter for one place that draws at random."""
        sessions = sum(isinstance(known, tuple) for known in self.parameters)
        name = f"p{len(self.parameter_types) + 1 + sessions}"
        self.parameters[SessionValue.SEED, sessions] = Parameter(name, _SEED, SessionValue.SEED)
        return self._placeholder(name, _SEED)

    def _placeholder(self, name: str, type_: PgType) -> str:
        sigil = "$" if self.spelling.lane is Lane.DUCKDB else ":"
        return f"CAST({sigil}{name} AS {self.spelling.type(type_)})"


def snapshot_of(table: ResolvedTable) -> Snapshot:
    if table.view is not None:
        raise FeatureNotSupported(
            f'"{table.name.name}" is a view, which this statement does not take', hint="Views are read by SELECT."
        )
    if table.snapshot is None:
        raise InsufficientPrivilege(f"permission denied for table {table.name.name}")
    return table.snapshot
