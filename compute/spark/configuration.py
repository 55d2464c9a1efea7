"""Spark's configuration in a machine: everything that a statement must not be able to choose."""

from collections.abc import Mapping, Sequence
from pathlib import Path

STUCK_SECONDS = 10
"""How long a task may outlive its cancelled statement."""
COMPILER_PROPERTY = "compiler"
COMPILERS = ("c2", "c1")
"""Java's. The second one makes long statements run in a third of the time; it takes two fifths of what a start and the
first statements cost."""
C1_FLAGS = ("-XX:TieredStopAtLevel=1",)
_FOR_EVER = "36500d"


def spark_settings(threads: int, scratch: Path) -> Mapping[str, str]:
    """The settings of one server. `scratch` holds whatever Spark writes beside tables; it goes with the machine."""
    return {
        "spark.app.name": "lakegate",
        "spark.master": f"local[{threads}]",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": "0",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.local.dir": str(scratch / "local"),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.sql.catalogImplementation": "in-memory",
        **_DELTA,
        **_SEMANTICS,
        **_SMALL_STATEMENTS,
        **_RESULTS,
        **_CANCELS,
    }


def cloned_settings(tables: str, scratch: Path) -> Mapping[str, str]:
    """What a server needs beside that, whose machine is cloned and finds its tables at HOST:PORT, by WebHDFS.

    A clone wakes with the time of its template and is told the real one, perhaps weeks later: whatever has a deadline
    by that clock would be over.
    """
    return {
        "spark.hadoop.fs.defaultFS": f"webhdfs://{tables}",
        "spark.hadoop.dfs.http.client.retry.max.attempts": "1",
        "spark.hadoop.dfs.http.client.failover.max.attempts": "0",
        "spark.sql.warehouse.dir": f"file:{scratch / 'warehouse'}",
        "spark.storage.blockManagerHeartbeatTimeoutMs": _FOR_EVER,
        "spark.connect.session.manager.defaultSessionTimeout": _FOR_EVER,
    }


def compiler_flags(properties: Mapping[str, str], *, emulated: bool = False) -> tuple[str, ...]:
    """What an engine's properties say. Where a processor is emulated the second compiler takes longer than its code
    saves in a lease."""
    return C1_FLAGS if emulated or properties.get(COMPILER_PROPERTY) == "c1" else ()


def executor_settings(java_flags: Sequence[str]) -> Mapping[str, str]:
    """What the executors of a driver are started with beside their own."""
    return {"spark.executor.extraJavaOptions": " ".join(java_flags)} if java_flags else {}


def session_settings() -> Mapping[str, str]:
    """What a session of somebody else's server must be told. That it has Delta is for whoever runs it to see to."""
    return {**_SEMANTICS, "spark.sql.sources.default": "delta"}


_DELTA = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.sources.default": "delta",
    "spark.databricks.delta.snapshotPartitions": "1",
}
_SEMANTICS = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.storeAssignmentPolicy": "ANSI",
    "spark.sql.timestampType": "TIMESTAMP_LTZ",
}
# A cluster's defaults cost a small statement hundreds of empty tasks.
_SMALL_STATEMENTS = {
    "spark.sql.shuffle.partitions": "4",
    "spark.sql.files.maxPartitionBytes": "32m",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "8",
    "spark.sql.ui.retainedExecutions": "1",
    "spark.sql.connect.ui.retainedSessions": "1",
    "spark.sql.connect.ui.retainedStatements": "1",
}
_RESULTS = {
    # The guest drains every result at once, so the whole size of one says nothing about memory.
    "spark.driver.maxResultSize": "0",
    "spark.connect.grpc.arrow.maxBatchSize": "1m",
    "spark.connect.session.manager.defaultSessionTimeout": "24h",
    "spark.sql.connect.serverStacktrace.enabled": "false",
}
_CANCELS = {
    # A nested loop asks only between the rows of its outer side whether it has been cancelled, so hardly ever.
    "spark.task.reaper.enabled": "true",
    "spark.task.reaper.pollingInterval": "2s",
    "spark.task.reaper.killTimeout": f"{STUCK_SECONDS}s",
    "spark.task.reaper.threadDump": "false",
    # An id that the server remembers could not be used again to sweep up what comes after a cancel.
    "spark.connect.session.inactiveOperations.cacheExpiration": "0",
    "spark.connect.execute.manager.abandonedTombstonesSize": "0",
}
