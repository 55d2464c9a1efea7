"""A control plane a test session, a namespace of machines a test, and clients of both."""

import asyncio
import json
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from compute.config import EngineConfig, PoolConfig
from compute.pool import Pool
from compute.spark.cache import cache_folder
from compute.spawners.kubernetes.admission import ExecutorWalls
from compute.spawners.kubernetes.api import Api, Object
from compute.spawners.kubernetes.config import GUEST_PORT, JOB_CLASS, KubernetesConfig
from compute.spawners.kubernetes.manifests import leases_path, pods_path
from compute.spawners.kubernetes.namespace import MACHINE, NamespaceSettings, namespace_objects, service_account
from compute.spawners.kubernetes.spawner import KubernetesSpawner
from deploy.guest.image import build_oci
from deploy.spark import image as spark_image
from tests.cluster import packages
from tests.cluster.build import commands_folder
from tests.cluster.control_plane import ControlPlane, running_control_plane
from tests.cluster.host_node import HostNode
from tests.cluster.kubelet import Node, pause_image, running_node
from tests.cluster.wire import Wire, wired
from tests.fix_compute import WAIT_SECONDS

CLAIM = "warehouse"
"""The volume claim with the tables, where there are any."""
HOSTILE_IMAGE = "lakegate.io/hostile:latest"
"""The guest's, in which a pod may open the engine that a stranger has taken over."""


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """etcd and an API server. Nothing schedules, controls or runs pods."""
    with running_control_plane(commands_folder(), tmp_path_factory.mktemp("control-plane")) as plane:
        yield plane


@dataclass(frozen=True, slots=True)
class Cluster:
    """A control plane with all its parts, and one real node that has the guest's image and Spark's."""

    plane: ControlPlane
    node: Node
    wire: Wire


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@contextmanager
def running_cluster(folder: Path) -> Iterator[Cluster]:
    """Pods run in it: scheduled, isolated by crun, their images the ones that are shipped."""
    packages.require()
    for name in ("plane", "node"):
        (folder / name).mkdir()
    cache, command = cache_folder(os.environ), ["python3"]
    hostile = build_oci(cache, command, name=HOSTILE_IMAGE, more=["tests/hostile.py"])
    images = [build_oci(cache, command), hostile, spark_image.build(cache), pause_image(folder)]
    with wired() as wire, running_control_plane(commands_folder(), folder / "plane", wire.host) as plane:
        plane.start_controllers()
        plane.start_scheduler()
        with running_node(plane, wire, folder / "node", images) as node:
            yield Cluster(plane, node, wire)


GATEWAYS = ("gw-0", "gw-1")


@dataclass(frozen=True, slots=True)
class Machines:
    """A namespace that an administrator has prepared. `config` is of a gateway with no more rights than it needs."""

    plane: ControlPlane
    admin: Api
    settings: NamespaceSettings
    config: KubernetesConfig

    @property
    def namespace(self) -> str:
        return self.settings.namespace

    async def pods(self) -> list[Object]:
        listed: list[Object] = (await self.admin.list(pods_path(self.namespace)))["items"]
        return listed

    async def are_gone(self) -> bool:
        """Whether no pod is left."""
        return await self.pods() == []

    async def leases(self) -> list[str]:
        listed = await self.admin.list(leases_path(self.namespace))
        return [lease["metadata"]["name"] for lease in listed["items"]]


@asynccontextmanager
async def prepared_namespace(plane: ControlPlane, **changes: Any) -> AsyncIterator[Machines]:
    """Everything an administrator applies, and a token of the gateways' own service account."""
    unique = secrets.token_hex(4)
    settings = NamespaceSettings(
        (f"{address_of(plane)}/32",),
        namespace=f"machines-{unique}",
        gateway_namespace=f"gateways-{unique}",
        gateway_names=GATEWAYS,
        **{"executors": ExecutorWalls(claim=CLAIM), **changes},
    )
    admin = await Api.connect(plane.kubeconfig("admin"))
    try:
        door = door_for_outer_gateways(plane, settings)
        await asyncio.to_thread(apply, plane, [*gateway_objects(settings), *namespace_objects(settings), door])
        kubeconfig = plane.kubeconfig(f"gateway-{unique}", await gateway_token(admin, settings))
        config = KubernetesConfig(settings.namespace, GATEWAYS[0], "lakegate-guest:tests", kubeconfig)
        yield Machines(plane, admin, settings, config)
    finally:
        await admin.close()


def gateway_objects(settings: NamespaceSettings) -> list[Object]:
    """Where the gateways would run: here they run outside, with the same service account."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": settings.gateway_namespace}}
    return [namespace, service_account(settings.gateway_namespace, settings.gateway_account)]


def door_for_outer_gateways(plane: ControlPlane, settings: NamespaceSettings) -> Object:
    """They have no labels, but the address at which the API server is."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "outer-gateways", "namespace": settings.namespace},
        "spec": {
            "podSelector": {},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"ipBlock": {"cidr": f"{address_of(plane)}/32"}}], "ports": [{"port": GUEST_PORT}]}],
        },
    }


def address_of(plane: ControlPlane) -> str:
    """Of its API server."""
    return str(urlsplit(plane.url).hostname)


def apply(plane: ControlPlane, manifests: Sequence[Object]) -> str:
    """As an administrator does it."""
    content = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})
    return plane.run("kubectl", "apply", "--server-side", "-f", "-", stdin=content)


def local_volume(namespace: str, claim: str, folder: Path) -> list[Object]:
    """A folder as a volume of the node, which is this very host, by that namespace's name; and its claim of it."""
    size = {"storage": "1Gi"}
    terms = [{"matchExpressions": [{"key": "tests/node", "operator": "Exists"}]}]
    shared = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    held = {
        **shared,
        "capacity": size,
        "local": {"path": str(folder)},
        "claimRef": {"namespace": namespace, "name": claim},
        "nodeAffinity": {"required": {"nodeSelectorTerms": terms}},
    }
    claimed = {**shared, "resources": {"requests": size}, "volumeName": namespace}
    return [
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": namespace}, "spec": held},
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": claim, "namespace": namespace},
            "spec": claimed,
        },
    ]


async def gateway_token(admin: Api, settings: NamespaceSettings) -> str:
    path = f"/api/v1/namespaces/{settings.gateway_namespace}/serviceaccounts/{settings.gateway_account}/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 7200}}
    return str((await admin.create(path, request))["status"]["token"])


@asynccontextmanager
async def lone_namespace(plane: ControlPlane, **changes: Any) -> AsyncIterator[Machines]:
    """On the API server alone: nobody counts what a quota allows, so it is said to be unused."""
    async with prepared_namespace(plane, **changes) as prepared:
        for name, hard in ((MACHINE, prepared.settings.quota), (JOB_CLASS, prepared.settings.job_quota)):
            path = f"/api/v1/namespaces/{prepared.namespace}/resourcequotas/{name}/status"
            status = {"hard": dict(hard), "used": dict.fromkeys(hard, "0")}
            await prepared.admin.patch(path, [{"op": "add", "path": "/status", "value": status}])
        yield prepared


@pytest.fixture
async def machines(control_plane: ControlPlane) -> AsyncIterator[Machines]:
    """On the API server alone."""
    async with lone_namespace(control_plane) as prepared:
        yield prepared


@asynccontextmanager
async def running_host_node(machines: Machines) -> AsyncIterator[HostNode]:
    """Runs the namespace's pods as processes of this host."""
    node = HostNode(machines.admin, machines.namespace)
    await node.start()
    try:
        yield node
    finally:
        await node.stop()


@pytest.fixture
async def host_node(machines: Machines) -> AsyncIterator[HostNode]:
    """Of the test's own namespace."""
    async with running_host_node(machines) as node:
        yield node


@pytest.fixture
async def real(cluster: Cluster) -> AsyncIterator[Machines]:
    """A namespace of machines on the real node. Leaving asserts that no pod is left."""
    async with prepared_namespace(cluster.plane) as machines:
        yield replace(machines, config=sized(machines.config))
        await eventually(machines.are_gone)


def sized(config: KubernetesConfig) -> KubernetesConfig:
    """As the tests' node has room."""
    return replace(config, image="lakegate.io/guest:latest", cpu_share=0.1, scratch_bytes=1 << 28)


@asynccontextmanager
async def open_spawner(config: KubernetesConfig) -> AsyncIterator[KubernetesSpawner]:
    spawner = KubernetesSpawner(config)
    try:
        await spawner.open()
        yield spawner
    finally:
        await spawner.close()


@asynccontextmanager
async def pod_pool(
    config: KubernetesConfig, engine: EngineConfig, warehouse: Path, **settings: Any
) -> AsyncIterator[Pool]:
    """A started pool of pods. Leaving closes it."""
    wanted = PoolConfig((engine,), wait_seconds=WAIT_SECONDS, **settings)
    pool = Pool(KubernetesSpawner(config), wanted, lambda _workspace: str(warehouse))
    try:
        await pool.start()
        yield pool
    finally:
        await pool.close()


def spare(pool: Pool) -> list[str]:
    """Names of its machines that wait for a lease."""
    return [member.machine.name for member in pool._members.values() if member.greeted is not None]


async def eventually(happens: Callable[[], bool | Awaitable[bool]], seconds: float = 600.0) -> None:
    """Returns once it has happened. Raises TimeoutError after a time that is far too long."""
    async with asyncio.timeout(seconds):
        while not (told if isinstance(told := happens(), bool) else await told):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
