"""Spark as pods of a real node: a driver, two executors, and what becomes of a query when one of them is killed."""

import asyncio
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from catalog.names import TableName
from compute.spawners.kubernetes.manifests import pods_path
from tests.conformance.tpch.test_tpch import QUERIES, Result, run
from tests.fix_cluster import Machines, eventually
from tests.fix_gateway import lake_folder
from tests.kubernetes.spark import executors, running_spark_gateway
from tests.target import Target

pytestmark = [pytest.mark.slow, pytest.mark.spark]
QUERY_5 = QUERIES[4]
LEAVE_SECONDS = 30


@pytest.fixture
def spark_gateway(real: Machines, lake: Mapping[TableName, Path]) -> Iterator[Target]:
    """With two executors."""
    password = secrets.token_urlsafe()
    with (
        lake_folder(lake, password) as data,
        running_spark_gateway(real, data, password, "--executors", "2:2") as target,
    ):
        yield target


def ask(target: Target, lane: str) -> Result:
    with target.connect(options=f"-c search_path=tpch -c lakegate.lane={lane}") as connection:
        return run(connection, QUERY_5)


def wake(target: Target) -> None:
    """Returns once the driver is there, with its executors."""
    with target.connect(options="-c search_path=tpch -c lakegate.lane=spark") as connection:
        connection.execute("SELECT count(*) FROM nation")


def log(machines: Machines, pod: str, *options: str) -> str:
    """What an executor has said; with ``--follow`` to its end."""
    return machines.plane.run("kubectl", "logs", *options, "--namespace", machines.namespace, pod)


def tasks(machines: Machines, pod: str) -> int:
    """How many an executor has begun, by its own account."""
    return log(machines, pod).count("Running task")


async def test_query_five_of_tpch(real: Machines, spark_gateway: Target) -> None:
    """With an executor that is killed while it computes for it."""
    expected = await asyncio.to_thread(ask, spark_gateway, "duckdb")
    assert len(expected.rows) == 5
    await asyncio.to_thread(wake, spark_gateway)
    pair = await executors(real)
    assert len(pair) == 2
    victim, begun = pair[0], tasks(real, pair[0])

    async def is_at_work() -> bool:
        return await asyncio.to_thread(tasks, real, victim) > begun

    async def is_replaced() -> bool:
        return len(set(await executors(real)) - {victim}) == 2

    answer = asyncio.create_task(asyncio.to_thread(ask, spark_gateway, "spark"))
    await eventually(is_at_work)
    assert not answer.done()
    await real.admin.delete(pods_path(real.namespace, victim), grace_seconds=0)
    assert await answer == expected
    await eventually(is_replaced)


@pytest.mark.soak
async def test_an_executor_that_is_asked_to_go(real: Machines, spark_gateway: Target) -> None:
    """Both have their part of the work; the one that goes hands its blocks on first, and the next query is answered.

    It takes another driver and three more queries, so minutes.
    """
    expected = await asyncio.to_thread(ask, spark_gateway, "duckdb")
    assert await asyncio.to_thread(ask, spark_gateway, "spark") == expected
    pair = await executors(real)
    assert min(tasks(real, pod) for pod in pair) > 0
    leaver = pair[1]
    told = asyncio.create_task(asyncio.to_thread(log, real, leaver, "--follow"))
    await real.admin.delete(pods_path(real.namespace, leaver), grace_seconds=LEAVE_SECONDS)
    assert await asyncio.to_thread(ask, spark_gateway, "spark") == expected
    assert "Decommission executor" in await told
