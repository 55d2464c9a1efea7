"""A gateway's name in a cluster is one process's: who else may use it, and what becomes of the one that loses it."""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from compute.config import MachineSpec
from compute.spawners import CannotStart
from compute.spawners.kubernetes import ownership
from compute.spawners.kubernetes.manifests import guest_pod, leases_path, pods_path
from compute.transport import Kind
from gateway.bench import measure
from gateway.config import MEBIBYTE, Warehouse
from tests.cluster.host_node import HostNode
from tests.fix_cluster import Machines, eventually, open_spawner
from tests.fix_gateway import NO_SPARK, started_gateway

SPEC = MachineSpec("duckdb", "user", threads=1, memory_bytes=128 << 20)
OPTIONS = ("--spawner", "kubernetes", "--memory", "256", *NO_SPARK)
END_SECONDS = 600.0


def settings(machines: Machines) -> Mapping[str, str]:
    """What says to a process that it is the gateway of that configuration."""
    return {
        "KUBECONFIG": str(machines.config.kubeconfig),
        "LAKEGATE_KUBERNETES_NAMESPACE": machines.namespace,
        "LAKEGATE_KUBERNETES_GATEWAY": machines.config.gateway,
        "LAKEGATE_KUBERNETES_IMAGE": machines.config.image,
    }


async def test_a_benchmark_leaves_the_gateway_alone_whose_settings_it_shares(
    machines: Machines, host_node: HostNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings(machines).items():
        monkeypatch.setenv(name, value)
    async with open_spawner(machines.config) as living:
        machine = await living.start(SPEC)
        warehouse = Warehouse(spawner="kubernetes", duckdb_memory=256 * MEBIBYTE)
        measured = await measure(warehouse, "duckdb", 1, 1)
        assert len(measured.start) == len(measured.claim) == 1
        lease = await machines.admin.read(leases_path(machines.namespace, "lakegate-gw-0"))
        assert lease["spec"]["holderIdentity"] == living.instance
        assert await living.poll(machine) is None
        connection = await machine.connect()
        await connection.expect(Kind.HELLO)
        connection.abort()


async def test_a_gateway_whose_name_another_takes_ends_and_says_so(
    machines: Machines, host_node: HostNode, passable_folder: Path
) -> None:
    data, password = passable_folder / "superseded", secrets.token_urlsafe()
    with started_gateway(data, password, OPTIONS, settings(machines)) as daemon:
        async with open_spawner(machines.config) as later:
            assert await asyncio.to_thread(daemon.process.wait, END_SECONDS) == 1
            assert await later.start(SPEC)
    assert "another gateway has taken the name gw-0" in daemon.log[-1]
    assert "give each a name of its own" in daemon.log[-1]


async def test_what_a_later_instance_has_is_not_reaped(machines: Machines) -> None:
    """A claimed pod of another instance is one that an earlier one left, or one that a later one uses."""
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "none", "uid": "none"}
    patient = replace(machines.config, heartbeat_seconds=3600.0)
    told: list[str] = []
    async with open_spawner(patient) as earlier, open_spawner(patient) as later:
        earlier.watch_name(told.append)
        await later._informers[-1].stop()
        claimed = {**ownership.labels("gw-0", "later", "t"), ownership.STATE: ownership.CLAIMED}
        await machines.admin.create(
            pods_path(machines.namespace), guest_pod(machines.config, "pod", SPEC, claimed, owner)
        )
        await eventually(lambda: bool(told))
        assert [pod["metadata"]["name"] for pod in await machines.pods()] == ["pod"]
        with pytest.raises(CannotStart, match="another gateway has taken the name"):
            await earlier.start(SPEC)
        await machines.admin.delete(pods_path(machines.namespace, "pod"), grace_seconds=0)
