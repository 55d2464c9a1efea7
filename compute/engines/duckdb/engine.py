"""The database of a machine: opened as a template, bound to a workspace, locked, and asked by sessions."""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import duckdb
import pyarrow as pa

from catalog.errors import FeatureNotSupported, InvalidParameterValue, UnreadableTable
from catalog.scans import Scan
from compute.engines import Binding, EngineOptions, Result
from compute.engines.duckdb.errors import translate
from compute.engines.duckdb.parameters import named_values
from compute.engines.duckdb.statements import Statements
from compute.engines.duckdb.types import quote_literal

ROWS_PER_BATCH = 8192
ONE_ROW_GROUP = 8 << 20
"""Bytes of a Parquet file up to which it is taken for one row group: writers begin another at 128 MiB or so."""
_ENGINE_ERRORS = (duckdb.Error, pa.ArrowException, OSError, RuntimeError)


def open_engine(options: EngineOptions) -> "DuckDBEngine":
    """Opens and warms the template. Single-threaded, so that the process may be forked.

    The module's own default database, which nobody uses, has a thread for each core: it is closed.
    """
    duckdb.default_connection().close()
    engine = DuckDBEngine(options)
    engine.warm()
    return engine


class DuckDBEngine:
    """One in-memory database a machine. Until `bind` it has one thread and reads nothing of any tenant."""

    name = "duckdb"
    version = duckdb.__version__
    folders: Sequence[str] = ()

    def __init__(self, options: EngineOptions) -> None:
        self._options = options
        self._binding: Binding | None = None
        self._time_zone = "UTC"
        self._threads = 1
        self._database = _open_database(options)

    def warm(self) -> None:
        """Runs what every machine will run once, so that code and caches are paid for in the template."""
        with tempfile.TemporaryDirectory(prefix="lakegate-warm-") as folder:
            path = os.path.join(folder, "warm.parquet")
            with self._database.cursor() as connection:
                connection.execute(f"COPY (SELECT range AS id, range::VARCHAR AS name FROM range(3)) TO '{path}'")
                query = f"SELECT id, name, now() FROM read_parquet(['{path}']) WHERE id = $p1"
                parameters = named_values(pa.record_batch({"p1": [1]}))
                connection.execute(query, parameters).to_arrow_reader(ROWS_PER_BATCH).read_all()

    def bind(self, binding: Binding) -> None:
        """Raises threads, fixes the readable directory and locks the configuration. Called once, in the machine."""
        self._binding = binding
        self._lock(self._database, binding, self._time_zone)

    def connect(self, time_zone: str) -> duckdb.DuckDBPyConnection:
        """A connection whose time zone is that. Raises InvalidParameterValue for an unknown one.

        A database of another zone lives on as long as its own connections do.
        """
        if time_zone != self._time_zone:
            self._database, self._time_zone = self._reopen(time_zone), time_zone
        return self._database.cursor()

    def spread(self, scans: Sequence[Scan]) -> None:
        """Sets how many threads the next statement has: one if what it scans lies in one row group, as a scan is spread
        by row groups, and threads that only look for work take their time from it and from other machines."""
        files = [file for scan in scans for file in scan.files]
        alone = len(scans) > 0 and len(files) <= 1 and all(file.size <= ONE_ROW_GROUP for file in files)
        threads = 1 if alone else self._options.threads
        if threads != self._threads:
            self._database.execute(f"SET threads = {threads}")
            self._threads = threads

    def open_session(self) -> "DuckDBSession":
        return DuckDBSession(self)

    def close(self) -> None:
        self._database.close()

    def _reopen(self, time_zone: str) -> duckdb.DuckDBPyConnection:
        assert self._binding is not None, "bound before the first session"
        database = _open_database(self._options)
        try:
            self._lock(database, self._binding, time_zone)
        except duckdb.Error as error:
            database.close()
            raise InvalidParameterValue(f'invalid value for parameter "TimeZone": "{time_zone}"') from error
        return database

    def _lock(self, database: duckdb.DuckDBPyConnection, binding: Binding, time_zone: str) -> None:
        """Order matters: after external access is off no directory can be added, after the lock nothing but the number
        of threads can be set."""
        database.execute(f"SET temp_directory = {quote_literal(os.path.join(binding.scratch, 'spill'))}")
        database.execute(f"SET threads = {self._options.threads}")
        database.execute(f"SET GLOBAL TimeZone = {quote_literal(time_zone)}")
        database.execute(f"SET allowed_directories = [{', '.join(map(quote_literal, self._places(binding)))}]")
        database.execute("SET allowed_configs = ['threads']")
        database.execute("SET enable_external_access = false")
        database.execute("SET lock_configuration = true")
        self._threads = self._options.threads

    def _places(self, binding: Binding) -> Sequence[str]:
        """What the names of all files begin with that may be read."""
        files = self._options.files
        names = [] if files is None else [f"{files.protocol}://"]
        return [binding.warehouse, *names] if binding.warehouse else names


class DuckDBSession:
    """One connection, what it keeps of its statements, and the one that it runs."""

    def __init__(self, engine: DuckDBEngine) -> None:
        self._engine = engine
        self._time_zone = "UTC"
        self._connect("UTC")

    def execute(
        self, sql: str, parameters: pa.RecordBatch | None, scans: Sequence[Scan], settings: Mapping[str, str]
    ) -> Result:
        """Streams one SELECT or EXPLAIN. Raises SqlError; so does the reader, for what fails midway."""
        self._apply(settings)
        with _translated(scans):
            self._engine.spread(scans)
            self._connection.execute(self._statements.prepare(sql, scans), named_values(parameters))
            reader = self._connection.to_arrow_reader(ROWS_PER_BATCH)
        batches = _translated_batches(reader, scans)
        return Result(pa.RecordBatchReader.from_batches(reader.schema, batches), full_rows=ROWS_PER_BATCH)

    def describe(
        self, sql: str, parameters: pa.RecordBatch | None, scans: Sequence[Scan], settings: Mapping[str, str]
    ) -> pa.Schema:
        """The schema from the plan: the statement is bound below a LIMIT of nothing."""
        self._apply(settings)
        with _translated(scans):
            text = self._statements.write_out(sql, scans).rstrip().rstrip(";")
            self._connection.execute(f"SELECT * FROM ({text}) LIMIT 0", named_values(parameters))
            return self._connection.to_arrow_reader(ROWS_PER_BATCH).schema

    def cancel(self) -> None:
        """A connection that is just being replaced cannot be interrupted: the next call meets the new one."""
        with suppress(duckdb.Error):
            self._connection.interrupt()

    def close(self) -> None:
        self._connection.close()

    def _connect(self, time_zone: str) -> None:
        self._connection = self._engine.connect(time_zone)
        self._time_zone = time_zone
        self._statements = Statements(self._connection, time_zone)

    def _apply(self, settings: Mapping[str, str]) -> None:
        if unknown := settings.keys() - {"TimeZone"}:
            raise FeatureNotSupported(f'setting "{min(unknown)}" is not known to this engine')
        time_zone = settings.get("TimeZone", "UTC")
        if time_zone != self._time_zone:
            replaced = self._connection
            self._connect(time_zone)
            replaced.close()


def _open_database(options: EngineOptions) -> duckdb.DuckDBPyConnection:
    """A template: one thread, no extension but those built in, files still open to the warm-up."""
    database = duckdb.connect(
        ":memory:",
        config={
            "threads": 1,
            "memory_limit": f"{options.memory_bytes}B",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "allow_persistent_secrets": "false",
            "validate_external_file_cache": "NO_VALIDATION",
        },
    )
    database.execute("SET GLOBAL python_enable_replacements = false")
    database.execute("SET GLOBAL parquet_metadata_cache = true")
    database.execute("SET GLOBAL TimeZone = 'UTC'")
    if options.files is not None:
        database.register_filesystem(options.files)
    return database


def _translated_batches(reader: pa.RecordBatchReader, scans: Sequence[Scan]) -> Iterator[pa.RecordBatch]:
    with _translated(scans):
        yield from reader


@contextmanager
def _translated(scans: Sequence[Scan]) -> Iterator[None]:
    """Turns the engine's exceptions into SqlError; one about a file names its table."""
    try:
        yield
    except _ENGINE_ERRORS as error:
        translated = translate(error)
        if isinstance(translated, UnreadableTable):
            raise _unreadable(translated, scans) from error
        raise translated from error


def _unreadable(error: UnreadableTable, scans: Sequence[Scan]) -> UnreadableTable:
    folders = [scan for scan in scans if any(file.path in error.message for file in scan.files)] or list(scans)
    if not folders:
        return error
    names = ", ".join(f'"{scan.location}"' for scan in folders)
    return UnreadableTable(f"could not read the files of the table at {names}", detail=error.message)
