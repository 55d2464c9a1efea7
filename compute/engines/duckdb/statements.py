"""Statements as a connection keeps them: parsed once, reading scans that were made views once.

A view is named by its scan's digest and never changes. So a statement that comes again with other files (a look-up of
another key) finds its view, and the parsed statement that names it; only planning is left to do.
"""

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence

import duckdb

from catalog.errors import FeatureNotSupported
from catalog.names import quote_identifier
from catalog.scans import Scan
from compute.engines.duckdb.footers import Footers
from compute.engines.duckdb.views import scan_query

MOST_VIEWS = 256
MOST_FILES = 65_536
"""Files of all views together: each costs some 500 bytes, which DuckDB's memory limit does not count."""
MOST_STATEMENTS = 256
LONGEST_STATEMENT = 1 << 16
"""Characters up to which a statement is kept."""
_EXPLAIN = re.compile(r"\s*EXPLAIN\s+(?:ANALY[ZS]E\b|\([^()]*\)(?=\s*(?:\w|\()))?", re.IGNORECASE)
_WORD = re.compile(rb"\w+")


class Statements:
    """Those of one connection; a connection of another time zone has its own."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, time_zone: str) -> None:
        self._connection = connection
        self._footers = Footers(connection, time_zone)
        self._views: OrderedDict[str, tuple[str, int]] = OrderedDict()
        self._files = 0
        self._parsed: OrderedDict[tuple[str, tuple[tuple[str, str], ...]], duckdb.Statement] = OrderedDict()

    def prepare(self, sql: str, scans: Sequence[Scan]) -> duckdb.Statement:
        """The statement, ready to be executed with parameters, any number of times. Raises FeatureNotSupported."""
        views = self._view_names(scans)
        key = sql, tuple((scan.relation, scan.digest) for scan in scans)
        statement = self._parsed.pop(key, None) or _parse_read(self._connection, rename(sql, views))
        if len(sql) <= LONGEST_STATEMENT:
            self._parsed[key] = statement
            if len(self._parsed) > MOST_STATEMENTS:
                self._parsed.popitem(last=False)
        return statement

    def write_out(self, sql: str, scans: Sequence[Scan]) -> str:
        """The statement as text that names views. Raises FeatureNotSupported."""
        text = rename(sql, self._view_names(scans))
        _parse_read(self._connection, text)
        return text

    def _view_names(self, scans: Sequence[Scan]) -> Mapping[str, str]:
        """Each relation's view, made where it is not there. What was used longest ago goes."""
        names = {scan.relation: self._view(scan) for scan in scans}
        while len(self._views) > len(scans) and (len(self._views) > MOST_VIEWS or self._files > MOST_FILES):
            _, (name, files) = self._views.popitem(last=False)
            self._files -= files
            self._connection.execute(f"DROP VIEW {name}")
        return names

    def _view(self, scan: Scan) -> str:
        name = quote_identifier(f"scan {scan.digest}")
        if scan.digest not in self._views:
            self._connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {scan_query(scan, self._footers)}")
            self._views[scan.digest] = name, len(scan.files)
            self._files += len(scan.files)
        self._views.move_to_end(scan.digest)
        return name


def rename(sql: str, names: Mapping[str, str]) -> str:
    """`sql` with each bare word that is a key of `names` replaced; what stands in quotes is left alone."""
    text = sql.encode()
    pieces, end = [], 0
    for start, _ in duckdb.tokenize(sql):
        word = _WORD.match(text, start)
        if word is not None and (name := names.get(word[0].decode())) is not None:
            pieces += [text[end:start], name.encode()]
            end = word.end()
    return b"".join([*pieces, text[end:]]).decode()


def _parse_read(connection: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Statement:
    """The one statement of the text, which must be a SELECT, or EXPLAIN of one."""
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise FeatureNotSupported("the engine runs one statement at a time")
    kind = statements[0].type
    if kind == duckdb.StatementType.EXPLAIN and (explain := _EXPLAIN.match(sql)):
        _parse_read(connection, sql[explain.end() :])
    elif kind != duckdb.StatementType.SELECT:
        raise FeatureNotSupported(f"the engine only reads: {kind.name} is not allowed")
    return statements[0]
