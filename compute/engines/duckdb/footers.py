"""What DuckDB reads in the footers of a scan's files."""

from collections.abc import Iterable, Mapping, Sequence

import duckdb

from catalog.scans import DataFile, Scan
from compute.engines.duckdb.views import parquet_files


class Footers:
    """The `views.Source` of one connection, whose time zone it knows."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, time_zone: str) -> None:
        self._connection = connection
        self._time_zone = time_zone

    def describe(self, source: str) -> Mapping[str, str]:
        rows = self._connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
        return {name.lower(): kind for name, kind, *_ in rows}

    def group_alike(self, scan: Scan) -> Iterable[Sequence[DataFile]]:
        """One group in UTC, where DuckDB converts between instants with and without a zone as Delta means it."""
        if self._time_zone == "UTC" or not any("timestamp" in column.delta_type for column in scan.columns):
            return [scan.files]
        schema = f"parquet_schema({parquet_files(scan.files)})"
        query = f"SELECT file_name, name, duckdb_type FROM {schema} WHERE duckdb_type LIKE 'TIMESTAMP%'"
        kinds: dict[str, list[tuple[str, str]]] = {}
        for path, name, kind in self._connection.execute(query).fetchall():
            kinds.setdefault(path, []).append((name, kind))
        groups: dict[tuple[tuple[str, str], ...], list[DataFile]] = {}
        for file in scan.files:
            groups.setdefault(tuple(sorted(kinds.get(file.path, []))), []).append(file)
        return groups.values()
