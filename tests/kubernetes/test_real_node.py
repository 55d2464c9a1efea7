"""The guest image in pods of a real node: kubelet, containerd, crun."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest

from catalog.names import TableName
from catalog.scans import Scan
from compute.lease import Lease
from compute.spawners.kubernetes import ownership
from compute.spawners.kubernetes.manifests import pods_path
from tests.conformance.tpch.test_tpch import QUERIES
from tests.drivers.test_psql import psql
from tests.fix_cluster import Machines, eventually, pod_pool
from tests.fix_compute import ROWS, ask, duckdb_config
from tests.fix_gateway import NO_SPARK, lake_folder, running_gateway
from tests.target import Target

pytestmark = pytest.mark.slow
PAIRS = "SELECT count(*) FROM lineitem, orders WHERE o_orderkey < 800 AND (l_orderkey + l_partkey * o_custkey) % 7 = 3"
"""Some seconds of work on one processor, and one row."""
ENGINE = duckdb_config(threads=1, warm_machines=1, max_machines=3, start_seconds=120.0)


@pytest.fixture
async def lease(real: Machines, warehouse: Path) -> AsyncIterator[Lease]:
    async with pod_pool(real.config, ENGINE, warehouse) as pool:
        taken = await pool.lease("duckdb", workspace="demo", principal="ada")
        yield taken
        await taken.release()


async def test_a_pod_reads_the_gateways_files(lease: Lease, points: Scan) -> None:
    sql = "SELECT count(*) AS n, sum(id) AS total FROM scan_0"
    assert await ask(lease, sql, scans=[points]) == [{"n": ROWS, "total": ROWS * (ROWS - 1) // 2}]


@pytest.fixture
def pods_gateway(real: Machines, lake: Mapping[TableName, Path]) -> Iterator[Target]:
    """`lakegate serve` whose machines are pods of the real node."""
    password = secrets.token_urlsafe()
    config = real.config
    settings = {
        "KUBECONFIG": str(config.kubeconfig),
        "LAKEGATE_KUBERNETES_NAMESPACE": config.namespace,
        "LAKEGATE_KUBERNETES_GATEWAY": config.gateway,
        "LAKEGATE_KUBERNETES_IMAGE": config.image,
        "LAKEGATE_KUBERNETES_CPU_SHARE": str(config.cpu_share),
    }
    options = ("--spawner", "kubernetes", "--min-machines", "1", "--memory", "512", *NO_SPARK)
    with lake_folder(lake, password) as data, running_gateway(data, password, options, settings) as target:
        yield target


def test_the_first_query_of_tpch(pods_gateway: Target, gateway: Target) -> None:
    """By psql, through the gateway, from a pod; as a process of this host answers it."""
    commands = ("SET search_path = tpch", "SET lakegate.lane = duckdb", QUERIES[0].read_text())
    shown, wanted = (psql(target, *commands) for target in (pods_gateway, gateway))
    assert shown == wanted
    assert shown.out.endswith("(4 rows)\n\n")


async def test_a_read_outlives_its_pod(real: Machines, pods_gateway: Target, gateway: Target) -> None:
    """The pod is taken away while it computes: nothing had been sent, so the gateway asks another."""
    expected = await asyncio.to_thread(count_pairs, gateway)
    answer = asyncio.create_task(asyncio.to_thread(count_pairs, pods_gateway))
    await eventually(lambda: has_claimed(real))
    (taken,) = await claimed(real)
    await real.admin.delete(pods_path(real.namespace, taken), grace_seconds=0)
    await eventually(lambda: has_claimed(real))
    assert taken not in await claimed(real)
    assert await answer == expected


def count_pairs(target: Target) -> object:
    with target.connect(options="-c search_path=tpch -c lakegate.lane=duckdb") as connection:
        return connection.execute(PAIRS).fetchone()


async def claimed(machines: Machines) -> list[str]:
    pods = [pod["metadata"] for pod in await machines.pods()]
    return [pod["name"] for pod in pods if pod["labels"][ownership.STATE] == ownership.CLAIMED]


async def has_claimed(machines: Machines) -> bool:
    return len(await claimed(machines)) > 0
