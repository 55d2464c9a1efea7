"""Many nodes and pods, which KWOK simulates: churn of claims, spot nodes that go, a collector of what is owned."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from benchmarks.stubs import running_stubs
from compute.config import EngineConfig
from compute.config import NodeType as FleetNodeType
from compute.pool import Pool
from compute.spawners.kubernetes.manifests import pods_path, secret_name, secrets_path
from compute.spawners.kubernetes.namespace import MACHINE
from compute.spawners.kubernetes.nodes import NodeType
from tests.cluster.build import commands_folder
from tests.cluster.control_plane import ControlPlane, running_control_plane
from tests.cluster.simulated import StubGuests, create_nodes, start_kwok
from tests.fix_cluster import Machines, eventually, pod_pool, prepared_namespace, spare
from tests.fix_compute import ask

pytestmark = pytest.mark.slow
NODES = 60
WARM = 20
CLAIMS = 120
AT_ONCE = 12
ENGINE = EngineConfig("duckdb", "user", warm_machines=WARM, max_machines=4 * WARM, start_seconds=120.0)
SPOT = {"karpenter.sh/capacity-type": "spot"}


@pytest.fixture(scope="module")
def simulation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A whole control plane whose nodes are KWOK's."""
    with running_control_plane(commands_folder(), tmp_path_factory.mktemp("simulation")) as plane:
        plane.start_controllers()
        plane.start_scheduler()
        start_kwok(plane)
        yield plane


@dataclass(frozen=True, slots=True)
class Fleet:
    """A pool of simulated pods, and the nodes that they may go to."""

    machines: Machines
    pool: Pool
    spot: list[str]

    async def nodes_in_use(self) -> Counter[str]:
        return Counter(node for pod in await self.machines.pods() if (node := pod["spec"].get("nodeName")))


@pytest.fixture
async def fleet(simulation: ControlPlane, tmp_path: Path) -> AsyncIterator[Fleet]:
    """Its pods prefer spot nodes, of which there are half."""
    async with prepared_namespace(simulation) as machines, running_stubs(tmp_path, 1) as sockets:
        spot = await create_nodes(machines.admin, NODES // 2, SPOT, f"{machines.namespace}-spot")
        others = await create_nodes(machines.admin, NODES // 2, prefix=f"{machines.namespace}-other")
        await eventually(lambda: are_ready(machines, {*spot, *others}))
        secret = secret_name(machines.config.gateway, "guest")
        guests = StubGuests(machines.admin, machines.namespace, secret, sockets[0], tmp_path)
        await guests.start()
        config = replace(machines.config, default_node=NodeType("cheap", "spot-or-on-demand"))
        try:
            async with pod_pool(config, ENGINE, tmp_path) as pool:
                await eventually(lambda: len(spare(pool)) == WARM)
                yield Fleet(machines, pool, spot)
            assert await machines.leases() == []
            await eventually(machines.are_gone)
        finally:
            await guests.stop()
            await asyncio.gather(*(machines.admin.delete(f"/api/v1/nodes/{name}") for name in (*spot, *others)))


@pytest.fixture
async def packed(simulation: ControlPlane, tmp_path: Path) -> AsyncIterator[Fleet]:
    """Its pods are placed on nodes that hold three each."""
    async with prepared_namespace(simulation) as machines, running_stubs(tmp_path, 1) as sockets:
        label = {"tests/pool": machines.namespace}
        nodes = await create_nodes(machines.admin, NODES // 3, label, f"{machines.namespace}-metal")
        guests = StubGuests(
            machines.admin, machines.namespace, secret_name(machines.config.gateway, "guest"), sockets[0], tmp_path
        )
        await guests.start()
        config = replace(machines.config, node_types={"metal": NodeType("metal", labels=label, placed=True)})
        engine = replace(ENGINE, threads=20, node_types=("metal",))
        types = (FleetNodeType("metal", placed=True),)
        try:
            async with pod_pool(config, engine, tmp_path, node_types=types) as pool:
                await eventually(lambda: len(spare(pool)) == WARM)
                yield Fleet(machines, pool, nodes)
            await eventually(machines.are_gone)
        finally:
            await guests.stop()
            await asyncio.gather(*(machines.admin.delete(f"/api/v1/nodes/{name}") for name in nodes))


async def are_ready(machines: Machines, names: set[str]) -> bool:
    """Else pods would go to whichever is the first."""
    nodes = (await machines.admin.list("/api/v1/nodes"))["items"]
    return names <= {node["metadata"]["name"] for node in nodes if not node["spec"].get("taints")}


async def test_claims_and_recycles_go_on_and_on(fleet: Fleet) -> None:
    """Each lease has a pod of its own, which is gone after it; the pool stays full; nothing is left at the end."""
    used: Counter[str] = Counter()

    async def use(times: int) -> None:
        for _ in range(times):
            lease = await fleet.pool.lease("duckdb", workspace="demo", principal="ada")
            used[machine_of(fleet.pool, lease)] += 1
            assert await ask(lease, "SELECT 1 AS one") == [{"one": 1}]
            await lease.release()

    await asyncio.gather(*(use(CLAIMS // AT_ONCE) for _ in range(AT_ONCE)))
    assert (len(used), set(used.values())) == (CLAIMS, {1})
    await eventually(lambda: len(spare(fleet.pool)) == WARM)
    await eventually(lambda: len(fleet.pool._members) == fleet.pool.count("duckdb").total() == WARM)


def machine_of(pool: Pool, lease: object) -> str:
    return next(member.machine.name for member in pool._members.values() if lease in member.leases)


async def test_machines_leave_spot_nodes_that_are_reclaimed(fleet: Fleet) -> None:
    """All of them at once: on-demand nodes take their place, and no lease is granted on what goes."""
    assert set(await fleet.nodes_in_use()) <= set(fleet.spot)
    taint = [{"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}]
    operations = [{"op": "add", "path": "/spec/taints", "value": taint}]
    await asyncio.gather(*(fleet.machines.admin.patch(f"/api/v1/nodes/{name}", operations) for name in fleet.spot))

    async def has_moved() -> bool:
        return not set(await fleet.nodes_in_use()) & set(fleet.spot) and len(spare(fleet.pool)) == WARM

    await eventually(has_moved)
    lease = await fleet.pool.lease("duckdb", workspace="demo", principal="ada")
    assert await ask(lease, "SELECT 1 AS one") == [{"one": 1}]
    await lease.release()


async def test_machines_of_a_node_that_is_gone_are_lost_at_once(fleet: Fleet) -> None:
    """An instance that was taken away: its pods can't be asked, so what they held is given up and replaced."""
    lease = await fleet.pool.lease("duckdb", workspace="demo", principal="ada")
    taken = sorted(await fleet.nodes_in_use())
    await asyncio.gather(*(fleet.machines.admin.delete(f"/api/v1/nodes/{name}") for name in taken))
    await eventually(lambda: lease.lost)
    await lease.release()

    async def is_replaced() -> bool:
        return not set(await fleet.nodes_in_use()) & set(taken) and len(spare(fleet.pool)) == WARM

    await eventually(is_replaced)


async def test_what_a_gateway_owns_goes_with_its_lease(fleet: Fleet) -> None:
    """The cluster's own collector does it: pods, and the channel's Secrets."""
    admin, namespace = fleet.machines.admin, fleet.machines.namespace
    former = {pod["metadata"]["name"] for pod in await fleet.machines.pods()}
    await admin.delete(f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/lakegate-gw-0")

    async def is_collected() -> bool:
        secrets = (await admin.list(secrets_path(namespace)))["items"]
        return not former & {pod["metadata"]["name"] for pod in await fleet.machines.pods()} and secrets == []

    await eventually(is_collected)


async def test_placed_machines_are_packed_and_the_scheduler_agrees(packed: Fleet) -> None:
    """Twenty machines, three a node: seven nodes, and none waits for room that the fleet only thought to be there."""
    used = await packed.nodes_in_use()
    assert sorted(used.values()) == [2, *[3] * (WARM // 3)]
    await asyncio.gather(*(packed.pool.lease("duckdb", workspace="demo", principal="ada") for _ in range(AT_ONCE)))
    await eventually(lambda: len(spare(packed.pool)) == WARM)
    assert max((await packed.nodes_in_use()).values()) == 3


async def test_where_the_scheduler_finds_no_room_another_node_is_chosen(packed: Fleet) -> None:
    """Somebody else has come to the nodes that are next: starts there fail soon, and machines come elsewhere."""
    nodes, used = packed.pool._fleet._roster.nodes, await packed.nodes_in_use()
    taken = [node.name for node in nodes if node.name not in used][:2]
    space = pods_path(packed.machines.settings.gateway_namespace)
    await asyncio.gather(*(packed.machines.admin.create(space, stranger(name)) for name in taken))

    async def have_come() -> bool:
        strangers = (await packed.machines.admin.list(space))["items"]
        return [each["status"]["phase"] for each in strangers] == ["Running", "Running"]

    await eventually(have_come)
    leases = [packed.pool.lease("duckdb", workspace="demo", principal="ada") for _ in range(AT_ONCE)]
    held = await asyncio.gather(*leases)
    await eventually(lambda: len(spare(packed.pool)) == WARM)
    assert not set(taken) & set(await packed.nodes_in_use())
    assert all(node.breaker.failures for node in nodes if node.name in taken), "they were tried"
    await asyncio.gather(*(lease.release() for lease in held))


def stranger(node: str) -> dict[str, object]:
    """A pod that leaves no room for a machine on the node, and gives way to none."""
    container = {"name": "c", "image": "i", "resources": {"requests": {"cpu": "60"}}}
    spec = {"nodeName": node, "containers": [container], "priorityClassName": MACHINE}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"x-{node}"}, "spec": spec}
