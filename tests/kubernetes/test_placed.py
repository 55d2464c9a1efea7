"""Machines of placed node types: the fleet packs them on nodes as these join, drain and go."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compute.config import NodeType as FleetNodeType
from compute.config import PoolConfig
from compute.pool import Pool
from compute.spawners.kubernetes import spawner as spawner_module
from compute.spawners.kubernetes.config import KubernetesConfig
from compute.spawners.kubernetes.nodes import NodeType
from compute.spawners.kubernetes.spawner import KubernetesSpawner
from compute.spawners.split import SplitSpawner
from tests.cluster.host_node import HostNode
from tests.fix_cluster import Machines, eventually, spare
from tests.fix_compute import WAIT_SECONDS, ask, duckdb_config

ENGINE = duckdb_config(warm_machines=3, max_machines=4, node_types=("metal",))
MACHINE_MEBIBYTES = 256 + 256 + 96
"""Of its engine, of what surrounds that, and of the channel."""
POOL = "tests/pool"
SPOT_INTERRUPTION = {"key": "aws-node-termination-handler/spot-itn", "effect": "NoSchedule", "value": "now"}


def placed(machines: Machines) -> KubernetesConfig:
    """Nodes with this namespace's label are packed."""
    metal = NodeType("metal", labels={POOL: machines.namespace}, placed=True)
    return replace(machines.config, node_types={"metal": metal})


async def join(machines: Machines, letter: str, room: int) -> str:
    """A node with room for so many machines, and some bytes more. No controller is there to find it ready."""
    name, memory = f"{machines.namespace}-{letter}", room * MACHINE_MEBIBYTES + 1
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {POOL: machines.namespace}},
        "status": {"allocatable": {"cpu": "64", "memory": f"{memory}Mi", "pods": "99"}},
    }
    await machines.admin.create("/api/v1/nodes", node)
    await taint(machines, name)
    return name


async def taint(machines: Machines, node: str, *taints: object) -> None:
    operations = [{"op": "add", "path": "/spec/taints", "value": list(taints)}]
    await machines.admin.patch(f"/api/v1/nodes/{node}", operations)


async def leave(machines: Machines, node: str) -> None:
    await machines.admin.delete(f"/api/v1/nodes/{node}")


async def in_use(machines: Machines) -> Counter[str]:
    pods = [pod for pod in await machines.pods() if "deletionTimestamp" not in pod["metadata"]]
    return Counter(pod["spec"].get("nodeName", "none") for pod in pods)


@asynccontextmanager
async def packing(machines: Machines, warehouse: Path, **changes: Any) -> AsyncIterator[Pool]:
    """Only DuckDB's machines are pods, as where Spark has no executors."""
    wanted = PoolConfig((replace(ENGINE, **changes),), WAIT_SECONDS, node_types=(FleetNodeType("metal", placed=True),))
    spawner = SplitSpawner({"duckdb": KubernetesSpawner(placed(machines))})
    pool = Pool(spawner, wanted, lambda _workspace: str(warehouse))
    try:
        await pool.start()
        yield pool
    finally:
        await pool.close()


@pytest.fixture
async def nodes(machines: Machines, host_node: HostNode) -> AsyncIterator[dict[str, str]]:
    """Two large ones and a small one; another that is not of the type is the one where pods come to by themselves."""
    joined = {letter: await join(machines, letter, room) for letter, room in (("b", 3), ("c", 3), ("d", 1))}
    yield joined
    for name in joined.values():
        await leave(machines, name)


async def test_the_fewest_nodes_that_fit_best(machines: Machines, nodes: dict[str, str], warehouse: Path) -> None:
    """The small node first, then one of the large ones until it is full; each pod is where the fleet wanted it."""
    async with packing(machines, warehouse) as pool:
        await eventually(lambda: len(spare(pool)) == 3)
        used = await in_use(machines)
        assert used == {nodes["d"]: 1, max(used, key=used.__getitem__): 2}
        lease = await pool.lease("duckdb", workspace="demo", principal="ada")
        assert await ask(lease, "SELECT 1 AS one") == [{"one": 1}]
        await eventually(lambda: len(spare(pool)) == 3)
        assert sorted((await in_use(machines)).values()) == [1, 3], "the fourth completes the node that was begun"
        await lease.release()


async def test_leases_leave_a_drained_node(machines: Machines, nodes: dict[str, str], warehouse: Path) -> None:
    """What runs goes on; nobody new comes, and machines that wait there are replaced elsewhere."""
    async with packing(machines, warehouse, warm_machines=1, max_machines=3) as pool:
        await eventually(lambda: len(spare(pool)) == 1)
        assert set(await in_use(machines)) == {nodes["d"]}
        lease = await pool.lease("duckdb", workspace="demo", principal="ada")
        answer = await lease.execute("SELECT range AS n, repeat('x', 100) AS text FROM range(300000)")
        await anext(aiter(answer))
        await taint(machines, nodes["d"], SPOT_INTERRUPTION)
        await eventually(lambda: lease.leaving)
        other = await pool.lease("duckdb", workspace="demo", principal="bob")
        assert await ask(other, "SELECT 1 AS one") == [{"one": 1}]
        assert nodes["d"] not in {await node_of(machines, pool, other)}
        await other.release()
        async for _ in answer:
            pass
        await lease.release()
        await eventually(lambda: pool._fleet._roster.nodes.get(nodes["d"]) is None)


async def node_of(machines: Machines, pool: Pool, lease: object) -> str:
    name = next(member.machine.name for member in pool._members.values() if lease in member.leases)
    (pod,) = [pod for pod in await machines.pods() if pod["metadata"]["name"] == name]
    return str(pod["spec"]["nodeName"])


async def test_a_node_that_goes_is_forgotten(machines: Machines, host_node: HostNode, warehouse: Path) -> None:
    """With all that ran on it. Who asks for more waits for a node, whose machines then serve."""
    first = await join(machines, "b", 3)
    async with packing(machines, warehouse, warm_machines=1) as pool:
        lease = await pool.lease("duckdb", workspace="demo", principal="ada")
        await leave(machines, first)
        await eventually(lambda: lease.lost)
        await lease.release()
        await eventually(lambda: not pool.count("duckdb"))
        assert not list(pool._fleet._roster.nodes)
        second = await join(machines, "c", 3)
        lease = await pool.lease("duckdb", workspace="demo", principal="ada")
        assert await node_of(machines, pool, lease) == second
        await lease.release()
    await leave(machines, second)


async def test_what_nobody_adopts_holds_no_room_for_long(
    machines: Machines, nodes: dict[str, str], warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that was killed left machines on nodes that its next instance does not choose."""
    monkeypatch.setattr(spawner_module, "ADOPTION_SECONDS", 0.1)
    async with packing(machines, warehouse) as former:
        await eventually(lambda: len(spare(former)) == 3)
        left = {pod["metadata"]["name"] for pod in await machines.pods()}
        async with packing(machines, warehouse, warm_machines=0):

            async def are_gone() -> bool:
                return not left & {pod["metadata"]["name"] for pod in await machines.pods()}

            await eventually(are_gone)
