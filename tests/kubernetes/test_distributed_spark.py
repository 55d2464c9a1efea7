"""Spark as pods of a real node: a driver, two executors, and what becomes of a query when one of them is killed."""

import asyncio
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from catalog.names import TableName
from compute.spawners.kubernetes import ownership
from compute.spawners.kubernetes.driver import EXECUTOR
from compute.spawners.kubernetes.manifests import pods_path
from tests.conformance.tpch.test_tpch import QUERIES, Result, run
from tests.fix_cluster import Machines, apply, eventually, local_volume
from tests.fix_gateway import lake_folder, running_gateway
from tests.target import Target

pytestmark = [pytest.mark.slow, pytest.mark.spark]
QUERY_5 = QUERIES[4]
CLAIM = "warehouse"
LEAVE_SECONDS = 30


@pytest.fixture
def spark_gateway(real: Machines, lake: Mapping[TableName, Path]) -> Iterator[Target]:
    """`lakegate serve` whose Spark is a pod with two executors, over a volume that all of them have."""
    password = secrets.token_urlsafe()
    config = real.config
    settings = {
        "KUBECONFIG": str(config.kubeconfig),
        "LAKEGATE_KUBERNETES_NAMESPACE": config.namespace,
        "LAKEGATE_KUBERNETES_GATEWAY": config.gateway,
        "LAKEGATE_KUBERNETES_CPU_SHARE": str(config.cpu_share),
        "LAKEGATE_KUBERNETES_API_SERVER": real.plane.url,
        "LAKEGATE_KUBERNETES_WAREHOUSE_CLAIM": CLAIM,
        "LAKEGATE_EXECUTOR_MEMORY": "512",
    }
    options = ("--spawner", "kubernetes", "--min-machines", "1", "--memory", "512", "--executors", "2:2")
    with lake_folder(lake, password) as data:
        apply(real.plane, local_volume(real.namespace, CLAIM, data / "warehouse"))
        try:
            with running_gateway(data, password, options, settings) as target:
                yield target
        finally:
            real.plane.run("kubectl", "delete", "persistentvolume", real.namespace, "--wait=false")


def ask(target: Target, lane: str) -> Result:
    with target.connect(options=f"-c search_path=tpch -c lakegate.lane={lane}") as connection:
        return run(connection, QUERY_5)


def wake(target: Target) -> None:
    """Returns once the driver is there, with its executors."""
    with target.connect(options="-c search_path=tpch -c lakegate.lane=spark") as connection:
        connection.execute("SELECT count(*) FROM nation")


async def executors(machines: Machines) -> list[str]:
    """Those that run, by the names of their pods."""
    return [
        pod["metadata"]["name"]
        for pod in await machines.pods()
        if pod["metadata"]["labels"].get(ownership.APPLICATION) == EXECUTOR and pod["status"]["phase"] == "Running"
    ]


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
