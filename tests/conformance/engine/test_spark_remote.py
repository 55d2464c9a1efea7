"""A Spark Connect server that was there before the gateway, and that the gateway only asks."""

import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from catalog.names import TableName
from compute.engines.spark import SparkEngine
from tests.conformance.tpch.test_tpch import QUERIES, run
from tests.fix_gateway import lake_folder, running_gateway
from tests.target import Target

pytestmark = [pytest.mark.slow, pytest.mark.spark]


@pytest.fixture
def remote_gateway(
    spark_engine: SparkEngine, lake: Mapping[TableName, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    """`lakegate serve` that starts no Spark of its own. The server asks for its token."""
    server = spark_engine._server
    token = tmp_path_factory.mktemp("remote") / "token"
    token.touch(mode=0o600)
    token.write_text(server.token)
    password = secrets.token_urlsafe()
    options = ("--spark-remote", f"sc://127.0.0.1:{server.port}")
    settings = {"LAKEGATE_SPARK_TOKEN_FILE": str(token)}
    with lake_folder(lake, password) as data, running_gateway(data, password, options, settings) as target:
        yield target


def test_a_server_that_runs_already_answers(remote_gateway: Target) -> None:
    answers = []
    for lane in ("duckdb", "spark"):
        with remote_gateway.connect(options=f"-c search_path=tpch -c lakegate.lane={lane}") as connection:
            answers.append(run(connection, QUERIES[0]))
    assert answers[0] == answers[1]
    assert len(answers[0].rows) == 4


def test_it_writes_too(remote_gateway: Target) -> None:
    with remote_gateway.connect(options="-c search_path=tpch", autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (id int, name text) USING delta")
        assert connection.execute("INSERT INTO kept VALUES (1, 'a'), (2, 'b')").rowcount == 2
        assert connection.execute("SELECT name FROM kept ORDER BY id").fetchall() == [("a",), ("b",)]
