"""Executors in containers of a real YARN."""

import secrets
from collections.abc import Mapping
from pathlib import Path

import pytest

from catalog.names import TableName
from tests.conformance.tpch.test_tpch import QUERIES, run
from tests.fix_gateway import lake_folder, running_gateway
from tests.masters.yarn import Yarn
from tests.processes import until

pytestmark = [pytest.mark.slow, pytest.mark.spark, pytest.mark.soak]


def test_a_query_of_tpch(yarn: Yarn, lake: Mapping[TableName, Path]) -> None:
    """Answered by executors, which end with the gateway."""
    password = secrets.token_urlsafe()
    settings = {
        "HADOOP_CONF_DIR": str(yarn.hadoop),
        "LAKEGATE_YARN_JARS": yarn.jars,
        "LAKEGATE_YARN_STAGING": str(yarn.staging),
        "LAKEGATE_EXECUTOR_MEMORY": "512",
    }
    options = ("--spark-master", "yarn", "--executors", "1:1")
    with lake_folder(lake, password) as data, running_gateway(data, password, options, settings) as target:
        answers = []
        for lane in ("duckdb", "spark"):
            with target.connect(options=f"-c search_path=tpch -c lakegate.lane={lane}") as connection:
                answers.append(run(connection, QUERIES[0]))
        assert yarn.containers()
    assert answers[0] == answers[1]
    assert len(answers[0].rows) == 4
    until(lambda: not yarn.containers())
