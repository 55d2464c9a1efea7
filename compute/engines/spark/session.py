"""Sessions of a Spark Connect server, a connection each."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa

from catalog.errors import FeatureNotSupported, InvalidParameterValue
from catalog.scans import Scan
from compute.engines import Result
from compute.engines.spark import writes
from compute.engines.spark.errors import translate_error, translated
from compute.engines.spark.parameters import substitute
from compute.engines.spark.running import Running
from compute.engines.spark.sweeper import Sweeper
from compute.engines.spark.types import arrow_schema
from compute.spark.client import ConnectError, ConnectSession
from compute.spark.training import run_to_end

HISTORY_LIMIT = 100
"""How many commits of others may come between a write and the look at its count; beyond them it is not known."""
_TIME_ZONE = "spark.sql.session.timeZone"
_WRITERS = "Writes need machines that are processes: lakegate serve --spark-spawner process."


class Sessions:
    """Makes each before it is asked for: Spark takes a while. `connect` opens a session that has run nothing yet.

    `cloned` says that the machine is a template's clone, which serves one lease and only reads: it has one session,
    that of the template, whose name and whose server's token are of no use to anybody outside the machine.
    """

    def __init__(self, connect: Callable[[], ConnectSession], scratch: Path, *, cloned: bool = False) -> None:
        self._connect = connect
        self._scratch = scratch
        self._cloned = cloned
        self._sweeper = Sweeper()
        self._opener = ThreadPoolExecutor(1, thread_name_prefix="spark-open")
        self._opening = threading.Lock()
        self._spare = self._opener.submit(self._prepare)

    def open(self) -> "SparkSession":
        """The one that is ready; the next is made meanwhile."""
        with self._opening:
            ready = self._spare
            if not self._cloned:
                self._spare = self._opener.submit(self._prepare)
        with translated():
            return SparkSession(ready.result(), self._scratch, self._sweeper, cloned=self._cloned)

    def wait(self) -> None:
        """Returns once one is ready. Raises ConnectError."""
        self._spare.result()

    def close(self) -> None:
        """Waits for what the server has been asked. Who ends the server does so before: nothing waits then."""
        self._opener.shutdown()
        self._sweeper.close()
        if self._spare.exception() is None:
            self._spare.result().close()

    def _prepare(self) -> ConnectSession:
        """A session that has run something: its first statement would else pay for the making."""
        session = self._connect()
        run_to_end(session, "SELECT 1")
        return session


class SparkSession:
    """One connection: its Connect session and the statement that it runs. `cloned` as `Sessions` says."""

    def __init__(self, session: ConnectSession, scratch: Path, sweeper: Sweeper, *, cloned: bool = False) -> None:
        self._session = session
        self._scratch = scratch
        self._cloned = cloned
        self._time_zone = "UTC"
        self._lock = threading.Lock()
        self._running: Running | None = None
        self._sweeper = sweeper

    def execute(
        self, sql: str, parameters: pa.RecordBatch | None, scans: Sequence[Scan], settings: Mapping[str, str]
    ) -> Result:
        """Streams a statement that reads; runs one that writes to its end. Raises SqlError, and so does the reader."""
        self._prepare(scans, settings)
        if self._cloned and not writes.is_read(sql):
            raise FeatureNotSupported("the warehouse's Spark machines only read", hint=_WRITERS)
        self._end_running()
        with translated():
            if writes.counts_rows(sql):
                self._session.forget_commit()
            running = Running(self._session.execute(substitute(sql, parameters)), self._scratch, self._sweeper)
            with self._lock:
                self._running = running
            if writes.is_read(sql):
                return Result(running.reader())
            return self._finish_write(sql, running)

    def describe(
        self, sql: str, parameters: pa.RecordBatch | None, scans: Sequence[Scan], settings: Mapping[str, str]
    ) -> pa.Schema:
        """The schema by Spark's analyser, with each field's Delta type in its metadata (`types.DELTA_TYPE`).

        Raises SqlError: SqlSyntaxError for what is no query.
        """
        self._prepare(scans, settings)
        with translated():
            return arrow_schema(self._session.analyze(substitute(sql, parameters)), self._time_zone)

    def cancel(self) -> None:
        """Interrupts the running statement in the server, from any thread; nothing happens if none runs."""
        with self._lock:
            running = self._running
        if running is not None:
            running.cancel()

    def close(self) -> None:
        """A clone's Connect session stays: whoever comes next is the same tenant's, or nobody."""
        self._end_running()
        if not self._cloned:
            with translated():
                self._sweeper.release(self._session)

    def _prepare(self, scans: Sequence[Scan], settings: Mapping[str, str]) -> None:
        if not all(scan.by_path for scan in scans):
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

    def _finish_write(self, sql: str, running: Running) -> Result:
        frame = pa.Table.from_batches(running)
        affected = writes.told_rows(frame)
        if affected is None and writes.counts_rows(sql):
            affected = self._committed_rows(sql)
        empty: list[pa.RecordBatch] = []
        return Result(pa.RecordBatchReader.from_batches(pa.schema([]), empty), affected)

    def _committed_rows(self, sql: str) -> int | None:
        """What Delta's history says about the commit that this session has just made: none where nothing was to be
        written."""
        table, version = writes.target(sql), self._session.last_commit()
        if table is None or version is None:
            return 0 if table is not None else None
        history = f"DESCRIBE HISTORY delta.{table} LIMIT {HISTORY_LIMIT}"
        commits = pa.Table.from_batches(self._session.execute(history)).select(["version", "operationMetrics"])
        metrics = [commit["operationMetrics"] for commit in commits.to_pylist() if commit["version"] == version]
        return writes.metric_rows(dict(metrics[0])) if metrics else None
