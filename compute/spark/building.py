"""Filling the cache folder: fetch the pinned jars, train the AOT cache. Minutes, so progress is shown."""

import tempfile
from pathlib import Path

from rich.progress import Progress

from compute.spark import aot, ivy, jars, runtime
from compute.spark.cache import locked
from compute.spark.client import ConnectSession, Server
from compute.spark.configuration import spark_settings
from compute.spark.installation import class_path
from compute.spark.jvm import JvmOptions
from compute.spark.server import SparkServer
from compute.spark.training import run_to_end, training_statements

TRAINING_HEAP = 1 << 30
TRAINING_THREADS = 2


def build(cache: Path) -> None:
    """Adds to the cache what is missing. Of two at once, one waits for the other. Raises JarError, ServerError."""
    with locked(cache), Progress(transient=True) as progress:
        _fetch_jars(cache, progress)
        runtime.link_runtime(cache)
        _train(cache, progress)


def _fetch_jars(cache: Path, progress: Progress) -> None:
    pinned = jars.pinned_jars()
    if jars.verify(jars.jar_folder(cache, pinned), pinned):
        task = progress.add_task("fetching Spark's jars", total=len(pinned))
        ivy.fetch_jars(cache, pinned, lambda: progress.advance(task))


def _train(cache: Path, progress: Progress) -> None:
    """Runs the training statements in a JVM that archives itself as it ends; the archive counts if Java takes it."""
    path = class_path(cache)
    archive = aot.archive_path(cache, path)
    if archive.exists():
        return
    with tempfile.TemporaryDirectory(prefix=".training-", dir=cache) as name:
        scratch = Path(name)
        written = scratch / "spark.aot"
        _run_training(
            JvmOptions(
                java=runtime.java_binary(cache),
                class_path=path,
                settings=spark_settings(TRAINING_THREADS, scratch),
                scratch=scratch,
                heap_bytes=TRAINING_HEAP,
                java_flags=aot.training_flags(written),
            ),
            progress,
        )
        if rejected := aot.rejection(runtime.java_binary(cache), written, path):
            raise RuntimeError(f"java rejects the AOT cache that it wrote: {rejected}")
        written.rename(archive)
    aot.drop_old_archives(cache)


def _run_training(options: JvmOptions, progress: Progress) -> None:
    statements = training_statements(options.scratch)
    task = progress.add_task("training Spark's start", total=len(statements) + 2)
    server = SparkServer(options)
    try:
        progress.advance(task)
        session = ConnectSession(Server(f"127.0.0.1:{server.port}", server.token))
        for sql in statements:
            run_to_end(session, sql)
            progress.advance(task)
        session.close()
    finally:
        server.stop(grace_seconds=aot.TRAINING_GRACE_SECONDS)
    progress.advance(task)
