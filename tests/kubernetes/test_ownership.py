"""Pods change hands by patches that only one can win; what the dead leave is taken over or reaped."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from catalog.errors import MachineLost
from compute.config import Executors, MachineSpec, Placement
from compute.spawners.kubernetes import ownership
from compute.spawners.kubernetes.api import Refused
from compute.spawners.kubernetes.channel import Pair
from compute.spawners.kubernetes.driver import companions, driver_pod
from compute.spawners.kubernetes.heartbeat import BEATS
from compute.spawners.kubernetes.manifests import guest_pod, leases_path, pods_path, secret_name, secrets_path
from compute.transport import Frame, Kind
from tests.cluster.build import commands_folder
from tests.cluster.control_plane import running_control_plane
from tests.cluster.host_node import HostNode
from tests.fix_cluster import Machines, eventually, lone_namespace, open_spawner, pod_pool, running_host_node
from tests.fix_compute import ask, duckdb_config

SPEC = MachineSpec("duckdb", "user", threads=1, memory_bytes=128 << 20)
DRIVER = MachineSpec("spark", "shared", 1, 128 << 20, placement=Placement(workspace="demo"), executors=Executors())
DURATION = 6.0
"""Seconds without a sign of life after which a gateway is taken for dead: one on a busy host gives some late."""
DEADLINE = 600.0
IDENTITY = {"hostname": "h", "time_ns": 0, "seed": "00" * 64, "workspace": "demo", "warehouse": "/nowhere"}


async def test_of_a_claim_and_an_adoption_one_wins(machines: Machines) -> None:
    """Two instances of one gateway's name, at the same moment, twenty times."""
    admin = machines.admin
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "none", "uid": "none"}
    for number in range(20):
        pod = guest_pod(machines.config, f"pod-{number}", SPEC, ownership.labels("gw-0", "old", "t"), owner)
        path = pods_path(machines.namespace, f"pod-{number}")
        await admin.create(pods_path(machines.namespace), pod)
        attempts = [admin.patch(path, ownership.claim("old")), admin.patch(path, ownership.adoption("new", "old"))]
        outcomes = await asyncio.gather(*(attempts if number % 2 else reversed(attempts)), return_exceptions=True)
        lost = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
        assert len(lost) == 1
        assert lost[0].conflicts
        labels = (await admin.read(path))["metadata"]["labels"]
        assert (labels[ownership.INSTANCE], labels[ownership.STATE]) in {("old", "claimed"), ("new", "warm")}


async def test_a_claimed_pod_is_not_claimed_again(machines: Machines) -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "none", "uid": "none"}
    pod = guest_pod(machines.config, "pod", SPEC, ownership.labels("gw-0", "one", "t"), owner)
    await machines.admin.create(pods_path(machines.namespace), pod)
    path = pods_path(machines.namespace, "pod")
    outcomes = await asyncio.gather(
        *(machines.admin.patch(path, ownership.claim("one")) for _ in range(10)), return_exceptions=True
    )
    assert sum(not isinstance(outcome, Refused) for outcome in outcomes) == 1
    annotations = (await machines.admin.read(path))["metadata"]["annotations"]
    assert (annotations[ownership.KEEP_NODE], annotations[ownership.EVICTABLE]) == ("true", "false")


@pytest.mark.parametrize("state", [ownership.WARM, ownership.CLAIMED])
async def test_a_start_that_is_given_up_while_it_adopts_leaves_no_pod(machines: Machines, state: str) -> None:
    """But one that its earlier instance claimed meanwhile is not touched."""
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "none", "uid": "none"}
    key, path = ownership.template_key(SPEC, machines.config), pods_path(machines.namespace, "pod")
    pod = guest_pod(machines.config, "pod", SPEC, ownership.labels("gw-0", "old", key), owner)
    await machines.admin.create(pods_path(machines.namespace), pod)
    async with open_spawner(machines.config) as spawner:
        await eventually(lambda: "pod" in spawner._adoptable[key])
        if state == ownership.CLAIMED:
            await spawner._informers[-1].stop()
            await machines.admin.patch(path, ownership.claim("old"))
        start = asyncio.create_task(spawner.start(SPEC))
        await asyncio.sleep(0)
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start
        await eventually(lambda: not spawner._machines)
        left = [each["metadata"]["labels"][ownership.STATE] for each in await machines.pods()]
        assert left == ([state] if state == ownership.CLAIMED else [])


async def test_what_could_not_be_adopted_just_now_is_adopted_later(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the attempt is left, although the API server tells of the pod meanwhile."""
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "none", "uid": "none"}
    key, path = ownership.template_key(SPEC, machines.config), pods_path(machines.namespace, "pod")
    pod = guest_pod(machines.config, "pod", SPEC, ownership.labels("gw-0", "old", key), owner)
    pod["spec"]["nodeName"] = "n"
    await machines.admin.create(pods_path(machines.namespace), pod)
    async with open_spawner(machines.config) as spawner:

        async def no_sign_of_life() -> bool:
            await machines.admin.patch(path, [{"op": "add", "path": "/metadata/annotations/seen", "value": "yes"}])
            await eventually(lambda: "pod" in spawner._node_of)
            return False

        await eventually(lambda: "pod" in spawner._adoptable[key])
        with monkeypatch.context() as silent:
            silent.setattr(spawner, "_beat", no_sign_of_life)
            assert await spawner._adopt(SPEC, key) is None
        assert (list(spawner._adoptable[key]), spawner._machines, spawner._node_of) == (["pod"], {}, {})
        adopted = await spawner._adopt(SPEC, key)
        assert adopted is not None
        assert adopted.name == "pod"
        assert not spawner._adoptable[key]
        await machines.admin.delete(path, grace_seconds=0)


@pytest.mark.parametrize("made", [0, 1, 2])
async def test_a_driver_whose_creator_was_killed_on_the_way_gets_what_it_lacks(machines: Machines, made: int) -> None:
    """Its pod comes first, then a Secret and a network policy; what is there stays as it is."""
    config, owner = machines.config, {"apiVersion": "v1", "kind": "ConfigMap", "name": "none", "uid": "none"}
    key, admin = ownership.template_key(DRIVER, config), machines.admin
    labels = ownership.labels("gw-0", "old", key)
    pod = await admin.create(pods_path(machines.namespace), driver_pod(config, "pod", DRIVER, labels, owner))
    wanted = companions(config, pod, "demo")
    former = [await admin.create(path, companion) for path, companion in wanted[:made]]
    async with open_spawner(config) as spawner:
        await eventually(lambda: "pod" in spawner._adoptable[key])
        assert await spawner._adopt(DRIVER, key) is not None
        found = [await admin.read(f"{path}/pod") for path, _ in wanted]
        assert found[:made] == former
        assert [each["metadata"]["ownerReferences"][0]["uid"] for each in found] == [pod["metadata"]["uid"]] * 2


@dataclass(frozen=True, slots=True)
class Gateway:
    """A pool in a process of its own. `pods` names its warm ones."""

    process: asyncio.subprocess.Process
    pods: Sequence[str] = ()

    async def next_pods(self) -> Sequence[str]:
        """Its two warm ones, once there are others than before: their guests have answered it."""
        assert self.process.stdout is not None
        async with asyncio.timeout(DEADLINE):
            named: Sequence[str] = json.loads(await self.process.stdout.readline())
        return named

    async def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()


@asynccontextmanager
async def other_gateway(machines: Machines, name: str, heartbeat_seconds: float) -> AsyncIterator[Gateway]:
    """With two warm machines and a third that is claimed. Killed on leaving, if it was not before."""
    command = ["-m", "tests.kubernetes.gateway", machines.namespace, name, str(machines.config.kubeconfig)]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *command, str(heartbeat_seconds)), stdout=asyncio.subprocess.PIPE, env=os.environ
    )
    try:
        gateway = Gateway(process)
        yield replace(gateway, pods=await gateway.next_pods())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_restarted_gateway_adopts_what_is_unused_and_reaps_the_rest(
    machines: Machines, host_node: HostNode, warehouse: Path
) -> None:
    async with other_gateway(machines, "gw-0", 40.0) as former:
        await former.kill()
        names = {pod["metadata"]["name"] for pod in await machines.pods()}
        assert len(names) == 3
        async with pod_pool(machines.config, duckdb_config(warm_machines=2, max_machines=2), warehouse) as pool:
            lease = await pool.lease("duckdb", workspace="demo", principal="ada")
            assert await ask(lease, "SELECT 1 AS one") == [{"one": 1}]
            left = await pods_settle(machines, 2)
            assert left == set(former.pods)
            await lease.release()


async def test_pods_of_a_gateway_that_does_not_return_are_reaped(machines: Machines, host_node: HostNode) -> None:
    async with (
        other_gateway(machines, "gw-1", DURATION) as neighbour,
        open_spawner(replace(machines.config, heartbeat_seconds=DURATION)),
    ):
        assert len(await machines.pods()) == 3
        await signs_of_life(machines, "gw-1", BEATS + 1)
        assert len(await machines.pods()) == 3, "a gateway that lives keeps its pods"
        await neighbour.kill()
        assert await pods_settle(machines, 0) == set()
        await eventually(lambda: one_lease_is_left(machines))


async def one_lease_is_left(machines: Machines) -> bool:
    """The pods go first."""
    return await machines.leases() == ["lakegate-gw-0"]


async def signs_of_life(machines: Machines, gateway: str, count: int) -> None:
    """Returns once it has given so many."""
    seen: set[str] = set()

    async def are_so_many() -> bool:
        lease = await machines.admin.read(leases_path(machines.namespace, f"lakegate-{gateway}"))
        seen.add(lease["spec"]["renewTime"])
        return len(seen) > count

    await eventually(are_so_many)


async def test_a_gateway_that_was_replaced_lets_go(machines: Machines, host_node: HostNode) -> None:
    """Two processes under one name: the later one has it, and what it adopted can't be claimed by the earlier."""
    patient = replace(machines.config, heartbeat_seconds=3600.0)
    async with open_spawner(patient) as earlier, open_spawner(patient) as later:
        machine = await earlier.start(SPEC)
        connection = await machine.connect()
        await connection.expect(Kind.HELLO)
        await eventually(lambda: machine.name in [name for pods in later._adoptable.values() for name in pods])
        adopted = await later.start(SPEC)
        assert adopted.name == machine.name
        connection.send(Frame(Kind.IDENTITY, control=IDENTITY))
        with pytest.raises(MachineLost):
            await connection.expect(Kind.READY)
        assert await earlier.poll(machine) is not None
        assert await later.poll(adopted) is None


async def test_a_gateway_that_was_taken_for_dead_has_machines_again(collected: Machines) -> None:
    """Silent for too long, it finds pods and Lease deleted by a neighbour, and its Secrets gone with the Lease."""
    async with (
        running_host_node(collected),
        open_spawner(replace(collected.config, heartbeat_seconds=DURATION)),
        other_gateway(collected, "gw-1", DURATION) as silent,
    ):
        secret = secrets_path(collected.namespace, secret_name("gw-1", "guest"))
        silent.process.send_signal(signal.SIGSTOP)
        await eventually(lambda: is_absent(collected, secret))
        silent.process.send_signal(signal.SIGCONT)
        assert set(await silent.next_pods()).isdisjoint(silent.pods)
        lease = await collected.admin.read(leases_path(collected.namespace, "lakegate-gw-1"))
        (owner,) = (await collected.admin.read(secret))["metadata"]["ownerReferences"]
        assert owner["uid"] == lease["metadata"]["uid"]


@pytest.fixture
async def collected(tmp_path: Path) -> AsyncIterator[Machines]:
    """On an API server with a garbage collector: what belongs to nothing is deleted."""
    with running_control_plane(commands_folder(), tmp_path) as plane:
        plane.start_controllers("--controllers=garbage-collector-controller")
        async with lone_namespace(plane) as machines:
            yield machines


async def is_absent(machines: Machines, path: str) -> bool:
    try:
        await machines.admin.read(path)
    except Refused as refused:
        return refused.is_absent
    return False


async def test_guests_outlive_their_channels_certificates(
    machines: Machines, host_node: HostNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pair that nears its end gets a successor; who started with the former is spoken to by it."""
    secret = secrets_path(machines.namespace, secret_name("gw-0", "guest"))
    async with open_spawner(replace(machines.config, heartbeat_seconds=DURATION)) as spawner:
        older, former = await spawner.start(SPEC), await machines.admin.read(secret)
        answers = iter([False])
        monkeypatch.setattr(Pair, "lasts", lambda _pair: next(answers, True))

        async def is_renewed() -> bool:
            return (await machines.admin.read(secret))["data"] != former["data"]

        await eventually(is_renewed)
        newer = await spawner.start(SPEC)
        for machine in (older, newer):
            connection = await machine.connect()
            await connection.expect(Kind.HELLO)
            connection.abort()


async def pods_settle(machines: Machines, count: int) -> set[str]:
    """Their names, once there are so many."""
    names: set[str] = set()

    async def are_so_many() -> bool:
        names.clear()
        names.update(pod["metadata"]["name"] for pod in await machines.pods())
        return len(names) == count

    await eventually(are_so_many)
    return names
