"""A control plane of this machine alone, with any number of nodes that KWOK pretends."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from compute.spawners.kubernetes.api import Api
from tests.cluster.build import commands_folder
from tests.cluster.control_plane import ControlPlane, running_control_plane
from tests.cluster.simulated import create_nodes, start_kwok
from tests.fix_cluster import Machines, eventually, prepared_namespace

LEASE_SECONDS = 400
"""Nodes renew their Leases every quarter of it. Kubelets do so every ten seconds, which for thousands of nodes is more
than what is measured here, on two processors."""
GRACE_SECONDS = 3 * LEASE_SECONDS
READY_SECONDS = 600.0
PAUSE_SECONDS = 0.5


@contextmanager
def simulated_cluster(nodes: int) -> Iterator[ControlPlane]:
    """All of its nodes are ready."""
    with (
        tempfile.TemporaryDirectory(prefix="lakegate-churn-") as folder,
        running_control_plane(commands_folder(), Path(folder)) as plane,
    ):
        plane.start_controllers(f"--node-monitor-grace-period={GRACE_SECONDS}s")
        plane.start_scheduler()
        start_kwok(plane, f"--node-lease-duration-seconds={LEASE_SECONDS}")
        asyncio.run(_add_nodes(plane, nodes))
        yield plane


@contextmanager
def machines(plane: ControlPlane) -> Iterator[Machines]:
    """A namespace that an administrator has prepared."""
    with asyncio.Runner() as runner:
        prepared = prepared_namespace(plane)
        yield runner.run(prepared.__aenter__())
        runner.run(prepared.__aexit__(None, None, None))


async def _add_nodes(plane: ControlPlane, count: int) -> None:
    async with _administrator(plane) as admin:
        await create_nodes(admin, count)
        await eventually(lambda: _are_ready(admin), READY_SECONDS)


async def _are_ready(admin: Api) -> bool:
    """The controllers take the taint from nodes that are."""
    nodes = (await admin.list("/api/v1/nodes"))["items"]
    await asyncio.sleep(PAUSE_SECONDS)
    return not any(node["spec"].get("taints") for node in nodes)


@asynccontextmanager
async def _administrator(plane: ControlPlane) -> AsyncIterator[Api]:
    admin = await Api.connect(plane.kubeconfig("admin"))
    try:
        yield admin
    finally:
        await admin.close()
