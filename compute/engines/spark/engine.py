"""The JVM of a machine and the sessions that share it."""

import logging
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from compute.engines import ENGINE_LOST, Binding, EngineOptions
from compute.engines.spark.remote import REMOTE_PROPERTY, RemoteSpark
from compute.engines.spark.session import Sessions, SparkSession
from compute.spark import aot
from compute.spark.cache import cache_folder
from compute.spark.client import ConnectError, ConnectSession, Server
from compute.spark.configuration import cloned_settings, compiler_flags, executor_settings, spark_settings
from compute.spark.driver import explain, open_driver
from compute.spark.installation import find_installation
from compute.spark.java import PYSPARK
from compute.spark.jvm import JvmOptions, program_folders
from compute.spark.master import MASTER_PROPERTY
from compute.spark.presence import LONGEST_ALONE_SECONDS, Presence
from compute.spark.server import ServerError, SparkServer
from compute.spark.training import cluster_warm_up_statements, run_to_end, warm_up_statements

CACHE_PROPERTY = "cache"
EXECUTORS_PROPERTY = "spark.dynamicAllocation.maxExecutors"
LASTING_PROPERTY = "spark.dynamicAllocation.minExecutors"
UNWANTED_SECONDS = 1.0
"""Far longer than somebody who waits takes to claim the machine."""
logger = logging.getLogger(__name__)


def open_engine(options: EngineOptions) -> "SparkEngine | RemoteSpark":
    """Starts the machine's JVM: seconds. It is warmed while nobody wants it; one that reads tables elsewhere is so by
    whoever makes a template of it. With a property ``remote`` Spark is elsewhere, at that URL; with a property
    ``master`` its executors are.

    The process ends with the JVM, so that the pool sees at once that the machine is lost.

    ``options.properties["cache"]`` is the folder that set-up filled, if it is not the usual one, ``compiler`` Java's
    last one, of `COMPILERS`; properties named ``spark.…`` join Spark's configuration. Raises NotSetUp, ServerError,
    Unreachable, ValueError.
    """
    if REMOTE_PROPERTY in options.properties:
        return RemoteSpark(options)
    engine = SparkEngine(options)
    try:
        engine.start()
    except BaseException:
        engine.close()
        raise
    engine.on_lost(lambda: os._exit(ENGINE_LOST))
    if options.tables is None:
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
        self._lasting = int(options.properties.get(LASTING_PROPERTY, "0"))
        self._presence = Presence()
        cache = options.properties.get(CACHE_PROPERTY) or cache_folder(os.environ)
        installation = find_installation(Path(cache))
        chosen = {key: value for key, value in options.properties.items() if key.startswith("spark.")}
        elsewhere = {} if options.tables is None else cloned_settings(options.tables, self._scratch)
        driver = open_driver(options.properties.get(MASTER_PROPERTY), installation)
        usual = spark_settings(options.threads, self._scratch)
        compiler = compiler_flags(options.properties, emulated=options.emulated)
        self._server = _start_server(
            JvmOptions(
                java=installation.java,
                class_path=(*installation.class_path, *driver.class_path),
                settings={**usual, **elsewhere, **chosen, **driver.settings, **executor_settings(compiler)},
                scratch=self._scratch,
                heap_bytes=options.memory_bytes,
                uid=options.uid,
                confine=options.confine,
                java_flags=(*aot.use_flags(installation.archive), *compiler),
                environment=driver.environment,
            ),
            self._presence.hear,
        )
        self.folders: Sequence[str] = (*program_folders(), *installation.folders, *driver.folders)
        self._bound = threading.Event()
        self._address = Server(f"127.0.0.1:{self._server.port}", self._server.token)
        self._sessions = Sessions(self._connect, self._scratch, cloned=options.tables is not None)

    def start(self) -> None:
        """Returns once a session is ready and, of a driver, its executors are, too. Raises ConnectError."""
        self._sessions.wait()
        if self._executors is not None:
            with closing(self._connect()) as session:
                for sql in cluster_warm_up_statements(2 * int(self._executors)):
                    run_to_end(session, sql)

    def warm(self) -> None:
        """Pays for what a new JVM's first statements cost, until somebody wants the machine: he is served sooner so.
        A driver has paid by its start. Who has been waiting for the start is not to share the processors with this.
        """
        if self._executors is not None or self._bound.wait(UNWANTED_SECONDS):
            return
        try:
            with closing(self._connect()) as session:
                for sql in warm_up_statements(self._scratch / "warehouse"):
                    if not self._bound.is_set():
                        run_to_end(session, sql)
        except ConnectError as error:
            logger.warning("spark could not be warmed: %s", error)

    def bind(self, binding: Binding) -> None:
        """Nothing of the JVM belongs to a workspace before its statements name that workspace's tables."""
        self._bound.set()

    def open_session(self) -> SparkSession:
        """A session of the machine's JVM."""
        return self._sessions.open()

    @property
    def pid(self) -> int:
        """Of the JVM."""
        return self._server.pid

    def on_lost(self, act: Callable[[], None]) -> None:
        """Has `act` called if the JVM ends by itself, for want of an answer, or for want of the executors that should
        always be there: the machine is of no use.
        """
        self._server.on_lost = act
        self._server.watch()
        if self._lasting:
            threading.Thread(target=self._watch_executors, name="spark-executors", daemon=True).start()

    def close(self) -> None:
        self._server.stop()
        self._sessions.close()

    def _watch_executors(self) -> None:
        self._presence.await_loneliness()
        self._server.condemn(f"it has had no executor for {LONGEST_ALONE_SECONDS:.0f} s")

    def _connect(self) -> ConnectSession:
        return ConnectSession(self._address)


def _start_server(options: JvmOptions, hear: Callable[[str], None]) -> SparkServer:
    """Raises ServerError, with what the operator can do about it where we know."""
    try:
        return SparkServer(options, hear)
    except ServerError as error:
        raise ServerError(f"{error}\n{explain(error.said)}") from None
