"""What Spark's drivers may do to pods, beyond what roles can say.

Who may create pods in a namespace could have every Secret of it mounted. So a policy of admission looks at each pod
that a driver creates or deletes: it belongs to that very driver (whose token says in which pod it was issued), and has
no Secret but that driver's, no token and no way to run anything beside. Of the volume with the tables it mounts what
the same Secret names, which is the workspace's folder, as the user of machines: the kubelet would give the whole volume
to another group, and gateways act as the owner of what they find. It is of the machines' priority class, so that their
quota counts it and it displaces nobody else's pods, and goes where the scheduler lets machines: to no node and no
neighbour of its choice. It ends when it is told to, and with its driver. It runs Spark's image behind the walls that an
administrator has named, and takes no more than he lets one take. A job's driver runs somebody's code: its executors are
of a class of their own, which has a quota of its own, and have no volume claim either, but the one that is kept for
jobs, whole.

References: Kubernetes documentation, "Validating Admission Policy" and "Managing Service Accounts" (bound tokens),
"Taints and Tolerations", "Common Expression Language in Kubernetes" (quantities).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from compute.spawners.kubernetes import ownership
from compute.spawners.kubernetes.config import (
    DRIVER_ACCOUNT,
    EXECUTOR_ACCOUNT,
    JOB_ACCOUNT,
    JOB_CLAIM,
    JOB_CLASS,
    SPARK_IMAGE,
)
from compute.spawners.kubernetes.driver import DRIVER, EXECUTOR, FOLDER, FOLDER_KEY
from compute.spawners.kubernetes.manifests import GUEST_UID
from compute.spawners.kubernetes.nodes import (
    ARCHITECTURE,
    CAPACITY_LABELS,
    GPU,
    INSTANCE_TYPE,
    MACHINES_TAINT,
    NODE_POOL,
    ZONE,
)

GROUP = "admissionregistration.k8s.io/v1"
_DRIVER = "request.userInfo.extra['authentication.kubernetes.io/pod-name'][0]"
_TOLERATED = (
    MACHINES_TAINT,
    *CAPACITY_LABELS,
    GPU,
    # The API server lets every pod tolerate these for some minutes, or (the last) nearly every pod.
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "node.kubernetes.io/memory-pressure",
)
_LABELS = (NODE_POOL, ARCHITECTURE, INSTANCE_TYPE, ZONE, *CAPACITY_LABELS)
"""Kinds of nodes go by these, by RuntimeClasses (which bring their label to a pod) and by what an administrator names;
no node has one to itself."""
_GRACE_SECONDS = 30
"""Kubernetes' and Spark's usual."""
_RULES: Mapping[str, str] = {
    "an executor of its own": f"""
        variables.pod.metadata.labels[?'{ownership.APPLICATION}'].orValue('') == '{EXECUTOR}' &&
        variables.pod.metadata.labels[?'{DRIVER}'].orValue('') == {_DRIVER} &&
        variables.pod.metadata.?ownerReferences.orValue([]).size() == 1 &&
        variables.pod.metadata.ownerReferences.all(owner,
            owner.apiVersion == 'v1' && owner.kind == 'Pod' && owner.name == {_DRIVER})""",
    "an end": f"""
        request.operation == 'DELETE' ||
        object.metadata.?finalizers.orValue([]).size() == 0 && object.spec.restartPolicy == 'Never' &&
        object.spec.?terminationGracePeriodSeconds.orValue({_GRACE_SECONDS}) <= {_GRACE_SECONDS}""",
    "no rights": """
        request.operation == 'DELETE' ||
        object.spec.serviceAccountName == variables.account &&
        object.spec.?automountServiceAccountToken.orValue(true) == false""",
    "no secret of others": f"""
        request.operation == 'DELETE' ||
        object.spec.?volumes.orValue([]).all(volume,
            has(volume.emptyDir) || has(volume.persistentVolumeClaim) ||
            has(volume.secret) && volume.secret.secretName == {_DRIVER}) &&
        object.spec.containers.all(container,
            !has(container.envFrom) && container.?env.orValue([]).all(variable,
                !has(variable.valueFrom) || has(variable.valueFrom.fieldRef) ||
                variable.valueFrom.?secretKeyRef.?name.orValue('') == {_DRIVER}))""",
    "no claim but the one with its tables": """
        request.operation == 'DELETE' ||
        object.spec.?volumes.orValue([]).all(volume,
            !has(volume.persistentVolumeClaim) || volume.persistentVolumeClaim.claimName == variables.claim) &&
        object.spec.containers.all(container, !has(container.volumeDevices))""",
    "no tables of others": f"""
        request.operation == 'DELETE' || variables.job ||
        object.spec.containers.all(container,
            container.?volumeMounts.orValue([]).all(mount,
                !object.spec.?volumes.orValue([]).exists(volume,
                    volume.name == mount.name && has(volume.persistentVolumeClaim)) ||
                mount.?subPathExpr.orValue('') == '$({FOLDER})') &&
            container.?env.orValue([]).all(variable, variable.name != '{FOLDER}' ||
                variable.?valueFrom.?secretKeyRef.?name.orValue('') == {_DRIVER} &&
                variable.valueFrom.secretKeyRef.key == '{FOLDER_KEY}'))""",
    "the user of machines": f"""
        request.operation == 'DELETE' ||
        object.spec.?securityContext.?runAsUser.orValue(0) == {GUEST_UID} &&
        object.spec.?securityContext.?runAsGroup.orValue(0) == {GUEST_UID} &&
        object.spec.?securityContext.?fsGroup.orValue(0) == {GUEST_UID} &&
        object.spec.?securityContext.?supplementalGroups.orValue([]).size() == 0 &&
        object.spec.containers.all(container,
            container.?securityContext.?runAsUser.orValue({GUEST_UID}) == {GUEST_UID} &&
            container.?securityContext.?runAsGroup.orValue({GUEST_UID}) == {GUEST_UID})""",
    "one container": """
        request.operation == 'DELETE' ||
        object.spec.containers.size() == 1 && object.spec.?initContainers.orValue([]).size() == 0""",
    "the place of machines": f"""
        request.operation == 'DELETE' ||
        object.spec.?priorityClassName.orValue('') == variables.class && !has(object.spec.nodeName) &&
        object.spec.?tolerations.orValue([]).all(toleration,
            toleration.?key.orValue('') in {list(_TOLERATED)})""",
    "no node of its choice": """
        request.operation == 'DELETE' ||
        object.spec.?nodeSelector.orValue({}).all(label,
            label in variables.labels || variables.runtimes.exists(runtime, label == 'lakegate.dev/' + runtime)) &&
        !has(object.spec.topologySpreadConstraints) &&
        !object.spec.?affinity.?podAffinity.hasValue() && !object.spec.?affinity.?podAntiAffinity.hasValue() &&
        object.spec.?affinity.?nodeAffinity.?requiredDuringSchedulingIgnoredDuringExecution.?nodeSelectorTerms
            .orValue([]).all(term, !has(term.matchFields) &&
                term.?matchExpressions.orValue([]).all(expression, expression.key in variables.labels)) &&
        object.spec.?affinity.?nodeAffinity.?preferredDuringSchedulingIgnoredDuringExecution
            .orValue([]).all(term, !has(term.preference.matchFields) &&
                term.preference.?matchExpressions.orValue([]).all(expression, expression.key in variables.labels))""",
    "the image of executors": """
        request.operation == 'DELETE' || object.spec.containers.all(container, container.image == variables.image)""",
    "the walls of executors": """
        request.operation == 'DELETE' || object.spec.?runtimeClassName.orValue('') in variables.runtimes""",
    "bounds": """
        request.operation == 'DELETE' || object.spec.containers.all(container,
            container.?resources.?requests.orValue({}).all(kind, kind in variables.limits) &&
            container.?resources.?limits.orValue({}).all(kind, kind in variables.limits) &&
            variables.limits.all(kind, kind in container.?resources.?limits.orValue({}) &&
                !quantity(container.resources.limits[kind]).isGreaterThan(quantity(variables.limits[kind]))))""",
}


@dataclass(frozen=True, slots=True)
class ExecutorWalls:
    """What an executor may be at most. `image` is Spark's, `runtimes` are RuntimeClasses (empty: the nodes' usual one),
    `limits` what one may take of a node; nothing else of it. `claim` is the volume claim with the tables (empty: it
    mounts none). `labels` are those of nodes, beside the usual, that its node type asks for."""

    image: str = SPARK_IMAGE
    runtimes: Sequence[str] = ("",)
    claim: str = ""
    limits: Mapping[str, str] = field(
        default_factory=lambda: {"cpu": "16", "memory": "64Gi", "ephemeral-storage": "64Gi"}
    )
    labels: Sequence[str] = ()


def driver_policy(namespace: str, priority_class: str, walls: ExecutorWalls) -> Sequence[Mapping[str, Any]]:
    """The policy and its binding, for that namespace. `priority_class` is executors', but for a job's."""
    name = f"{DRIVER_ACCOUNT}-{namespace}"
    drivers, jobs = (f"'system:serviceaccount:{namespace}:{each}'" for each in (DRIVER_ACCOUNT, JOB_ACCOUNT))
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "DELETE"], "resources": ["pods"]}
            ]
        },
        "matchConditions": [{"name": "drivers", "expression": f"request.userInfo.username in [{drivers}, {jobs}]"}],
        "variables": [
            {"name": "pod", "expression": "request.operation == 'DELETE' ? oldObject : object"},
            {"name": "account", "expression": f"'{EXECUTOR_ACCOUNT}'"},
            {"name": "job", "expression": f"request.userInfo.username == {jobs}"},
            {"name": "class", "expression": f"variables.job ? '{JOB_CLASS}' : '{priority_class}'"},
            {"name": "claim", "expression": f"variables.job ? '{JOB_CLAIM}' : '{walls.claim}'"},
            {"name": "image", "expression": f"'{walls.image}'"},
            {"name": "runtimes", "expression": str(list(walls.runtimes))},
            {"name": "labels", "expression": str([*_LABELS, *walls.labels])},
            {"name": "limits", "expression": str(dict(walls.limits))},
        ],
        "validations": [
            {"expression": " ".join(rule.split()), "message": f"a driver's pods are executors with {what}"}
            for what, rule in _RULES.items()
        ],
    }
    binding = {"policyName": name, "validationActions": ["Deny"]}
    return [
        {"apiVersion": GROUP, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}, "spec": spec},
        {"apiVersion": GROUP, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name}, "spec": binding},
    ]
