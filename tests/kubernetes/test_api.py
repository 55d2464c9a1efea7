"""A client of the API server that goes away, at whatever moment, leaves no connection."""

import asyncio
from urllib.parse import urlsplit

import psutil
import pytest

from compute.spawners.kubernetes.api import Api
from tests.cluster.control_plane import ControlPlane

NODES = "/api/v1/nodes"
TURNS = (*range(40), 60, 100, 200, 400)
"""Of the loop: the name's look-up, the connection, its handshake and the answer are all over after some hundreds."""


def connections(plane: ControlPlane) -> list[str]:
    """Those of this process to the API server, by their states."""
    port = urlsplit(plane.url).port
    return [each.status for each in psutil.Process().net_connections() if each.raddr and each.raddr.port == port]


async def watch(api: Api) -> None:
    async for _ in api.watch(NODES, timeoutSeconds="60"):
        raise AssertionError("there are no nodes")


@pytest.mark.parametrize("is_used", [False, True], ids=["new", "used"])
async def test_requests_that_were_given_up(control_plane: ControlPlane, is_used: bool) -> None:
    """A connection that is new is given up while it is made, too."""
    for turns in TURNS:
        api = await Api.connect(control_plane.kubeconfig("admin"))
        if is_used:
            await api.list(NODES)
        tasks = [asyncio.create_task(work) for work in (api.list(NODES), api.list(NODES), watch(api))]
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await api.close()
        assert connections(control_plane) == [], f"given up after {turns} turns"
