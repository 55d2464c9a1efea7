"""What an administrator applies once: the machines' namespace and the rights, bounds and walls in it.

A gateway creates none of this and could not: its role lets it have pods, its two Secrets and Leases, and see nodes.

    python -m compute.spawners.kubernetes --api-server 10.0.0.0/24 | kubectl apply --server-side -f -
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from compute.spawners.kubernetes import ownership
from compute.spawners.kubernetes.admission import ExecutorWalls, driver_policy
from compute.spawners.kubernetes.config import DRIVER_ACCOUNT, EXECUTOR_ACCOUNT, GUEST_PORT, JOB_ACCOUNT, JOB_CLASS
from compute.spawners.kubernetes.driver import ROLE
from compute.spawners.kubernetes.manifests import Manifest, container_security, pod_security, secret_name
from compute.spawners.kubernetes.nodes import NodeType

GATEWAY_LABEL = ("app.kubernetes.io/component", "lakegate-gateway")
MACHINE = "lakegate-machine"
PLACEHOLDER = "lakegate-placeholder"
GATEWAY_ROLE = "lakegate-gateway"
MACHINE_PRIORITY = 1000
PLACEHOLDER_PRIORITY = -10
"""Below everything: a placeholder gives way to whatever is really wanted, and keeps a node awake until then."""
RUNTIMES: Mapping[str, str] = {"kata": "kata-qemu", "gvisor": "runsc", "crun": "crun"}
"""RuntimeClass names, and the handlers that nodes' containerd knows them by."""
API_SERVER_PORTS = (443, 6443)
_SPARED: Mapping[str, Any] = {"0.0.0.0/0": {"except": ["169.254.169.254/32"]}}
"""A node tells the credentials of its own role there."""
PAUSE_IMAGE = "registry.k8s.io/pause:3.10"


@dataclass(frozen=True, slots=True)
class NamespaceSettings:
    """`api_server_cidrs` is where Spark's drivers find the API server; they reach nothing else.

    `gateway_account` is the service account that gateways run as, `gateway_names` the names they have.

    `quota` bounds all machines together, in the words of a ResourceQuota, `job_quota` the pods of all jobs; `executors`
    is what one of Spark's executors may be. `placeholders` are pods that hold room for as
    many machines of `placeholder_resources` on nodes of `placeholder_node`. `machine_role_arn` is an IAM role for
    machines but Spark's; none by default, since a guest gets credentials with its statements.
    """

    api_server_cidrs: Sequence[str]
    namespace: str = "lakegate-machines"
    gateway_namespace: str = "lakegate"
    gateway_account: str = "lakegate-gateway"
    gateway_names: Sequence[str] = ("lakegate-0",)
    quota: Mapping[str, str] = field(default_factory=lambda: {"pods": "2000"})
    job_quota: Mapping[str, str] = field(default_factory=lambda: {"pods": "200"})
    executors: ExecutorWalls = field(default_factory=ExecutorWalls)
    runtimes: Sequence[str] = ()
    placeholders: int = 0
    placeholder_resources: Mapping[str, str] = field(default_factory=lambda: {"cpu": "2", "memory": "4Gi"})
    placeholder_node: NodeType = field(default_factory=NodeType)
    placeholder_image: str = PAUSE_IMAGE
    machine_role_arn: str | None = None


def namespace_objects(settings: NamespaceSettings) -> Sequence[Manifest]:
    """Everything, in an order in which it can be applied."""
    return [
        namespace(settings.namespace),
        *(runtime_class(name) for name in settings.runtimes),
        *(priority_class(name, MACHINE_PRIORITY, "PreemptLowerPriority") for name in (MACHINE, JOB_CLASS)),
        priority_class(PLACEHOLDER, PLACEHOLDER_PRIORITY, "Never"),
        service_account(settings.namespace, MACHINE, settings.machine_role_arn),
        *(service_account(settings.namespace, name) for name in (DRIVER_ACCOUNT, EXECUTOR_ACCOUNT, JOB_ACCOUNT)),
        driver_role(settings),
        driver_binding(settings),
        *driver_policy(settings.namespace, MACHINE, settings.executors),
        resource_quota(settings.namespace, MACHINE, settings.quota),
        resource_quota(settings.namespace, JOB_CLASS, settings.job_quota),
        network_policy(settings),
        driver_network_policy(settings),
        gateway_role(settings),
        role_binding(settings),
        node_reader(),
        node_reader_binding(settings),
        *([placeholder_deployment(settings)] if settings.placeholders else []),
    ]


def namespace(name: str) -> Manifest:
    """The Pod Security Standard "restricted" is enforced on whatever is created in it, by whomever."""
    enforced = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": enforced}}


def runtime_class(name: str) -> Manifest:
    """A way to run pods other than the nodes' usual one. Nodes that have it are labelled with its name."""
    scheduling: Mapping[str, Any] = {} if name == "crun" else {"nodeSelector": {f"lakegate.dev/{name}": "true"}}
    return {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": name},
        "handler": RUNTIMES[name],
        **({"scheduling": scheduling} if scheduling else {}),
    }


def priority_class(name: str, value: int, preemption: str) -> Manifest:
    """`preemption` Never: its pods wait for room and take none."""
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name},
        "value": value,
        "preemptionPolicy": preemption,
        "globalDefault": False,
    }


def service_account(namespace: str, name: str, role_arn: str | None = None) -> Manifest:
    """`role_arn` is an IAM role that EKS gives to its pods (IRSA)."""
    annotations = {} if role_arn is None else {"eks.amazonaws.com/role-arn": role_arn}
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations},
        "automountServiceAccountToken": False,
    }


def resource_quota(namespace: str, priority_class: str, hard: Mapping[str, str]) -> Manifest:
    """Pods of other classes do not count: placeholders are no machines, and a job displaces none."""
    scope = {"operator": "In", "scopeName": "PriorityClass", "values": [priority_class]}
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": priority_class, "namespace": namespace},
        "spec": {"hard": dict(hard), "scopeSelector": {"matchExpressions": [scope]}},
    }


def network_policy(settings: NamespaceSettings) -> Manifest:
    """In: gateways, to the channel. Out: nothing, names included."""
    label, value = GATEWAY_LABEL
    gateways = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": settings.gateway_namespace}},
        "podSelector": {"matchLabels": {label: value}},
    }
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": MACHINE, "namespace": settings.namespace},
        "spec": {
            "podSelector": {},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [gateways], "ports": [{"protocol": "TCP", "port": GUEST_PORT}]}],
            "egress": [],
        },
    }


def driver_network_policy(settings: NamespaceSettings) -> Manifest:
    """A driver asks the API server for executors. What it may say to these is a policy of its own."""
    blocks = [{"ipBlock": {"cidr": cidr, **_SPARED.get(cidr, {})}} for cidr in settings.api_server_cidrs]
    ports = [{"protocol": "TCP", "port": port} for port in API_SERVER_PORTS]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": DRIVER_ACCOUNT, "namespace": settings.namespace},
        "spec": {
            "podSelector": {"matchLabels": {ROLE: "driver"}},
            "policyTypes": ["Egress"],
            "egress": [{"to": blocks, "ports": ports}],
        },
    }


def gateway_role(settings: NamespaceSettings) -> Manifest:
    """No exec, no logs, no other Secret than the channel's own; creating can't be bound to names."""
    names = [secret_name(name, holder) for name in settings.gateway_names for holder in ("guest", "gateway")]
    rules = [
        _rule("", "pods", ["create", "get", "list", "watch", "patch", "delete"]),
        _rule("", "secrets", ["create"]),
        {**_rule("", "secrets", ["get", "update"]), "resourceNames": names},
        _rule("networking.k8s.io", "networkpolicies", ["create"]),
        _rule("coordination.k8s.io", "leases", ["create", "get", "list", "update", "patch", "delete"]),
    ]
    metadata = {"name": GATEWAY_ROLE, "namespace": settings.namespace}
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata, "rules": rules}


def driver_role(settings: NamespaceSettings) -> Manifest:
    """Spark's drivers look after their executors; nothing but pods, and only here."""
    verbs = ["create", "get", "list", "watch", "delete"]
    metadata = {"name": DRIVER_ACCOUNT, "namespace": settings.namespace}
    rules = [_rule("", "pods", verbs)]
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata, "rules": rules}


def driver_binding(settings: NamespaceSettings) -> Manifest:
    namespace, accounts = settings.namespace, (DRIVER_ACCOUNT, JOB_ACCOUNT)
    drivers = [{"kind": "ServiceAccount", "name": name, "namespace": namespace} for name in accounts]
    binding = _binding("RoleBinding", "Role", DRIVER_ACCOUNT, settings, {"namespace": namespace})
    return {**binding, "subjects": drivers}


def role_binding(settings: NamespaceSettings) -> Manifest:
    return _binding("RoleBinding", "Role", GATEWAY_ROLE, settings, {"namespace": settings.namespace})


def node_reader() -> Manifest:
    """Which nodes are about to go is written on the nodes."""
    rules = [_rule("", "nodes", ["list", "watch"])]
    metadata = {"name": f"{GATEWAY_ROLE}-nodes"}
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": metadata, "rules": rules}


def node_reader_binding(settings: NamespaceSettings) -> Manifest:
    role = f"{GATEWAY_ROLE}-nodes"
    return _binding("ClusterRoleBinding", "ClusterRole", role, settings, {"name": f"{role}-{settings.namespace}"})


def placeholder_deployment(settings: NamespaceSettings) -> Manifest:
    """Pods that do nothing in the room of machines to come, so that an autoscaler has a node ready."""
    labels = {ownership.APPLICATION: PLACEHOLDER}
    node = settings.placeholder_node
    resources = dict(settings.placeholder_resources)
    container = {
        "name": "pause",
        "image": settings.placeholder_image,
        "resources": {"requests": resources, "limits": resources},
        "securityContext": container_security(),
    }
    placed = {"nodeSelector": dict(node.node_selector()), "affinity": node.affinity()}
    spec = {
        **{key: value for key, value in placed.items() if value},
        "tolerations": list(node.tolerations()),
        "priorityClassName": PLACEHOLDER,
        "serviceAccountName": MACHINE,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "securityContext": pod_security(),
        "containers": [container],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": PLACEHOLDER, "namespace": settings.namespace, "labels": labels},
        "spec": {
            "replicas": settings.placeholders,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def _rule(group: str, resource: str, verbs: Sequence[str]) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": [resource], "verbs": list(verbs)}


def _binding(kind: str, role_kind: str, role: str, settings: NamespaceSettings, place: Mapping[str, str]) -> Manifest:
    account = {"kind": "ServiceAccount", "name": settings.gateway_account, "namespace": settings.gateway_namespace}
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": role, **place},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": role},
        "subjects": [account],
    }
