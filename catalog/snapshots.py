"""A snapshot: a table at a Delta version, as the planner reads it. Partner of `catalog.deltalog`, which makes it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from catalog.names import TableName
from catalog.types import PgType


@dataclass(frozen=True, slots=True)
class Identity:
    """Of a column that Delta numbers. `always`: a statement cannot give the value itself."""

    always: bool
    start: int
    step: int


@dataclass(frozen=True, slots=True)
class SnapshotColumn:
    """`delta_type` is a primitive's name or the JSON of a nested type; `comment` is the Delta schema's. `generation` is
    Spark's expression of a generated column; one that `has_invariant` has a condition in Delta's schema. `pg_type` is
    PostgreSQL's where the column is one of its own, lent to the engines under its physical name."""

    name: str
    physical_name: str
    delta_type: str
    nullable: bool
    comment: str | None = None
    generation: str | None = None
    identity: Identity | None = None
    has_invariant: bool = field(default=False, repr=False)
    pg_type: PgType | None = field(default=None, repr=False)

    @property
    def engine_name(self) -> str:
        """What the engines' SQL calls it. PostgreSQL's own names may differ in nothing but their case."""
        return self.name if self.pg_type is None else self.physical_name


@dataclass(frozen=True, slots=True)
class Log:
    """What a log says of its table beside columns and files. `created` is in milliseconds since 1970; `features` are
    readers' and writers'."""

    id: str = ""
    created: int | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    reader_version: int = 1
    writer_version: int = 2
    features: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A table at a version. Every name is logical except `physical_name`.

    `files` has one row a data file: `path` (absolute path or URL), `size_bytes`, `num_records`, then for each partition
    column `partition.<name>` (string, as the log serialises it) and for each top-level column with statistics
    `min.<name>`, `max.<name>`, `null_count.<name>`, typed. A value that the log lacks is NULL and proves nothing.

    `reader_features` are the names of the Delta protocol; legacy reader version 2 appears as ``columnMapping``. When
    the log cannot be read here, `files` is empty and `readable` False: Spark may still read the table. `uniform` is
    True only when every file surely holds every column. `schema_digest` is equal for equal columns and comment;
    physical names count, because renaming follows them. From the folder `root` on no link is followed to a local
    table.
    """

    table: TableName
    location: str
    version: int
    columns: tuple[SnapshotColumn, ...]
    partition_columns: tuple[str, ...]
    reader_features: frozenset[str]
    has_deletion_vectors: bool
    uniform: bool
    size_bytes: int
    files: pa.Table
    comment: str | None = None
    readable: bool = True
    log: Log = field(default_factory=Log, compare=False)
    root: str = field(default="/", compare=False)
    schema_digest: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        text = repr((self.comment, self.columns))
        object.__setattr__(self, "schema_digest", hashlib.sha256(text.encode()).hexdigest()[:32])
