"""One Spark for a whole run: set up if need be, its JVM started once, a session a test."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from compute.engines import EngineOptions
from compute.engines.spark import SparkEngine
from compute.engines.spark.session import SparkSession
from compute.spark.cache import cache_folder
from compute.spark.configuration import COMPILER_PROPERTY
from compute.spark.installation import Installation
from compute.spark.setup import set_up

HEAP = 1 << 30
PROPERTIES = {COMPILER_PROPERTY: "c1"}
# The engine of a guest forks before it speaks gRPC. Here one process does both, and what gRPC starts again in a forked
# child, before it runs another program, crashes one in some hundreds.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"


@pytest.fixture(scope="session")
def spark_installation() -> Installation:
    return set_up(cache_folder(os.environ))


@pytest.fixture(scope="session")
def spark_engine(spark_installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkEngine]:
    """A warm engine in this very process, with two threads."""
    scratch = tmp_path_factory.mktemp("spark")
    engine = SparkEngine(EngineOptions(threads=2, memory_bytes=HEAP, scratch=str(scratch), properties=PROPERTIES))
    try:
        engine.warm()
        yield engine
    finally:
        engine.close()


@pytest.fixture
def spark_session(spark_engine: SparkEngine) -> Iterator[SparkSession]:
    session = spark_engine.open_session()
    yield session
    session.close()


def rows(session: SparkSession, sql: str, **settings: str) -> list[dict[str, Any]]:
    """The whole answer."""
    found: list[dict[str, Any]] = session.execute(sql, None, [], settings).reader.read_all().to_pylist()
    return found


def affected(session: SparkSession, sql: str, parameters: pa.RecordBatch | None = None) -> int | None:
    return session.execute(sql, parameters, [], {}).affected


def table_at(path: Path) -> str:
    return f"delta.`{path}`"
