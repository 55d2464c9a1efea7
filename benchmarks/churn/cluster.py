"""A control plane of this machine alone, with any number of nodes that KWOK pretends."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from compute.spawners.kubernetes.api import Api
from compute.spawners.kubernetes.informer import Change, Informer
from compute.spawners.kubernetes.spawner import NODES
from tests.cluster.build import commands_folder
from tests.cluster.control_plane import ControlPlane, running_control_plane
from tests.cluster.simulated import create_nodes, start_kwok
from tests.fix_cluster import Machines, prepared_namespace

CONTROLLERS = ("resourcequota-controller", "garbage-collector-controller")
"""Those that a machine's pod concerns. Others would only watch pods go by, on the two processors that all share."""
NO_TAINTS = "--disable-admission-plugins=TaintNodesByCondition"
READY_SECONDS = 600.0


@contextmanager
def simulated_cluster(nodes: int) -> Iterator[ControlPlane]:
    """All of its nodes are ready.

    They give no signs of life: kubelets renew a Lease every ten seconds, which for thousands of nodes is more than what
    is measured here. So nobody judges them by that either: without the taint of new nodes, no controller must lift it.
    """
    with (
        tempfile.TemporaryDirectory(prefix="lakegate-churn-") as folder,
        running_control_plane(commands_folder(), Path(folder), options=[NO_TAINTS]) as plane,
    ):
        plane.start_controllers(f"--controllers={','.join(CONTROLLERS)}")
        plane.start_scheduler()
        start_kwok(plane, "--node-lease-duration-seconds=0")
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
    ready: set[str] = set()
    everyone = asyncio.Event()

    def on_node(change: Change) -> None:
        conditions = change.object.get("status", {}).get("conditions", [])
        if any(each["type"] == "Ready" and each["status"] == "True" for each in conditions):
            ready.add(change.object["metadata"]["name"])
        if len(ready) == count:
            everyone.set()

    admin = await Api.connect(plane.kubeconfig("admin"))
    informer = Informer(admin, NODES, on_node)
    try:
        await informer.start()
        async with asyncio.timeout(READY_SECONDS):
            await create_nodes(admin, count)
            await everyone.wait()
    finally:
        await informer.stop()
        await admin.close()
