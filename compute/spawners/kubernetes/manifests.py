"""Pods and Secrets as values: what is sent to the API server, made by pure functions.

A pod has two containers of one image. `channel` holds the private key and speaks TLS; `guest` runs the engine and sees
neither key nor network peers, only a Unix socket that both share. Everything conforms to the Pod Security Standard
"restricted", which the namespace enforces.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from compute.config import MachineSpec, Placement
from compute.spawners.kubernetes import ownership
from compute.spawners.kubernetes.channel import Pair
from compute.spawners.kubernetes.config import GUEST_PORT, KubernetesConfig

Manifest = Mapping[str, Any]
GUEST = "guest"
CHANNEL = "channel"
GUEST_UID = 64023
SOCKET_FOLDER = "/run/lakegate"
SOCKET = f"{SOCKET_FOLDER}/guest.sock"
PAIR_FOLDER = "/etc/lakegate/channel"
SCRATCH = "/scratch"
ANY_ADDRESS = "0.0.0.0"
DRAIN_SECONDS = 30
"""How long a statement may go on in a pod that its node wants to be rid of."""
CHANNEL_CPU = 1.0
CHANNEL_SHARE = 0.05
CHANNEL_MEMORY = "96Mi"


def secret_name(gateway: str, holder: str) -> str:
    """`holder` is who shows the certificate: guests or the gateway."""
    return f"lakegate-{gateway}-{holder}"


def channel_secret(config: KubernetesConfig, holder: str, pair: Pair, owner: Manifest) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": _metadata(config, secret_name(config.gateway, holder), {}, owner),
        "data": dict(pair.files),
    }


def guest_pod(
    config: KubernetesConfig, name: str, spec: MachineSpec, labels: Mapping[str, str], owner: Manifest
) -> dict[str, Any]:
    """A machine of that specification, on nodes of the type, or the very node, that it is to be placed on."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **_metadata(config, name, labels, owner),
            "annotations": {ownership.EVICTABLE: "true"},
        },
        "spec": {
            **placed(config, spec.placement),
            **shut_off(),
            "serviceAccountName": config.service_account,
            "initContainers": [_channel_container(config)],
            "containers": [_guest_container(config, spec)],
            "volumes": _volumes(config),
        },
    }


def placed(config: KubernetesConfig, placement: Placement) -> dict[str, Any]:
    """Of a pod's specification: where it goes. The scheduler looks at every node, a named one too, whether it fits.

    Raises CannotStart for a type that nobody has described.
    """
    node = config.node_type(placement)
    wanted = {
        "runtimeClassName": node.runtime_class,
        "nodeSelector": dict(node.node_selector()),
        "affinity": node.affinity(placement.node),
        "tolerations": list(node.tolerations()),
        "priorityClassName": config.priority_class,
    }
    return {key: value for key, value in wanted.items() if value}


def shut_off() -> dict[str, Any]:
    """Of a pod's specification: no names, no token, no rights, one life."""
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "dnsPolicy": "None",
        "dnsConfig": {"nameservers": ["127.0.0.1"]},
        "terminationGracePeriodSeconds": DRAIN_SECONDS,
        "securityContext": pod_security(),
    }


def pod_security() -> Manifest:
    return {
        "runAsNonRoot": True,
        "runAsUser": GUEST_UID,
        "runAsGroup": GUEST_UID,
        "fsGroup": GUEST_UID,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> Manifest:
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def _metadata(config: KubernetesConfig, name: str, labels: Mapping[str, str], owner: Manifest) -> Manifest:
    return {
        "name": name,
        "namespace": config.namespace,
        "labels": {"app.kubernetes.io/managed-by": "lakegate", **labels},
        "ownerReferences": [dict(owner)],
    }


def _guest_container(config: KubernetesConfig, spec: MachineSpec) -> Manifest:
    options = {"threads": spec.threads, "memory_bytes": spec.memory_bytes, "properties": dict(spec.properties)}
    order = {"engine": spec.engine, "mode": spec.mode, "options": options, "scratch": SCRATCH, "socket": SOCKET}
    held = {
        "memory": str(spec.memory_bytes + config.overhead_bytes),
        "ephemeral-storage": str(config.scratch_bytes),
        **config.node_type(spec.placement).devices(),
    }
    command = ["python3", "-P", "-m", "compute.guest.pod", json.dumps(order, separators=(",", ":"))]
    return {
        **_container(config, GUEST, command, _resources(spec.threads, config.cpu_share, held)),
        "volumeMounts": [
            {"name": "run", "mountPath": SOCKET_FOLDER},
            {"name": "scratch", "mountPath": SCRATCH},
        ],
    }


def _channel_container(config: KubernetesConfig) -> Manifest:
    """A sidecar in Kubernetes' sense: it starts before the guest and is ended after it."""
    command = ["python3", "-P", "-m", "compute.guest.tunnel", f"{ANY_ADDRESS}:{GUEST_PORT}", SOCKET, PAIR_FOLDER]
    return {
        **_container(config, CHANNEL, command, _resources(CHANNEL_CPU, CHANNEL_SHARE, {"memory": CHANNEL_MEMORY})),
        "restartPolicy": "Always",
        "ports": [{"name": "guest", "containerPort": GUEST_PORT}],
        "volumeMounts": [
            {"name": "run", "mountPath": SOCKET_FOLDER},
            {"name": "pair", "mountPath": PAIR_FOLDER, "readOnly": True},
        ],
    }


def _container(
    config: KubernetesConfig, name: str, command: Sequence[str], resources: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    return {
        "name": name,
        "image": config.image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(command),
        "resources": dict(resources),
        "securityContext": container_security(),
        "terminationMessagePolicy": "File",
    }


def _resources(cpus: float, share: float, held: Mapping[str, str]) -> Mapping[str, Mapping[str, str]]:
    """What is held is promised in full, processors in part: who waits in a warm pool needs none."""
    return {"requests": {**held, "cpu": f"{cpus * share:g}"}, "limits": {**held, "cpu": f"{cpus:g}"}}


def _volumes(config: KubernetesConfig) -> Sequence[Manifest]:
    pair = {"secretName": secret_name(config.gateway, "guest"), "defaultMode": 0o440}
    return [
        {"name": "pair", "secret": pair},
        {"name": "run", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        {"name": "scratch", "emptyDir": {"sizeLimit": str(config.scratch_bytes)}},
    ]


def pods_path(namespace: str, name: str = "") -> str:
    return _path("api/v1", namespace, "pods", name)


def secrets_path(namespace: str, name: str = "") -> str:
    return _path("api/v1", namespace, "secrets", name)


def network_policies_path(namespace: str, name: str = "") -> str:
    return _path("apis/networking.k8s.io/v1", namespace, "networkpolicies", name)


def leases_path(namespace: str, name: str = "") -> str:
    return _path("apis/coordination.k8s.io/v1", namespace, "leases", name)


def _path(group: str, namespace: str, kind: str, name: str) -> str:
    path = f"/{group}/namespaces/{namespace}/{kind}"
    return f"{path}/{name}" if name else path
