"""What we send is what a strict cluster takes: manifests against the real API server, rights against its RBAC."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from compute.config import Executors, MachineSpec, Placement
from compute.spawners.kubernetes import ownership
from compute.spawners.kubernetes.admission import ExecutorWalls
from compute.spawners.kubernetes.api import Api, Object, Refused
from compute.spawners.kubernetes.config import JOB_CLAIM, JOB_CLASS, KubernetesConfig, SparkPods, for_job
from compute.spawners.kubernetes.driver import DRIVER as DRIVER_LABEL
from compute.spawners.kubernetes.driver import FOLDER, driver_pod, executor_template
from compute.spawners.kubernetes.manifests import container_security, guest_pod, pods_path, secret_name, secrets_path
from compute.spawners.kubernetes.namespace import namespace_objects, runtime_class
from compute.spawners.kubernetes.nodes import NodeType
from tests.cluster.control_plane import ControlPlane
from tests.fix_cluster import CLAIM, Machines, apply, eventually, lone_namespace, open_spawner

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


async def exhaust(machines: Machines, quota: str) -> None:
    path = f"/api/v1/namespaces/{machines.namespace}/resourcequotas/{quota}/status"
    await machines.admin.patch(
        path, [{"op": "add", "path": "/status", "value": {"hard": {"pods": "2"}, "used": {"pods": "2"}}}]
    )


async def test_a_quota_is_said_as_the_reason(machines: Machines) -> None:
    await exhaust(machines, "lakegate-machine")
    async with open_spawner(machines.config) as spawner:
        with pytest.raises(Exception, match="exceeded quota"):
            await spawner.start(SPEC)


DRIVER = "gw-0-spark-1"
DRIVER_SPEC = MachineSpec(
    "spark",
    "shared",
    threads=1,
    memory_bytes=128 << 20,
    placement=Placement(workspace="demo"),
    executors=Executors(least=1, most=2),
)


def executor(machines: Machines, owner: str = DRIVER, node: NodeType = NODE_TYPES[0]) -> Any:
    """As Spark makes one of a driver's template."""
    config = replace(machines.config, default_node=node, spark=SparkPods(claim=CLAIM))
    pod = json.loads(json.dumps(executor_template(config, DRIVER, DRIVER_SPEC)))
    owners = [{"apiVersion": "v1", "kind": "Pod", "name": owner, "uid": "1", "controller": True}]
    pod["metadata"] |= {"name": f"{owner}-exec-1", "ownerReferences": owners}
    (container,) = pod["spec"]["containers"]
    address = {"fieldRef": {"fieldPath": "status.podIP"}}
    container["image"] = "lakegate.io/spark:latest"
    container["env"].append({"name": "ADDRESS", "valueFrom": address})
    container["resources"]["limits"] |= {"cpu": "2", "memory": "4Gi"}
    container["resources"]["requests"] |= {"cpu": "500m", "memory": "4Gi"}
    return pod


@asynccontextmanager
async def driver_client(machines: Machines, config: KubernetesConfig) -> AsyncIterator[Api]:
    """A client with the token that is mounted into a driver's pod, once the admission policy is in force."""
    labels = ownership.labels("gw-0", "instance", ownership.template_key(DRIVER_SPEC, config))
    pod = json.loads(json.dumps(driver_pod(config, DRIVER, DRIVER_SPEC, labels, OWNER)))
    created = await machines.admin.create(pods_path(machines.namespace), pod)
    bound = {"apiVersion": "v1", "kind": "Pod", "name": DRIVER, "uid": created["metadata"]["uid"]}
    path = f"/api/v1/namespaces/{machines.namespace}/serviceaccounts/{config.spark.service_account}/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"boundObjectRef": bound}}
    token = str((await machines.admin.create(path, request))["status"]["token"])
    client = await Api.connect(machines.plane.kubeconfig(f"driver-{machines.namespace}", token))

    async def is_policed() -> bool:
        try:
            await client.create(pods_path(machines.namespace) + "?dryRun=All", executor(machines, "another"))
        except Refused as refused:
            return "a driver's pods are executors" in str(refused)
        return False

    await eventually(is_policed)
    yield client
    await client.close()
    await machines.admin.delete(pods_path(machines.namespace, DRIVER), grace_seconds=0)


@pytest.fixture
async def driver(machines: Machines) -> AsyncIterator[Api]:
    async with driver_client(machines, machines.config) as client:
        yield client


async def test_a_driver_has_executors_of_its_own(machines: Machines, driver: Api) -> None:
    pods = pods_path(machines.namespace)
    await driver.create(pods, executor(machines))
    await driver.delete(f"{pods}/{DRIVER}-exec-1", grace_seconds=0)
    assert [pod["metadata"]["name"] for pod in await machines.pods()] == [DRIVER]


async def test_on_nodes_of_every_type(control_plane: ControlPlane) -> None:
    await asyncio.to_thread(apply, control_plane, [runtime_class(name) for name in ("kata", "gvisor")])
    walls = ExecutorWalls(runtimes=("", "kata", "gvisor"), claim=CLAIM)
    async with (
        lone_namespace(control_plane, executors=walls) as machines,
        driver_client(machines, machines.config) as driver,
    ):
        for node in NODE_TYPES:
            await driver.create(pods_path(machines.namespace) + "?dryRun=All", executor(machines, node=node))


async def test_behind_no_other_walls_than_the_administrators(control_plane: ControlPlane) -> None:
    await asyncio.to_thread(apply, control_plane, [runtime_class("kata")])
    async with (
        lone_namespace(control_plane, executors=ExecutorWalls(runtimes=("kata",), claim=CLAIM)) as machines,
        driver_client(machines, machines.config) as driver,
    ):
        pods = pods_path(machines.namespace) + "?dryRun=All"
        await driver.create(pods, executor(machines, node=NodeType("metal", runtime_class="kata")))
        with pytest.raises(Refused, match="the walls of executors"):
            await driver.create(pods, executor(machines))


OWN = {"apiVersion": "v1", "kind": "Pod", "name": DRIVER, "uid": "1"}
MOST = {"cpu": "16", "memory": "64Gi", "ephemeral-storage": "64Gi"}
NEIGHBOURS = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"team": "victims"}}}
SECRET_VOLUME = {"name": "stolen", "secret": {"secretName": "lakegate-gw-0-gateway"}}
PROJECTED = {"name": "stolen", "projected": {"sources": [{"secret": {"name": "lakegate-gw-0-gateway"}}]}}
SECRET_VARIABLE = {"name": "STOLEN", "valueFrom": {"secretKeyRef": {"name": "lakegate-gw-0-gateway", "key": "tls.key"}}}
TEMPORARY = {"spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}}
ALL_TABLES = {"name": "warehouse", "mountPath": "/stolen"}
ANY_FOLDER: Sequence[Object] = (
    {"name": FOLDER, "value": "other"},
    {"name": FOLDER, "valueFrom": {"secretKeyRef": {"name": "gw-0-spark-2", "key": "folder"}}},
    {"name": FOLDER, "valueFrom": {"secretKeyRef": {"name": DRIVER, "key": "another"}}},
    {"name": FOLDER, "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['other']"}}},
    {"name": FOLDER, "valueFrom": {"configMapKeyRef": {"name": "kube-root-ca.crt", "key": "ca.crt"}}},
)


def _required(expression: Object) -> Object:
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


def _preferred(**preference: Any) -> Object:
    terms = [{"weight": 100, "preference": preference}]
    return {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": terms}}


FORBIDDEN: Sequence[tuple[tuple[Any, ...], Any]] = (
    (("metadata", "ownerReferences"), []),
    (("metadata", "ownerReferences"), [OWN, {"apiVersion": "v1", "kind": "Node", "name": "any", "uid": "2"}]),
    (("metadata", "ownerReferences"), [OWN, {**OWN, "uid": "2"}]),
    (("metadata", "ownerReferences", 0, "apiVersion"), "lakegate.dev/v1"),
    (("metadata", "finalizers"), ["lakegate.dev/stays"]),
    (("spec", "terminationGracePeriodSeconds"), 31),
    (("spec", "terminationGracePeriodSeconds"), 10**9),
    (("spec", "restartPolicy"), "Always"),
    (("spec", "restartPolicy"), "OnFailure"),
    (("metadata", "labels", ownership.APPLICATION), "lakegate-machine"),
    (("metadata", "labels", DRIVER_LABEL), "gw-0-spark-2"),
    (("spec", "serviceAccountName"), "lakegate-spark"),
    (("spec", "serviceAccountName"), "lakegate-machine"),
    (("spec", "automountServiceAccountToken"), True),
    (("spec", "volumes"), [SECRET_VOLUME]),
    (("spec", "volumes"), [PROJECTED]),
    (("spec", "containers", 0, "env"), [SECRET_VARIABLE]),
    (("spec", "containers", 0, "envFrom"), [{"secretRef": {"name": "lakegate-gw-0-gateway"}}]),
    *((("spec", "containers", 0, "env", place), each) for each in ANY_FOLDER for place in (0, 1)),
    (("spec", "containers", 0, "volumeMounts", 0), ALL_TABLES),
    (("spec", "containers", 0, "volumeMounts", 2), ALL_TABLES),
    (("spec", "containers", 0, "volumeMounts", 2), {**ALL_TABLES, "subPath": "other"}),
    (("spec", "containers", 0, "volumeMounts", 2), {**ALL_TABLES, "subPathExpr": "other"}),
    (("spec", "containers", 0, "volumeMounts", 2), {**ALL_TABLES, "subPathExpr": "$(ADDRESS)"}),
    (("spec", "containers", 0, "volumeMounts", 2), {**ALL_TABLES, "subPathExpr": "$(ADDRESS)/$(LAKEGATE_FOLDER)"}),
    (("spec", "containers", 0, "volumeDevices"), [{"name": "warehouse", "devicePath": "/dev/stolen"}]),
    (("spec", "volumes", 2), {"name": "warehouse", "persistentVolumeClaim": {"claimName": JOB_CLAIM}}),
    (("spec", "volumes", 2), {"name": "warehouse", "csi": {"driver": "efs.csi.aws.com"}}),
    (("spec", "volumes", 2), {"name": "warehouse", "ephemeral": {"volumeClaimTemplate": TEMPORARY}}),
    (("spec", "volumes", 2), {"name": "warehouse", "configMap": {"name": "any"}}),
    (("spec", "volumes", 2), {"name": "warehouse", "hostPath": {"path": "/"}}),
    (("spec", "securityContext", "runAsUser"), 1000),
    (("spec", "securityContext", "runAsGroup"), 1000),
    (("spec", "securityContext", "fsGroup"), 1000),
    (("spec", "securityContext", "supplementalGroups"), [1000]),
    (("spec", "containers", 0, "securityContext", "runAsUser"), 1000),
    (("spec", "containers", 0, "securityContext", "runAsGroup"), 1000),
    (("spec", "initContainers"), [{"name": "more", "image": "x", "securityContext": container_security()}]),
    (("spec", "priorityClassName"), ""),
    (("spec", "priorityClassName"), "system-node-critical"),
    (("spec", "nodeName"), "any"),
    (("spec", "tolerations"), [{"operator": "Exists"}]),
    (("spec", "tolerations"), [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}]),
    (("spec", "runtimeClassName"), "crun"),
    (("spec", "nodeSelector"), {"kubernetes.io/hostname": "any"}),
    (("spec", "affinity"), NodeType().affinity("any")),
    (("spec", "affinity"), _required({"key": "kubernetes.io/hostname", "operator": "Exists"})),
    (("spec", "nodeSelector"), {"kubernetes.io/os": "linux"}),
    (("spec", "affinity"), _required({"key": "team", "operator": "In", "values": ["victims"]})),
    (("spec", "affinity"), _preferred(matchExpressions=[{"key": "kubernetes.io/hostname", "operator": "Exists"}])),
    (("spec", "affinity"), _preferred(matchFields=[{"key": "metadata.name", "operator": "In", "values": ["any"]}])),
    (("spec", "topologySpreadConstraints"), [{**NEIGHBOURS, "maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway"}]),
    (("spec", "affinity"), {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [NEIGHBOURS]}}),
    (("spec", "affinity"), {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [NEIGHBOURS]}}),
    (("spec", "containers", 0, "image"), "docker.io/library/busybox"),
    (("spec", "containers", 0, "resources", "limits"), {}),
    (("spec", "containers", 0, "resources", "limits"), {"memory": "1Gi", "ephemeral-storage": "1Gi"}),
    (("spec", "containers", 0, "resources", "limits"), {**MOST, "cpu": "16001m"}),
    (("spec", "containers", 0, "resources", "limits"), {**MOST, "memory": "65Gi"}),
    (("spec", "containers", 0, "resources", "limits"), {**MOST, "ephemeral-storage": "1Ti"}),
    (("spec", "containers", 0, "resources", "limits"), {**MOST, "nvidia.com/gpu": "1"}),
)


async def test_and_of_no_other_kind(machines: Machines, driver: Api) -> None:
    await asyncio.to_thread(apply, machines.plane, [runtime_class("crun")])
    for path, value in FORBIDDEN:
        pod = place = executor(machines)
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        if path[-1] in {"volumes", "volumeDevices"}:
            pod["spec"]["containers"][0]["volumeMounts"] = []
        if path[-1] == "limits":
            pod["spec"]["containers"][0]["resources"]["requests"] = {}
        with pytest.raises(Refused, match=r"a driver's pods are executors with|violates PodSecurity"):
            await driver.create(pods_path(machines.namespace) + "?dryRun=All", pod)


async def test_a_driver_touches_nothing_else(machines: Machines, driver: Api) -> None:
    namespace = machines.namespace
    forbidden = [
        driver.delete(pods_path(namespace, DRIVER), grace_seconds=0),
        driver.list(secrets_path(namespace)),
        driver.read(secrets_path(namespace, DRIVER)),
        driver.list(pods_path("default")),
        driver.create(pods_path(namespace, DRIVER) + "/exec?command=id", {}),
    ]
    outcomes = await asyncio.gather(*forbidden, return_exceptions=True)
    assert [outcome.status if isinstance(outcome, Refused) else outcome for outcome in outcomes] == [422] + [403] * 4


async def test_without_a_claim_there_are_no_tables(control_plane: ControlPlane) -> None:
    async with (
        lone_namespace(control_plane, executors=ExecutorWalls()) as machines,
        driver_client(machines, machines.config) as driver,
    ):
        with pytest.raises(Refused, match="no claim but the one with its tables"):
            await driver.create(pods_path(machines.namespace), executor(machines))


async def test_only_what_is_no_job_has_tables(machines: Machines) -> None:
    """Jobs have a volume that is kept for them, whole, and a quota; their code could have its executors mount another,
    or take all that machines may."""
    pods = pods_path(machines.namespace) + "?dryRun=All"
    pod = executor(machines)
    async with driver_client(machines, for_job(machines.config, "/shared")) as job:
        with pytest.raises(Refused, match="no claim but the one with its tables"):
            await job.create(pods, pod)
        pod["spec"]["volumes"][-1]["persistentVolumeClaim"]["claimName"] = JOB_CLAIM
        pod["spec"]["containers"][0]["volumeMounts"][-1] = {"name": "warehouse", "mountPath": "/shared"}
        with pytest.raises(Refused, match="the place of machines"):
            await job.create(pods, pod)
        pod["spec"]["priorityClassName"] = JOB_CLASS
        await job.create(pods, pod)
        await exhaust(machines, JOB_CLASS)
        with pytest.raises(Refused, match="exceeded quota: lakegate-job"):
            await job.create(pods, pod)
