"""A scan: the pruned files of a snapshot, in the form that crosses from planner to machine.

Plain frozen values without Delta or Arrow imports, because the guest reads them too. Partition values are the strings
of the Delta log (protocol section "Partition Value Serialization"); the engine casts them, never the path's text.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ScanColumn:
    """One column. `physical_name` is how Parquet files spell it (Delta's column mapping); `delta_type` as in the
    schema
    string: a primitive's name such as ``decimal(15,2)``, or the JSON of a nested type."""

    name: str
    physical_name: str
    delta_type: str
    partition: bool


@dataclass(frozen=True, slots=True)
class DataFile:
    """One file, most often Parquet: absolute path or URL, bytes, and its partition values in the order of the partition
    columns. `modified` is told of a log's files only: milliseconds since 1970, else 0."""

    path: str
    size: int
    partition: tuple[str | None, ...]
    modified: int = 0


@dataclass(frozen=True, slots=True)
class Scan:
    """What one relation of a statement reads.

    `relation` is the name that the statement's SQL uses. `uniform` says that every file holds every column; otherwise
    an absent column reads as NULL. Equal `digest` means equal columns and files, whatever the relation is called.

    `by_path` says that the engine reads the table's log itself, from which it has the paths of the rest: the log's
    files are among `files`, and columns do not matter.
    """

    relation: str
    location: str
    version: int
    columns: tuple[ScanColumn, ...]
    files: tuple[DataFile, ...]
    uniform: bool
    digest: str
    by_path: bool = False
