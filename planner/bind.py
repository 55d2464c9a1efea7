"""Names to columns, by PostgreSQL's scope rules: what a FROM clause offers and what a column reference means.

Every relation gets an alias of our own (``t1``, ``t2``…), unique in the statement, and every derived column a name of
our own (``c1``…): neither engine's rules on case or shadowing can then change a meaning. PostgreSQL has accepted the
names at Describe; what this binder cannot find is refused.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from catalog.errors import FeatureNotSupported, UndefinedColumn
from catalog.names import SYSTEM_COLUMNS
from catalog.types import PgType
from planner.predicates import Term


@dataclass(frozen=True, slots=True)
class Column:
    """A column that a name can mean: its SQL on the lane, its type, and the scan's column behind it, if any."""

    name: str
    sql: str
    type: PgType
    term: Term | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """One relation of a FROM clause under the name that the statement gives it. `scans` are the scans inside it."""

    name: str | None
    columns: tuple[Column, ...]
    schema: str | None = None
    scans: frozenset[int] = frozenset()


@dataclass(slots=True)
class Joined:
    """A FROM clause as far as it is read.

    `columns` is what ``*`` means, merged columns of USING first. `nullable` are the scans on the null side of an outer
    join: a WHERE that accepts NULL must not prune them.
    """

    sql: str
    sources: list[Source] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
    scans: frozenset[int] = frozenset()
    nullable: frozenset[int] = frozenset()


@dataclass(slots=True)
class Scope:
    """The names that an expression sees: this query's relations, then those of the queries around it."""

    joined: Joined
    parent: "Scope | None" = None

    def around(self) -> Iterator["Scope"]:
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent

    def column(self, parts: Sequence[str], position: int | None = None) -> Column:
        """The column that ``a``, ``t.a`` or ``s.t.a`` means. Raises what PostgreSQL lacks: 0A000 for a system
        column."""
        for scope in self.around():
            found = scope._own(parts)
            if len(found) == 1:
                return found[0]
            if found:
                raise FeatureNotSupported(f'column reference "{parts[-1]}" cannot be told apart', position=position)
        if parts[-1] in SYSTEM_COLUMNS:
            raise FeatureNotSupported(
                f'system column "{parts[-1]}" of a lakehouse table is not supported',
                hint="Its rows have no place that lasts. A primary key, which ALTER TABLE … ADD PRIMARY KEY declares, "
                "tells clients by which columns a row is found.",
                position=position,
            )
        if len(parts) == 1 and any(
            source.name == parts[0] for scope in self.around() for source in scope.joined.sources
        ):
            raise FeatureNotSupported(
                f'the whole row "{parts[0]}" as a value is not supported', hint="Name the columns.", position=position
            )
        raise UndefinedColumn(f'column "{".".join(parts)}" does not exist', position=position)

    def _own(self, parts: Sequence[str]) -> list[Column]:
        if len(parts) == 1:
            return [column for column in self.joined.columns if column.name == parts[0]]
        return [
            column
            for source in self.joined.sources
            if _is_named(source, parts[:-1])
            for column in source.columns
            if column.name == parts[-1]
        ]

    def star(self, parts: Sequence[str]) -> Sequence[Column]:
        """What ``*`` or ``t.*`` stands for."""
        if not parts:
            return self.joined.columns
        for scope in self.around():
            for source in scope.joined.sources:
                if _is_named(source, parts):
                    return source.columns
        raise UndefinedColumn(f'missing FROM-clause entry for table "{parts[-1]}"')


def _is_named(source: Source, parts: Sequence[str]) -> bool:
    return source.name == parts[-1] and (len(parts) == 1 or source.schema in (None, parts[-2]))
