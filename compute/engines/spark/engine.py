"""The JVM of a machine and the sessions that share it."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from catalog.errors import FeatureNotSupported, InvalidParameterValue, QueryCanceled
from catalog.scans import Scan
from compute.engines import Binding, EngineOptions, Result
from compute.engines.spark import writes
from compute.engines.spark.errors import translate_error
from compute.engines.spark.overflow import Overflow
from compute.engines.spark.parameters import named_literals
from compute.engines.spark.types import UnknownType, arrow_schema
from compute.spark import aot
from compute.spark.client import ConnectError, ConnectSession, Execution, Statement
from compute.spark.configuration import spark_settings
from compute.spark.installation import find_installation
from compute.spark.java import PYSPARK
from compute.spark.server import ServerOptions, SparkServer
from compute.spark.training import run_to_end, warm_up_statements

OVERFLOW_MEMORY = 32 << 20
CACHE_PROPERTY = "cache"
HISTORY_LIMIT = 100
"""How many commits of others may come between a write and the look at its metrics; beyond them its count is not known."""
_TIME_ZONE = "spark.sql.session.timeZone"


def open_engine(options: EngineOptions) -> "SparkEngine":
    """Starts and warms the machine's JVM: many seconds.

    ``options.properties["cache"]`` is the folder that set-up filled; properties named ``spark.…`` join Spark's
    configuration. Raises NotSetUp, ServerError.
    """
    engine = SparkEngine(options)
    try:
        engine.warm()
    except BaseException:
        engine.close()
        raise
    return engine


class SparkEngine:
    """One JVM, one Connect session a connection. Start it from a thread that lives as long as the machine."""

    name = "spark"
    version = PYSPARK.removeprefix("pyspark-")

    def __init__(self, options: EngineOptions) -> None:
        self._scratch = Path(options.scratch)
        installation = find_installation(Path(options.properties[CACHE_PROPERTY]))
        chosen = {key: value for key, value in options.properties.items() if key.startswith("spark.")}
        self._server = SparkServer(
            ServerOptions(
                class_path=installation.class_path,
                settings={**spark_settings(options.threads, self._scratch), **chosen},
                scratch=self._scratch,
                heap_bytes=options.memory_bytes,
                java_flags=aot.use_flags(installation.archive),
            )
        )
        self._spare = self._connect()

    def warm(self) -> None:
        """Pays for what a new JVM's first statements cost."""
        for sql in warm_up_statements(self._scratch / "warehouse"):
            run_to_end(self._spare, sql)

    def bind(self, binding: Binding) -> None:
        """Nothing of the JVM belongs to a workspace before its statements name that workspace's tables."""

    def open_session(self) -> "SparkSession":
        """A session of the machine's JVM; the next one is made ready meanwhile."""
        session, self._spare = self._spare, self._connect()
        return SparkSession(session, self._scratch)

    def poll(self) -> int | None:
        """None while the JVM runs, else its exit status: the machine is lost then."""
        return self._server.poll()

    def close(self) -> None:
        self._spare.close()
        self._server.stop()

    def _connect(self) -> ConnectSession:
        return ConnectSession(self._server.port, self._server.token)


class SparkSession:
    """One connection: its Connect session and the statement that it runs."""

    def __init__(self, session: ConnectSession, scratch: Path) -> None:
        self._session = session
        self._scratch = scratch
        self._time_zone = "UTC"
        self._lock = threading.Lock()
        self._running: _Running | None = None

    def execute(
        self, sql: str, parameters: pa.RecordBatch | None, scans: Sequence[Scan], settings: Mapping[str, str]
    ) -> Result:
        """Streams a statement that reads; runs one that writes to its end. Raises SqlError, and so does the reader."""
        self._prepare(scans, settings)
        self._end_running()
        statement = _statement(sql, parameters)
        with _translated():
            running = _Running(self._session.execute(statement), self._scratch)
            with self._lock:
                self._running = running
            if writes.is_read(sql):
                return Result(_reader(running))
            return self._finish_write(sql, running)

    def describe(
        self, sql: str, parameters: pa.RecordBatch | None, scans: Sequence[Scan], settings: Mapping[str, str]
    ) -> pa.Schema:
        """The schema by Spark's analyser, with each field's Delta type in its metadata (`types.DELTA_TYPE`).

        Raises SqlError: SqlSyntaxError for what is no query.
        """
        self._prepare(scans, settings)
        with _translated():
            return arrow_schema(self._session.analyze(_statement(sql, parameters)), self._time_zone)

    def cancel(self) -> None:
        """Interrupts the running statement in the server, from any thread; nothing happens if none runs."""
        with self._lock:
            running = self._running
        if running is not None:
            with _translated():
                running.cancel()

    def close(self) -> None:
        self._end_running()
        with _translated():
            self._session.close()

    def _prepare(self, scans: Sequence[Scan], settings: Mapping[str, str]) -> None:
        if scans:
            raise FeatureNotSupported("spark reads tables by their path, not by a list of files")
        if unknown := settings.keys() - {"TimeZone"}:
            raise FeatureNotSupported(f'setting "{min(unknown)}" is not known to this engine')
        time_zone = settings.get("TimeZone", "UTC")
        if time_zone != self._time_zone:
            self._set_time_zone(time_zone)

    def _set_time_zone(self, time_zone: str) -> None:
        try:
            self._session.configure({_TIME_ZONE: time_zone})
        except ConnectError as error:
            if error.lost:
                raise translate_error(error) from None
            raise InvalidParameterValue(f'invalid value for parameter "TimeZone": "{time_zone}"') from None
        self._time_zone = time_zone

    def _end_running(self) -> None:
        with self._lock:
            running, self._running = self._running, None
        if running is not None:
            running.close()

    def _finish_write(self, sql: str, running: "_Running") -> Result:
        frame = pa.Table.from_batches(running)
        affected = writes.told_rows(frame)
        if affected is None and writes.counts_rows(sql):
            affected = self._committed_rows(sql)
        empty: list[pa.RecordBatch] = []
        return Result(pa.RecordBatchReader.from_batches(pa.schema([]), empty), affected)

    def _committed_rows(self, sql: str) -> int | None:
        """What Delta's history says about the commit that this session has just made."""
        table, version = writes.target(sql), self._session.last_commit()
        if table is None or version is None:
            return None
        history = Statement(f"DESCRIBE HISTORY delta.{table} LIMIT {HISTORY_LIMIT}")
        commits = pa.Table.from_batches(self._session.execute(history)).select(["version", "operationMetrics"])
        metrics = [commit["operationMetrics"] for commit in commits.to_pylist() if commit["version"] == version]
        return writes.metric_rows(dict(metrics[0])) if metrics else None


class _Running:
    """A statement on its way: a thread drains the server into an overflow, the session's thread reads that."""

    def __init__(self, execution: Execution, scratch: Path) -> None:
        self._execution = execution
        self._overflow = Overflow(scratch / "tmp", OVERFLOW_MEMORY)
        self._canceled = False
        self._thread = threading.Thread(target=self._overflow.fill, args=(execution,), name="spark-drain", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """The batches. Raises ConnectError, QueryCanceled."""
        try:
            yield from self._overflow
        except ConnectError as error:
            if self._canceled and not error.lost:
                raise QueryCanceled("canceling statement due to user request") from None
            raise

    def cancel(self) -> None:
        self._canceled = True
        self._execution.cancel()

    def close(self) -> None:
        """Ends the statement whatever its state. Idempotent."""
        self._overflow.close()
        self._execution.abandon()
        self._thread.join()


def _statement(sql: str, parameters: pa.RecordBatch | None) -> Statement:
    try:
        return Statement(sql, named_literals(parameters))
    except TypeError as error:
        raise FeatureNotSupported(str(error)) from None


def _reader(running: _Running) -> pa.RecordBatchReader:
    batches = iter(running)
    first = next(batches)

    def rest() -> Iterator[pa.RecordBatch]:
        with _translated():
            if first.num_rows:
                yield first
            yield from batches

    return pa.RecordBatchReader.from_batches(first.schema, rest())


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ConnectError as error:
        raise translate_error(error) from None
    except UnknownType as error:
        raise FeatureNotSupported(f"results cannot hold spark's type {error}") from None
