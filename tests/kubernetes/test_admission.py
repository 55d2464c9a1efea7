"""What we send is what a strict cluster takes: manifests against the real API server, rights against its RBAC."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from compute.config import MachineSpec
from compute.spawners.kubernetes import ownership
from compute.spawners.kubernetes.api import Api, Object, Refused
from compute.spawners.kubernetes.manifests import guest_pod, pods_path, secret_name, secrets_path
from compute.spawners.kubernetes.namespace import namespace_objects, runtime_class
from compute.spawners.kubernetes.nodes import NodeType
from tests.fix_cluster import Machines, apply, open_spawner

SPEC = MachineSpec("duckdb", "user", threads=1, memory_bytes=128 << 20)
OWNER = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "name": "lakegate-gw-0", "uid": "none"}
NODE_TYPES = (
    NodeType(),
    NodeType("spot", "spot", instance_types=("m7i.large", "m7a.large"), zones=("eu-west-1a",)),
    NodeType("cheap", "spot-or-on-demand", pool="machines", architecture="arm64"),
    NodeType("gpu", gpus=1),
    NodeType("metal", pool="metal", runtime_class="kata"),
    NodeType("gvisor", runtime_class="gvisor"),
)


def manifest(machines: Machines, node: NodeType = NODE_TYPES[0]) -> Any:
    config = replace(machines.config, default_node=node)
    labels = ownership.labels("gw-0", "instance", ownership.template_key(SPEC, config))
    return json.loads(json.dumps(guest_pod(config, f"pod-{node.name}", SPEC, labels, OWNER)))


async def create_dry(machines: Machines, pod: Object) -> Object:
    """The API server's every check, and nothing kept."""
    return await machines.admin.create(pods_path(machines.namespace) + "?dryRun=All", pod)


@pytest.mark.parametrize("node", NODE_TYPES, ids=lambda node: node.name)
async def test_pods_of_every_node_type_are_taken(machines: Machines, node: NodeType) -> None:
    await asyncio.to_thread(apply, machines.plane, [runtime_class(name) for name in ("kata", "gvisor")])
    taken = await create_dry(machines, manifest(machines, node))
    assert taken["spec"]["priority"] == 1000
    assert taken["status"]["qosClass"] == "Burstable"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "securityContext", "runAsNonRoot"), False),
        (("spec", "securityContext", "seccompProfile"), {"type": "Unconfined"}),
        (("spec", "containers", 0, "securityContext", "capabilities"), {}),
        (("spec", "containers", 0, "securityContext", "allowPrivilegeEscalation"), True),
        (("spec", "hostNetwork"), True),
    ],
)
async def test_a_pod_less_strict_than_ours_is_refused(machines: Machines, path: tuple[Any, ...], value: Any) -> None:
    pod = place = manifest(machines)
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(Refused, match="violates PodSecurity"):
        await create_dry(machines, pod)


async def test_the_administrators_objects_are_valid(machines: Machines) -> None:
    """With everything switched on; the namespace itself was made from them."""
    settings = replace(machines.settings, runtimes=("kata", "gvisor", "crun"), placeholders=3, machine_role_arn="arn:x")
    told = await asyncio.to_thread(apply, machines.plane, namespace_objects(settings))
    assert "deployment.apps/lakegate-placeholder serverside-applied" in told


@pytest.fixture
async def gateway(machines: Machines) -> Any:
    """A client with the rights of a gateway."""
    client = await Api.connect(machines.config.kubeconfig)
    yield client
    await client.close()


async def test_a_gateway_has_no_right_that_it_does_not_need(machines: Machines, gateway: Api) -> None:
    namespace = machines.namespace
    async with open_spawner(machines.config):
        own = await gateway.read(secrets_path(namespace, secret_name("gw-0", "gateway")))
        assert "tls.key" in own["data"]
        forbidden = [
            gateway.list(secrets_path(namespace)),
            gateway.read(secrets_path(namespace, "somebody-elses")),
            gateway.list(secrets_path("kube-system")),
            gateway.list(pods_path("default")),
            gateway.create(pods_path("default"), manifest(machines)),
            gateway.create(pods_path(namespace, "any") + "/exec?command=id", {}),
            gateway.read(pods_path(namespace, "any") + "/log"),
            gateway.read(f"/api/v1/namespaces/{namespace}/serviceaccounts/lakegate-machine"),
            gateway.create(f"/api/v1/namespaces/{namespace}/serviceaccounts/lakegate-machine/token", {}),
            gateway.patch("/api/v1/nodes/any", [{"op": "add", "path": "/metadata/labels/x", "value": "y"}]),
            gateway.delete(f"/api/v1/namespaces/{namespace}/resourcequotas/lakegate-machine"),
            gateway.delete(f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies/lakegate-machine"),
        ]
        outcomes = await asyncio.gather(*forbidden, return_exceptions=True)
    assert [outcome.status if isinstance(outcome, Refused) else outcome for outcome in outcomes] == [403] * len(
        outcomes
    )


async def test_a_quota_is_said_as_the_reason(machines: Machines) -> None:
    path = f"/api/v1/namespaces/{machines.namespace}/resourcequotas/lakegate-machine/status"
    await machines.admin.patch(
        path, [{"op": "add", "path": "/status", "value": {"hard": {"pods": "2"}, "used": {"pods": "2"}}}]
    )
    async with open_spawner(machines.config) as spawner:
        with pytest.raises(Exception, match="exceeded quota"):
            await spawner.start(SPEC)
