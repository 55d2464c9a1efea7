"""The JVM of a machine and the sessions that share it."""

import logging
import os
import shutil
import sys
import sysconfig
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa

from catalog.errors import FeatureNotSupported, InvalidParameterValue
from catalog.scans import Scan
from compute.engines import ENGINE_LOST, Binding, EngineOptions, Result
from compute.engines.spark import writes
from compute.engines.spark.errors import translate_error, translated
from compute.engines.spark.parameters import substitute
from compute.engines.spark.running import Running
from compute.engines.spark.types import arrow_schema
from compute.spark import aot
from compute.spark.cache import cache_folder
from compute.spark.client import ConnectError, ConnectSession
from compute.spark.configuration import spark_settings
from compute.spark.installation import find_installation
from compute.spark.java import PYSPARK
from compute.spark.server import ServerOptions, SparkServer
from compute.spark.training import cluster_warm_up_statements, run_to_end, warm_up_statements

CACHE_PROPERTY = "cache"
EXECUTORS_PROPERTY = "spark.dynamicAllocation.maxExecutors"
SYSTEM_LIBRARIES = ("/lib", "/lib64", "/usr/lib")
SYSTEM_PROGRAMS = ("chmod", "ls")
"""Hadoop's local file system runs these to set and to tell permissions."""
"""The guest's exit status when its JVM has gone."""
HISTORY_LIMIT = 100
"""How many commits of others may come between a write and the look at its count; beyond them it is not known."""
_TIME_ZONE = "spark.sql.session.timeZone"
logger = logging.getLogger(__name__)


def open_engine(options: EngineOptions) -> "SparkEngine":
    """Starts the machine's JVM: seconds. It is warmed while nobody wants it.

    The process ends with the JVM, so that the pool sees at once that the machine is lost.

    ``options.properties["cache"]`` is the folder that set-up filled, if it is not the usual one; properties named
    ``spark.…`` join Spark's configuration. Raises NotSetUp, ServerError.
    """
    engine = SparkEngine(options)
    try:
        engine.start()
    except BaseException:
        engine.close()
        raise
    engine.on_lost(lambda: os._exit(ENGINE_LOST))
    threading.Thread(target=engine.warm, name="spark-warm", daemon=True).start()
    return engine


class SparkEngine:
    """One JVM, one Connect session a connection. Start it from a thread that lives as long as the machine."""

    name = "spark"
    version = PYSPARK.removeprefix("pyspark-")

    def __init__(self, options: EngineOptions) -> None:
        assert options.scratch is not None, "a machine with spark is never forked from a template"
        self._scratch = Path(options.scratch)
        self._executors = options.properties.get(EXECUTORS_PROPERTY)
        cache = options.properties.get(CACHE_PROPERTY) or cache_folder(os.environ)
        installation = find_installation(Path(cache))
        chosen = {key: value for key, value in options.properties.items() if key.startswith("spark.")}
        self._server = SparkServer(
            ServerOptions(
                java=installation.java,
                class_path=installation.class_path,
                settings={**spark_settings(options.threads, self._scratch), **chosen},
                scratch=self._scratch,
                heap_bytes=options.memory_bytes,
                uid=options.uid,
                confine=options.confine,
                java_flags=aot.use_flags(installation.archive),
            )
        )
        self.folders = (*_program_folders(), *installation.folders)
        self._opener = ThreadPoolExecutor(1, thread_name_prefix="spark-open")
        self._opening = threading.Lock()
        self._bound = threading.Event()
        self._spare = self._opener.submit(self._connect)

    def start(self) -> None:
        """Returns once a session is ready. Raises ConnectError."""
        self._spare.result()

    def warm(self) -> None:
        """Pays for what a new JVM's first statements cost, until somebody wants the machine: he is served sooner so."""
        session = ConnectSession(self._server.port, self._server.token)
        try:
            for sql in self._warm_up_statements():
                if not self._bound.is_set():
                    run_to_end(session, sql)
            session.close()
        except ConnectError as error:
            logger.warning("spark could not be warmed: %s", error)

    def _warm_up_statements(self) -> Sequence[str]:
        if self._executors is None:
            return warm_up_statements(self._scratch / "warehouse")
        return cluster_warm_up_statements(2 * int(self._executors))

    def bind(self, binding: Binding) -> None:
        """Nothing of the JVM belongs to a workspace before its statements name that workspace's tables."""
        self._bound.set()

    def open_session(self) -> "SparkSession":
        """A session of the machine's JVM; the next one is made ready meanwhile."""
        with self._opening:
            ready, self._spare = self._spare, self._opener.submit(self._connect)
        with translated():
            return SparkSession(ready.result(), self._scratch)

    @property
    def pid(self) -> int:
        """Of the JVM."""
        return self._server.pid

    def on_lost(self, act: Callable[[], None]) -> None:
        """Has `act` called if the JVM ends by itself, or for want of an answer: the machine is of no use."""
        self._server.on_lost = act
        self._server.watch()

    def close(self) -> None:
        self._opener.shutdown()
        if self._spare.exception() is None:
            self._spare.result().close()
        self._server.stop()

    def _connect(self) -> ConnectSession:
        """A session that has run something: its first statement would else pay for the making."""
        session = ConnectSession(self._server.port, self._server.token)
        run_to_end(session, "SELECT 1")
        return session


class SparkSession:
    """One connection: its Connect session and the statement that it runs."""

    def __init__(self, session: ConnectSession, scratch: Path) -> None:
        self._session = session
        self._scratch = scratch
        self._time_zone = "UTC"
        self._lock = threading.Lock()
        self._running: Running | None = None

    def execute(
        self, sql: str, parameters: pa.RecordBatch | None, scans: Sequence[Scan], settings: Mapping[str, str]
    ) -> Result:
        """Streams a statement that reads; runs one that writes to its end. Raises SqlError, and so does the reader."""
        self._prepare(scans, settings)
        self._end_running()
        with translated():
            running = Running(self._session.execute(substitute(sql, parameters)), self._scratch)
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
        self._end_running()
        with translated():
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

    def _finish_write(self, sql: str, running: Running) -> Result:
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
        history = f"DESCRIBE HISTORY delta.{table} LIMIT {HISTORY_LIMIT}"
        commits = pa.Table.from_batches(self._session.execute(history)).select(["version", "operationMetrics"])
        metrics = [commit["operationMetrics"] for commit in commits.to_pylist() if commit["version"] == version]
        return writes.metric_rows(dict(metrics[0])) if metrics else None


def _program_folders() -> Sequence[str]:
    """Where the JVM and this interpreter still look for classes, modules and libraries after the machine is sealed."""
    folders = (sys.prefix, sysconfig.get_path("stdlib"), *SYSTEM_LIBRARIES)
    programs = (shutil.which(program, path=os.defpath) for program in SYSTEM_PROGRAMS)
    return [path for path in (*folders, *programs) if path is not None and os.path.exists(path)]
