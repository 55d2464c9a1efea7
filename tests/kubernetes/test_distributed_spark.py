"""Spark as pods of a real node: a driver, two executors, and what becomes of a query when one of them is killed."""

import asyncio
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Event

import pytest

from catalog.names import TableName
from compute.spawners.kubernetes import ownership
from compute.spawners.kubernetes.api import Object
from compute.spawners.kubernetes.driver import EXECUTOR
from compute.spawners.kubernetes.manifests import pods_path
from tests.conformance.tpch.test_tpch import QUERIES, Result, run
from tests.fix_cluster import Machines, apply, eventually
from tests.fix_gateway import lake_folder, running_gateway
from tests.target import Target

pytestmark = [pytest.mark.slow, pytest.mark.spark, pytest.mark.soak]
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
        apply(real.plane, volume(real, data / "warehouse"))
        try:
            with running_gateway(data, password, options, settings) as target:
                yield target
        finally:
            real.plane.run("kubectl", "delete", "persistentvolume", real.namespace, "--wait=false")


def volume(machines: Machines, folder: Path) -> list[Object]:
    """The gateway's folder as a volume of the node, which is this very host, and the namespace's claim of it."""
    name = machines.namespace
    size = {"storage": "1Gi"}
    terms = [{"matchExpressions": [{"key": "tests/node", "operator": "Exists"}]}]
    shared = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    held = {
        **shared,
        "capacity": size,
        "local": {"path": str(folder)},
        "claimRef": {"namespace": name, "name": CLAIM},
        "nodeAffinity": {"required": {"nodeSelectorTerms": terms}},
    }
    claimed = {**shared, "resources": {"requests": size}, "volumeName": name}
    return [
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": held},
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": CLAIM, "namespace": name},
            "spec": claimed,
        },
    ]


def ask(target: Target, lane: str) -> Result:
    with target.connect(options=f"-c search_path=tpch -c lakegate.lane={lane}") as connection:
        return run(connection, QUERY_5)


def ask_until(target: Target, over: Event) -> list[Result]:
    """One after the other, so that there is nearly always one under way."""
    answers = []
    while not over.is_set():
        answers.append(ask(target, "spark"))
    return answers


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
    """With both executors, each of which has its part of the work; with one that is killed in the middle; and after one
    has been asked to go, which hands its blocks on first."""
    expected = await asyncio.to_thread(ask, spark_gateway, "duckdb")
    assert len(expected.rows) == 5
    assert await asyncio.to_thread(ask, spark_gateway, "spark") == expected
    pair = await executors(real)
    assert len(pair) == 2
    begun = {pod: tasks(real, pod) for pod in pair}
    assert min(begun.values()) > 0, begun

    over = Event()
    asking = asyncio.create_task(asyncio.to_thread(ask_until, spark_gateway, over))
    victim = pair[0]

    async def is_at_work() -> bool:
        return await asyncio.to_thread(tasks, real, victim) > begun[victim]

    async def is_replaced() -> bool:
        return len(set(await executors(real)) - {victim}) == 2

    try:
        await eventually(is_at_work, 300.0)
        await real.admin.delete(pods_path(real.namespace, victim), grace_seconds=0)
        await eventually(is_replaced, 300.0)
    finally:
        over.set()
    answers = await asking
    assert answers == [expected] * len(answers)
    assert answers

    leaver = pair[1]
    told = asyncio.create_task(asyncio.to_thread(log, real, leaver, "--follow"))
    await real.admin.delete(pods_path(real.namespace, leaver), grace_seconds=LEAVE_SECONDS)
    assert await asyncio.to_thread(ask, spark_gateway, "spark") == expected
    assert "Decommission executor" in await told
