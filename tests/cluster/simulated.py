"""Simulated nodes: KWOK says of any number of them that they are ready, and of their pods that they run.

Pods get addresses of the loopback network, so that something may listen there: `StubGuests` has every pod answered by
stubs of the guests' protocol, behind the tunnel that real pods have.

References: KWOK's Stage, v1alpha1.
"""

import asyncio
import base64
import json
import ssl
from pathlib import Path
from typing import Any

from compute.guest import tunnel
from compute.spawners.kubernetes.api import Api
from compute.spawners.kubernetes.config import GUEST_PORT
from compute.spawners.kubernetes.informer import Change, Informer
from compute.spawners.kubernetes.manifests import GUEST, pods_path, secrets_path
from tests.cluster.control_plane import ControlPlane
from tests.fix_oracle import free_port

PODS = "127.16.0.0/12"
NODE_LABEL = "tests/node"
NODE_STATUS = """
conditions:
- {type: Ready, status: "True", reason: Simulated, lastHeartbeatTime: {{ Now | Quote }}}
addresses:
- {type: InternalIP, address: {{ NodeIP | Quote }}}
allocatable: {cpu: "64", memory: 256Gi, ephemeral-storage: 1Ti, pods: "250"}
capacity: {cpu: "64", memory: 256Gi, ephemeral-storage: 1Ti, pods: "250"}
"""
POD_STATUS = """
{{ $now := Now }}
{{ $addresses := PodIPsWith .spec.nodeName false .metadata.uid .metadata.name .metadata.namespace }}
phase: Running
podIP: {{ index $addresses 0 | Quote }}
podIPs: [{ip: {{ index $addresses 0 | Quote }}}]
startTime: {{ $now | Quote }}
conditions:
- {type: Ready, status: "True", lastTransitionTime: {{ $now | Quote }}}
containerStatuses:
- {name: %s, image: "", imageID: "", ready: true, restartCount: 0, state: {running: {startedAt: {{ $now | Quote }}}}}
"""
NODES_AT_ONCE = 50


def start_kwok(plane: ControlPlane, *options: str) -> None:
    """It plays every node that has the label, none else."""
    path = plane.folder / "stages.yaml"
    path.write_text("\n---\n".join(json.dumps(each) for each in stages()))
    plane.start(
        "kwok",
        f"--kubeconfig={plane.kubeconfig('kwok')}",
        f"--config={path}",
        f"--manage-nodes-with-label-selector={NODE_LABEL}=simulated",
        f"--cidr={PODS}",
        "--node-ip=127.0.0.1",
        f"--server-address=127.0.0.1:{free_port()}",
        *options,
    )


def stages() -> list[Any]:
    lives = {"key": ".metadata.deletionTimestamp", "operator": "DoesNotExist"}
    return [
        stage("node-ready", "Node", [is_not_ready()], {"statusTemplate": NODE_STATUS}),
        stage("pod-running", "Pod", [lives, is_not_ready()], {"statusTemplate": POD_STATUS % GUEST}),
        stage("pod-gone", "Pod", [lives | {"operator": "Exists"}], {"delete": True}),
    ]


def stage(name: str, kind: str, when: list[Any], then: Any) -> Any:
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": kind},
            "selector": {"matchExpressions": when},
            "next": then,
        },
    }


def is_not_ready() -> Any:
    path = '.status.conditions.[] | select( .type == "Ready" ) | .status'
    return {"key": path, "operator": "NotIn", "values": ["True"]}


async def create_nodes(admin: Api, count: int, labels: dict[str, str] | None = None, prefix: str = "node") -> list[str]:
    """Their names. They become ready by and by."""
    names = [f"{prefix}-{number}" for number in range(count)]
    room = asyncio.Semaphore(NODES_AT_ONCE)

    async def create(name: str) -> None:
        metadata = {"name": name, "labels": {NODE_LABEL: "simulated", "kubernetes.io/hostname": name, **(labels or {})}}
        async with room:
            await admin.create("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": metadata})

    await asyncio.gather(*map(create, names))
    return names


class StubGuests:
    """Listens at every pod's address of a namespace, with the channel's certificate, before one Unix socket."""

    def __init__(self, admin: Api, namespace: str, secret: str, socket: str, folder: Path) -> None:
        self._admin = admin
        self._secret = secrets_path(namespace, secret)
        self._socket = socket
        self._folder = folder
        self._context: asyncio.Task[ssl.SSLContext] | None = None
        self._informer = Informer(admin, pods_path(namespace), self._on_pod)
        self._servers: dict[str, asyncio.Task[asyncio.Server]] = {}

    async def start(self) -> None:
        await self._informer.start()

    async def stop(self) -> None:
        await self._informer.stop()
        for server in self._servers.values():
            (await server).close()

    def _on_pod(self, change: Change) -> None:
        name, address = change.object["metadata"]["name"], change.object.get("status", {}).get("podIP")
        if change.kind == "gone":
            if (server := self._servers.pop(name, None)) is not None:
                server.add_done_callback(lambda listening: listening.result().close())
        elif address and name not in self._servers:
            self._servers[name] = asyncio.create_task(self._listen(address))

    async def _listen(self, address: str) -> asyncio.Server:
        if self._context is None:
            self._context = asyncio.create_task(self._read_context())
        return await tunnel.listen(address, GUEST_PORT, self._socket, await self._context)

    async def _read_context(self) -> ssl.SSLContext:
        for name, content in (await self._admin.read(self._secret))["data"].items():
            (self._folder / name).write_bytes(base64.b64decode(content))
        return tunnel.server_context(self._folder)
