"""The job's machine and its one JVM."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from catalog.errors import FeatureNotSupported, InvalidParameterValue, ObjectNotInPrerequisiteState, QueryCanceled
from catalog.scans import Scan
from compute.engines import Binding, EngineOptions, Result
from compute.engines.job.jars import fetch_jars, with_jars
from compute.job import JARS_PROPERTY, OUTPUT, Job, digest_of
from compute.spark import aot
from compute.spark.cache import cache_folder
from compute.spark.configuration import compiler_flags, executor_settings, spark_settings
from compute.spark.driver import open_driver
from compute.spark.installation import find_installation
from compute.spark.java import PYSPARK
from compute.spark.jvm import JvmOptions, program_folders, start_jvm
from compute.spark.master import MASTER_PROPERTY

STOP_SECONDS = 10.0
"""How long a cancelled job may take to end by itself: it gives its executors back meanwhile."""
READ_BYTES = 64 << 10
ACCOUNTS = "/etc/passwd"
"""The machine's own: Java asks for its user's name, and Hadoop refuses to be without one."""


def open_engine(options: EngineOptions) -> "JobEngine":
    """Finds what the JVM will need. ``options.properties`` has ``master`` and ``jars`` where the machine is a process
    beside these, perhaps ``cache``, and Spark's own settings. Raises NotSetUp, Unreachable, OSError."""
    return JobEngine(options)


class JobEngine:
    """Runs one job. Nothing of it is started before that is asked for, and so before the machine is sealed."""

    name = "job"
    version = PYSPARK.removeprefix("pyspark-")

    def __init__(self, options: EngineOptions) -> None:
        assert options.scratch is not None, "a job's machine is never forked from a template"
        properties, scratch = options.properties, Path(options.scratch)
        installation = find_installation(Path(properties.get("cache") or cache_folder(os.environ)))
        driver = open_driver(properties.get(MASTER_PROPERTY), installation)
        self._files = options.files
        self._jars: Sequence[str] = json.loads(properties.get(JARS_PROPERTY, "[]"))
        chosen = {key: value for key, value in properties.items() if key.startswith("spark.")}
        usual, compiler = spark_settings(options.threads, scratch), compiler_flags(properties)
        self._options = JvmOptions(
            java=installation.java,
            class_path=(*installation.class_path, *driver.class_path),
            settings={**usual, **chosen, **driver.settings, **executor_settings(compiler)},
            scratch=scratch,
            heap_bytes=options.memory_bytes,
            # Java compares where class paths begin alike, and JARs that were read here lie apart from the others.
            java_flags=(*(aot.use_flags(installation.archive) if self._jars else ()), *compiler),
            environment=driver.environment,
        )
        self.folders = (*program_folders(), *installation.folders, *driver.folders, ACCOUNTS, *self._jars)

    def bind(self, binding: Binding) -> None:
        """The folder that the job was given is at its place already."""

    def open_session(self) -> "JobSession":
        return JobSession(self._options, self._find_jars)

    def close(self) -> None:
        """The JVM is its session's."""

    def _find_jars(self, scans: Sequence[Scan]) -> Sequence[str]:
        """Where the machine has them, once it does. Raises SqlError."""
        if self._jars or self._files is None:
            return self._jars
        return fetch_jars(scans, self._files, self._options.scratch / "jars")


class JobSession:
    """The JVM, from the statement that starts it."""

    def __init__(self, options: JvmOptions, find_jars: Callable[[Sequence[Scan]], Sequence[str]]) -> None:
        self._options = options
        self._find_jars = find_jars
        self._process: subprocess.Popen[str] | None = None
        self._cancelled_at: float | None = None
        self._lock = threading.Lock()

    def execute(
        self, sql: str, parameters: pa.RecordBatch | None, scans: Sequence[Scan], settings: Mapping[str, str]
    ) -> Result:
        """Starts the job. Raises SqlError: also where the JAR is not the one that was submitted."""
        job, jars = Job.load(sql), self._find_jars(scans)
        if not jars or digest_of(Path(jars[0])) != job.digest:
            raise InvalidParameterValue("the job's JAR has changed since it was submitted")
        options = with_jars(self._options, jars)
        named = {**options.settings, "spark.app.name": job.main}
        with self._lock:
            if self._process is not None:
                raise ObjectNotInPrerequisiteState("a job's machine runs one job")
            self._process = start_jvm(
                replace(options, settings=named),
                (job.main, *job.arguments),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        return Result(pa.RecordBatchReader.from_batches(OUTPUT, self._output(self._process)))

    def describe(
        self, sql: str, parameters: pa.RecordBatch | None, scans: Sequence[Scan], settings: Mapping[str, str]
    ) -> pa.Schema:
        raise FeatureNotSupported("a job is run, not described")

    def cancel(self) -> None:
        """Asks the JVM to end, then kills it. Called again until it has."""
        with self._lock:
            if self._process is None:
                return
            if self._cancelled_at is None:
                self._cancelled_at = time.monotonic()
                self._process.send_signal(signal.SIGTERM)
            elif time.monotonic() > self._cancelled_at + STOP_SECONDS:
                self._process.kill()

    def close(self) -> None:
        with self._lock:
            if self._process is not None:
                self._process.kill()
                self._process.wait()

    def _output(self, process: "subprocess.Popen[str]") -> Iterator[pa.RecordBatch]:
        """What is printed, as soon as it is."""
        assert process.stdout is not None
        for lines in _read_lines(process.stdout.fileno()):
            yield pa.record_batch([lines, pa.nulls(len(lines), pa.int32())], schema=OUTPUT)
        status = process.wait()
        if self._cancelled_at is not None:
            raise QueryCanceled("the job was canceled")
        yield pa.record_batch([[""], [status]], schema=OUTPUT)


def _read_lines(descriptor: int) -> Iterator[list[str]]:
    """Those that are there together. One that is very long comes in pieces."""
    rest = b""
    while chunk := os.read(descriptor, READ_BYTES):
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > READ_BYTES:
            lines, rest = [*lines, rest], b""
        if lines:
            yield [line.decode(errors="replace") for line in lines]
    if rest:
        yield [rest.decode(errors="replace")]
