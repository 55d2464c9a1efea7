"""A scan as the text of a view: physical columns read as Delta's types, partition values as typed constants.

Files are grouped by partition tuple and put together by UNION ALL. With many tuples a join on the file's name is
cheaper to plan. Which columns the files hold is asked of DuckDB (`Source`), never guessed: an absent one reads as
NULL.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from catalog.errors import UnreadableTable
from catalog.names import quote_identifier
from catalog.scans import DataFile, Scan, ScanColumn
from compute.engines.duckdb.types import cast_column, duckdb_type, parse_type, partition_constant, quote_literal

MAX_UNION = 16
"""Partition tuples up to which UNION ALL is used."""


class Source(Protocol):
    """What a view's text depends on beside the scan: a look at the files' footers."""

    def describe(self, source: str) -> Mapping[str, str]:
        """Column names (lower case) and DuckDB types of a FROM item."""
        ...

    def group_alike(self, scan: Scan) -> Iterable[Sequence[DataFile]]:
        """The files in groups that store instants alike, so that no reader has to convert between them."""
        ...


def scan_query(scan: Scan, source: Source) -> str:
    """The SELECT that reads a scan. Raises UnreadableTable where a uniform scan's files lack a column."""
    if not scan.files:
        return _empty_query(scan.columns)
    parts = (replace(scan, files=tuple(files)) for files in source.group_alike(scan))
    return " UNION ALL ".join(query for part in parts for query in _part_queries(part, source))


def _part_queries(scan: Scan, source: Source) -> Iterator[str]:
    groups: dict[tuple[str | None, ...], list[DataFile]] = {}
    for file in scan.files:
        groups.setdefault(file.partition, []).append(file)
    if len(groups) > MAX_UNION:
        yield _joined_query(scan, _present_columns(scan, scan.files, source), list(groups))
        return
    first = _present_columns(scan, scan.files, source) if scan.uniform else None
    for partition, files in groups.items():
        yield _group_query(scan, first or _present_columns(scan, files, source), partition, files)


def _empty_query(columns: Sequence[ScanColumn]) -> str:
    nulls = (f"CAST(NULL AS {duckdb_type(parse_type(c.delta_type))}) AS {quote_identifier(c.name)}" for c in columns)
    return f"SELECT {', '.join(nulls)} WHERE false"


def parquet_files(files: Sequence[DataFile]) -> str:
    """Their paths as an SQL list."""
    return f"[{', '.join(quote_literal(file.path) for file in files)}]"


def _parquet_source(files: Sequence[DataFile], *, union: bool, filename: bool = False) -> str:
    options = "hive_partitioning = false" + ", union_by_name = true" * union + ", filename = 'file name'" * filename
    return f"read_parquet({parquet_files(files)}, {options})"


def _present_columns(scan: Scan, files: Sequence[DataFile], source: Source) -> Mapping[str, str]:
    present = source.describe(_parquet_source(files, union=not scan.uniform))
    for column in scan.columns:
        if scan.uniform and not column.partition and column.physical_name.lower() not in present:
            raise UnreadableTable(f'files of the table at "{scan.location}" lack the column "{column.physical_name}"')
    return present


def _group_query(
    scan: Scan, present: Mapping[str, str], partition: tuple[str | None, ...], files: Sequence[DataFile]
) -> str:
    values = iter(partition)
    columns = (
        partition_constant(next(values), column.delta_type) if column.partition else _file_column(column, present)
        for column in scan.columns
    )
    return _select(scan.columns, columns) + f" FROM {_parquet_source(files, union=not scan.uniform)} f"


def _joined_query(scan: Scan, present: Mapping[str, str], partitions: Sequence[tuple[str | None, ...]]) -> str:
    """Partition values come from a relation (file, value...) joined on the file's name."""
    numbers = {partition: number for number, partition in enumerate(partitions)}
    kinds = [column.delta_type for column in scan.columns if column.partition]
    constants = (map(partition_constant, partition, kinds) for partition in partitions)
    tuples = ", ".join(f"({number}, {', '.join(values)})" for number, values in enumerate(constants))
    members = ", ".join(f"({quote_literal(file.path)}, {numbers[file.partition]})" for file in scan.files)
    value_names = [f"value_{position}" for position in range(len(kinds))]
    names = iter(value_names)
    columns = (f"p.{next(names)}" if c.partition else _file_column(c, present) for c in scan.columns)
    source = _parquet_source(scan.files, union=not scan.uniform, filename=True)
    return (
        f"{_select(scan.columns, columns)} FROM {source} f JOIN (VALUES {members}) m(path, number) "
        f'ON f."file name" = m.path JOIN (VALUES {tuples}) p(number, {", ".join(value_names)}) ON p.number = m.number'
    )


def _select(columns: Sequence[ScanColumn], expressions: Iterable[str]) -> str:
    named = (f"{text} AS {quote_identifier(column.name)}" for column, text in zip(columns, expressions, strict=True))
    return "SELECT " + ", ".join(named)


def _file_column(column: ScanColumn, present: Mapping[str, str]) -> str:
    kind = parse_type(column.delta_type)
    found = present.get(column.physical_name.lower())
    if found is None:
        return f"CAST(NULL AS {duckdb_type(kind)})"
    return cast_column("f." + quote_identifier(column.physical_name), kind, found)
