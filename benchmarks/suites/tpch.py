"""TPC-H: each lane against its engine alone, on the same files with as many threads."""

import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
import psutil
import psycopg

from benchmarks.compare import Measurement, interleave
from benchmarks.laboratory import Laboratory, embedded_duckdb
from catalog.names import TableName
from compute.spark import aot
from compute.spark.cache import cache_folder
from compute.spark.client import ConnectSession, Server
from compute.spark.configuration import spark_settings
from compute.spark.installation import find_installation
from compute.spark.jvm import JvmOptions
from compute.spark.server import SparkServer

QUERIES = sorted((Path(__file__).parents[2] / "tests" / "conformance" / "tpch" / "queries").iterdir())
SPARK_ROUNDS = 3
SPARK_HEAP = 2 << 30


def tpch_duckdb(laboratory: Laboratory) -> Iterator[Measurement]:
    """The DuckDB lane against DuckDB embedded in this process."""
    with embedded_duckdb(_tpch(laboratory)) as alone, _on_lane(laboratory, "duckdb") as gateway:
        alone.execute("SET search_path = 'tpch'")
        subjects = {
            "lakegate": partial(_run_all, partial(_ask, gateway)),
            "duckdb": partial(_run_all, partial(_embedded, alone)),
        }
        yield from _with_means(f"TPC-H, scale {laboratory.scale:g}, DuckDB lane", subjects, laboratory.rounds)


def tpch_spark(laboratory: Laboratory) -> Iterator[Measurement]:
    """The Spark lane against a Spark Connect server of the same settings."""
    installation = find_installation(cache_folder(os.environ))
    with tempfile.TemporaryDirectory() as scratch, _on_lane(laboratory, "spark") as gateway:
        options = JvmOptions(
            java=installation.java,
            class_path=installation.class_path,
            settings=spark_settings(psutil.cpu_count() or 1, Path(scratch)),
            scratch=Path(scratch),
            heap_bytes=SPARK_HEAP,
            java_flags=aot.use_flags(installation.archive),
        )
        server = SparkServer(options)
        try:
            session = ConnectSession(Server(f"127.0.0.1:{server.port}", server.token))
            for name, folder in _tpch(laboratory).items():
                _spark(session, f"CREATE TEMPORARY VIEW {name.name} AS SELECT * FROM delta.`{folder}`")
            subjects = {
                "lakegate": partial(_run_all, partial(_ask, gateway)),
                "spark": partial(_run_all, partial(_spark, session)),
            }
            yield from _with_means(f"TPC-H, scale {laboratory.scale:g}, Spark lane", subjects, SPARK_ROUNDS)
        finally:
            server.stop()


def _tpch(laboratory: Laboratory) -> Mapping[TableName, Path]:
    return {name: folder for name, folder in laboratory.tables.items() if name.schema == "tpch"}


def _on_lane(laboratory: Laboratory, lane: str) -> psycopg.Connection:
    connection = laboratory.gateway.connect(options="-c search_path=tpch")
    connection.execute(f"SET lakegate.lane = {lane}".encode())
    return connection


def _run_all(ask: Callable[[str], Sequence[Any]]) -> Mapping[str, float]:
    milliseconds = {}
    for path in QUERIES:
        query, started = path.read_text(), time.perf_counter()
        ask(query)
        milliseconds[f"{path.stem} ms"] = (time.perf_counter() - started) * 1000
    return milliseconds


def _ask(connection: psycopg.Connection, query: str) -> Sequence[Any]:
    return connection.execute(query.encode()).fetchall()


def _embedded(connection: duckdb.DuckDBPyConnection, query: str) -> Sequence[Any]:
    return connection.execute(query).fetchall()


def _spark(session: ConnectSession, query: str) -> Sequence[Any]:
    return [batch.num_rows for batch in session.execute(query)]


def _with_means(benchmark: str, subjects: Mapping[str, Any], rounds: int) -> Iterator[Measurement]:
    """The queries' own numbers, then the geometric mean of their medians, and of the ratios of these."""
    measured = list(interleave(benchmark, subjects, rounds))
    yield from measured
    medians = {name: [m.value for m in measured if m.subject == name] for name in subjects}
    means = {name: math.exp(sum(map(math.log, values)) / len(values)) for name, values in medians.items()}
    for name, mean in means.items():
        yield Measurement(benchmark, name, "geometric mean ms", mean, (mean,))
    first, other = means
    ratio = means[first] / means[other]
    yield Measurement(benchmark, f"{first} / {other}", "geometric mean ms, ratio", ratio, (ratio,))
    totals = {name: median([sum(values)]) for name, values in medians.items()}
    for name, total in totals.items():
        yield Measurement(benchmark, name, "sum of medians ms", total, (total,))
