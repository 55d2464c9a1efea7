"""Spark's pods as values: a machine whose engine is the driver of executors, and what its executors look like.

The driver creates, watches and deletes its executors itself (Spark's own Kubernetes support). They belong to its pod,
so that none outlives it. What they look like is fixed here: the driver gets it as a file, from an annotation of its
pod, and adds each executor's number and its own address.

Drivers may handle pods of the namespace, so an admission policy (`admission`) holds each to executors of its own that
look as they should. Executors have no token. A driver and its executors hear nobody who lacks their common secret, and
no other driver can read it: pods only name it. Their network policy lets them reach each other. A driver that runs
somebody's JAR differs by its account and its volume (`config.for_job`).

Tables lie on a volume of all workspaces. A driver and its executors are one workspace's from their start and mount its
folder alone. The gateway has written that folder's name into the driver's Secret, where the kubelet reads it as it
mounts. So the policy needs to know of no workspaces: it sees to it that pods name their driver's Secret, and no folder.

References: Spark documentation, "Running on Kubernetes" (client mode, pod template, decommissioning), "Security";
Kubernetes documentation, "Volumes" (subPathExpr).
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from compute.config import Executors, MachineSpec, Placement
from compute.spark.allocation import allocation_settings
from compute.spark.cache import IMAGE_CACHE
from compute.spawners import CannotStart
from compute.spawners.kubernetes import ownership
from compute.spawners.kubernetes.config import EXECUTOR_ACCOUNT, KubernetesConfig
from compute.spawners.kubernetes.manifests import (
    SCRATCH,
    Manifest,
    container_security,
    guest_pod,
    network_policies_path,
    placed,
    secrets_path,
    shut_off,
)

EXECUTOR = "lakegate-executor"
CONTAINER = "executor"
DRIVER = "lakegate.dev/driver"
"""The label by which a driver and its executors know each other: the name of its pod."""
ROLE = "lakegate.dev/role"
TEMPLATE = "lakegate.dev/executor"
"""The annotation that holds an executor's pod."""
TEMPLATE_FOLDER = "/etc/lakegate/executor"
SECRET_FOLDER = "/etc/lakegate/cluster"
SECRET = f"{SECRET_FOLDER}/secret"
FOLDER = "LAKEGATE_FOLDER"
"""The variable with what of the tables' volume is mounted."""
FOLDER_KEY = "folder"
"""Where in the driver's Secret its value is."""
TOKEN_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"
"""Where Kubernetes' clients look for a token, and look again once it has expired."""
TOKEN_SECONDS = 3600
DRIVER_PORT, BLOCK_PORT = 7078, 7079
ADDRESS = "LAKEGATE_POD_ADDRESS"
LONGEST_PREFIX = 47
"""Characters of an executor's name before its number."""
NATIVE_BYTES = 640 << 20
"""What a JVM needs beside its heap and its direct memory: classes, code, threads, and the guest's own process."""


def driver_pod(
    config: KubernetesConfig, name: str, spec: MachineSpec, labels: Mapping[str, str], owner: Manifest
) -> Manifest:
    """A machine with Spark whose tasks run in executors. `spec` has some. Raises CannotStart, also where the volume is
    divided and nobody has said for which workspace."""
    assert spec.executors is not None, "a driver has executors"
    spark = config.spark
    properties = {**spec.properties, **driver_settings(config, name, spec.executors)}
    sized = replace(config, image=spark.image, overhead_bytes=spec.memory_bytes // 2 + NATIVE_BYTES)
    pod = guest_pod(sized, name, replace(spec, properties=properties), labels, owner)
    pod["metadata"]["annotations"][TEMPLATE] = json.dumps(executor_template(config, name, spec))
    pod["metadata"]["labels"] |= {DRIVER: name, ROLE: "driver"}
    (guest,) = pod["spec"]["containers"]
    address = {"name": ADDRESS, "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    guest["env"] = [address, *_shared_variables(config, name)]
    guest["volumeMounts"] += [
        {"name": "token", "mountPath": TOKEN_FOLDER, "readOnly": True},
        {"name": "executor", "mountPath": TEMPLATE_FOLDER, "readOnly": True},
        *_shared_mounts(config, spec.placement.workspace),
    ]
    pod["spec"]["volumes"] += [_token_volume(), _template_volume(), *_shared_volumes(config, name)]
    pod["spec"]["serviceAccountName"] = spark.service_account
    return pod


def companions(config: KubernetesConfig, pod: Manifest, workspace: str | None) -> Sequence[tuple[str, Manifest]]:
    """What a driver's pod, as the API server made it, needs beside it: paths, and objects that end with it."""
    name = pod["metadata"]["name"]
    owner = {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": pod["metadata"]["uid"]}
    metadata = {"name": name, "namespace": config.namespace, "ownerReferences": [owner]}
    return [
        (secrets_path(config.namespace), _cluster_secret(metadata, config.spark.folder_of(workspace or ""))),
        (network_policies_path(config.namespace), _network_policy(metadata)),
    ]


def _cluster_secret(metadata: Manifest, folder: str) -> Manifest:
    content = {"secret": secrets.token_urlsafe(32), FOLDER_KEY: folder}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "stringData": content}


def _network_policy(metadata: Manifest) -> Manifest:
    selected = {"matchLabels": {DRIVER: metadata["name"]}}
    ports = [{"protocol": "TCP", "port": port} for port in (DRIVER_PORT, BLOCK_PORT)]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata,
        "spec": {
            "podSelector": selected,
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [{"podSelector": selected}], "ports": ports}],
            "egress": [{"to": [{"podSelector": selected}], "ports": ports}],
        },
    }


def driver_settings(config: KubernetesConfig, name: str, executors: Executors) -> Mapping[str, str]:
    """What the engine's properties say of the cluster. ``$(…)`` is filled in where the pod runs."""
    return {
        "cache": str(IMAGE_CACHE),
        "spark.master": f"k8s://{config.spark.api_server}",
        "spark.driver.host": f"$({ADDRESS})",
        "spark.driver.bindAddress": f"$({ADDRESS})",
        "spark.driver.port": str(DRIVER_PORT),
        "spark.driver.blockManager.port": str(BLOCK_PORT),
        "spark.blockManager.port": str(BLOCK_PORT),
        "spark.executor.memoryOverhead": f"{executors.memory_bytes // 4 + NATIVE_BYTES}b",
        **_pods(config, name, executors),
        **allocation_settings(executors),
        **_SECRECY,
    }


def _pods(config: KubernetesConfig, name: str, executors: Executors) -> Mapping[str, str]:
    prefix = "spark.kubernetes"
    return {
        f"{prefix}.namespace": config.namespace,
        f"{prefix}.driver.pod.name": name,
        f"{prefix}.driver.ownPersistentVolumeClaim": "false",
        f"{prefix}.driver.reusePersistentVolumeClaim": "false",
        f"{prefix}.executor.podNamePrefix": name[-LONGEST_PREFIX:].lstrip("-"),
        f"{prefix}.executor.podTemplateFile": f"{TEMPLATE_FOLDER}/pod.json",
        f"{prefix}.executor.podTemplateContainerName": CONTAINER,
        f"{prefix}.executor.container.image": config.spark.image,
        f"{prefix}.executor.disableConfigMap": "true",
        f"{prefix}.executor.request.cores": f"{executors.threads * config.cpu_share:g}",
        f"{prefix}.executor.limit.cores": str(executors.threads),
        f"{prefix}.authenticate.executor.serviceAccountName": EXECUTOR_ACCOUNT,
        f"{prefix}.decommission.script": f"{IMAGE_CACHE}/bin/decommission",
    }


_SECRECY = {
    "spark.authenticate": "true",
    "spark.authenticate.secret.file": SECRET,
    "spark.network.crypto.enabled": "true",
}


def executor_template(config: KubernetesConfig, driver: str, spec: MachineSpec) -> Manifest:
    """A pod to which Spark adds what only it knows. Raises CannotStart for a node type that nobody has described, or
    whose nodes the fleet packs: it would not know of them."""
    assert spec.executors is not None, "a driver has executors"
    place = Placement(spec.executors.node_type)
    if config.node_type(place).placed:
        raise CannotStart(f"executors cannot come to {place.node_type!r}, whose nodes the fleet packs")
    command = ["python3", "-P", "-m", "compute.spark.executor", str(IMAGE_CACHE), SECRET]
    container = {
        "name": CONTAINER,
        "command": command,
        "securityContext": container_security(),
        "resources": {kind: {"ephemeral-storage": str(config.scratch_bytes)} for kind in ("requests", "limits")},
        "env": _shared_variables(config, driver),
        "volumeMounts": [
            {"name": "spark-local-dir-1", "mountPath": SCRATCH},
            *_shared_mounts(config, spec.placement.workspace),
        ],
    }
    scratch = {"name": "spark-local-dir-1", "emptyDir": {"sizeLimit": str(config.scratch_bytes)}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "labels": {
                ownership.APPLICATION: EXECUTOR,
                "app.kubernetes.io/managed-by": "lakegate",
                DRIVER: driver,
            },
        },
        "spec": {
            **placed(config, place),
            **shut_off(),
            "containers": [container],
            "serviceAccountName": EXECUTOR_ACCOUNT,
            "volumes": [scratch, *_shared_volumes(config, driver)],
        },
    }


def _token_volume() -> Manifest:
    """In the guest's container alone, and renewed: the channel has no use for it."""
    sources: Sequence[Any] = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": TOKEN_SECONDS}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
    ]
    return {"name": "token", "projected": {"sources": sources, "defaultMode": 0o440}}


def _template_volume() -> Manifest:
    field = {"fieldPath": f"metadata.annotations['{TEMPLATE}']"}
    return {"name": "executor", "downwardAPI": {"items": [{"path": "pod.json", "fieldRef": field}]}}


def _shared_mounts(config: KubernetesConfig, workspace: str | None) -> Sequence[Manifest]:
    """What driver and executors have alike: their secret, and the tables where gateways have them.

    Raises CannotStart where it is not said whose.
    """
    secret = {"name": "secret", "mountPath": SECRET_FOLDER, "readOnly": True}
    spark = config.spark
    if not spark.claim:
        return [secret]
    if not spark.divided:
        return [secret, {"name": "warehouse", "mountPath": spark.warehouse}]
    if workspace is None:
        raise CannotStart("pods with tables on a volume are started for one workspace, and this one is for any")
    mounted_at = f"{spark.warehouse.rstrip('/')}/{workspace}"
    return [secret, {"name": "warehouse", "mountPath": mounted_at, "subPathExpr": f"$({FOLDER})"}]


def _shared_variables(config: KubernetesConfig, driver: str) -> Sequence[Manifest]:
    folder = {"name": FOLDER, "valueFrom": {"secretKeyRef": {"name": driver, "key": FOLDER_KEY}}}
    return [folder] if config.spark.claim and config.spark.divided else []


def _shared_volumes(config: KubernetesConfig, driver: str) -> Sequence[Manifest]:
    secret = {"name": "secret", "secret": {"secretName": driver, "defaultMode": 0o440}}
    warehouse = {"name": "warehouse", "persistentVolumeClaim": {"claimName": config.spark.claim}}
    return [secret, warehouse] if config.spark.claim else [secret]
