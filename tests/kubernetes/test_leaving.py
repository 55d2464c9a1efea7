"""Nodes and pods that are about to go: spot capacity is reclaimed, a node is drained, a pod evicted."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compute.spawners.kubernetes import ownership
from compute.spawners.kubernetes.api import Object
from compute.spawners.kubernetes.manifests import pods_path
from tests.cluster.host_node import HostNode
from tests.fix_cluster import Machines, eventually, pod_pool, spare
from tests.fix_compute import ask, duckdb_config, rows

ENGINE = duckdb_config(warm_machines=1, max_machines=3)
SPOT_INTERRUPTION = {"key": "aws-node-termination-handler/spot-itn", "effect": "NoSchedule", "value": "now"}
MANY = 300_000


@pytest.fixture
async def nodes(machines: Machines, host_node: HostNode) -> Any:
    """Two; pods come to the first."""
    for letter in "ab":
        metadata = {"name": f"{machines.namespace}-{letter}"}
        await machines.admin.create("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": metadata})
    yield host_node
    for letter in "ab":
        await machines.admin.delete(f"/api/v1/nodes/{machines.namespace}-{letter}")


async def interrupt(machines: Machines, node: HostNode) -> None:
    """The first node gets notice, and new pods come to the second."""
    node.name = f"{machines.namespace}-b"
    operations = [{"op": "add", "path": "/spec/taints", "value": [SPOT_INTERRUPTION]}]
    await machines.admin.patch(f"/api/v1/nodes/{machines.namespace}-a", operations)


def state(pod: Object) -> object:
    return pod["metadata"]["labels"][ownership.STATE]


async def evict(machines: Machines, pod: Object) -> None:
    """As a drain does it."""
    metadata = {"name": pod["metadata"]["name"], "namespace": machines.namespace}
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    await machines.admin.create(f"{pods_path(machines.namespace, metadata['name'])}/eviction", eviction)


async def test_unclaimed_machines_of_a_node_that_goes_are_replaced(
    machines: Machines, nodes: HostNode, warehouse: Path
) -> None:
    async with pod_pool(machines.config, ENGINE, warehouse) as pool:
        await eventually(lambda: len(spare(pool)) == 1)
        former = spare(pool)
        await interrupt(machines, nodes)
        await eventually(lambda: len(spare(pool)) == 1 and spare(pool) != former)
        placed = {pod["spec"]["nodeName"] for pod in await machines.pods() if pod["metadata"]["name"] in spare(pool)}
        assert placed == {f"{machines.namespace}-b"}


async def test_an_idle_lease_moves(machines: Machines, nodes: HostNode, warehouse: Path) -> None:
    async with pod_pool(machines.config, ENGINE, warehouse) as pool:
        lease = await pool.lease("duckdb", workspace="demo", principal="ada")
        assert await ask(lease, "SELECT 1 AS one") == [{"one": 1}]
        assert not lease.lost
        await interrupt(machines, nodes)
        await eventually(lambda: lease.lost)
        await lease.release()
        moved = await pool.lease("duckdb", workspace="demo", principal="ada")
        assert await ask(moved, "SELECT 2 AS two") == [{"two": 2}]
        await moved.release()


async def test_a_running_statement_ends_before_its_lease_moves(
    machines: Machines, nodes: HostNode, warehouse: Path
) -> None:
    """A grace of half a minute is what an evicted pod has, and two minutes what a spot node gives."""
    async with pod_pool(machines.config, ENGINE, warehouse) as pool:
        lease = await pool.lease("duckdb", workspace="demo", principal="ada")
        answer = await lease.execute(f"SELECT range AS n, repeat('x', 100) AS text FROM range({MANY})")
        first = await anext(aiter(answer))
        await interrupt(machines, nodes)
        (claimed,) = [pod for pod in await machines.pods() if state(pod) == ownership.CLAIMED]
        await evict(machines, claimed)
        rest = await rows(answer)
        assert first.num_rows + len(rest) == MANY
        await eventually(lambda: lease.lost)
        await lease.release()


async def test_who_comes_later_does_not_end_a_running_statement(
    machines: Machines, nodes: HostNode, warehouse: Path
) -> None:
    """A shared machine has room for one more, but it leaves: the next lease is on another."""
    shared = replace(ENGINE, mode="shared", leases_per_machine=2)
    async with pod_pool(machines.config, shared, warehouse) as pool:
        lease = await pool.lease("duckdb", workspace="demo", principal="ada")
        answer = await lease.execute(f"SELECT range AS n, repeat('x', 100) AS text FROM range({MANY})")
        first = await anext(aiter(answer))
        await interrupt(machines, nodes)
        await eventually(lambda: lease.leaving)
        other = await pool.lease("duckdb", workspace="demo", principal="bob")
        assert await ask(other, "SELECT 1 AS one") == [{"one": 1}]
        assert first.num_rows + len(await rows(answer)) == MANY
        await other.release()
        await lease.release()


async def test_what_was_evicted_is_replaced(machines: Machines, nodes: HostNode, warehouse: Path) -> None:
    async with pod_pool(machines.config, ENGINE, warehouse) as pool:
        await eventually(lambda: len(spare(pool)) == 1)
        (former,) = spare(pool)
        (pod,) = await machines.pods()
        await evict(machines, pod)
        await eventually(lambda: len(spare(pool)) == 1 and former not in spare(pool))
        lease = await pool.lease("duckdb", workspace="demo", principal="ada")
        assert await ask(lease, "SELECT 1 AS one") == [{"one": 1}]
        await lease.release()
