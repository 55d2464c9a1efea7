"""What Spark's drivers may do to pods, beyond what roles can say.

Who may create pods in a namespace could have every Secret of it mounted. So a policy of admission looks at each pod
that a driver creates or deletes: it belongs to that very driver (whose token says in which pod it was issued), and has
no Secret but that driver's, no token and no way to run anything beside.

References: Kubernetes documentation, "Validating Admission Policy" and "Managing Service Accounts" (bound tokens).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from compute.spawners.kubernetes import ownership
from compute.spawners.kubernetes.driver import EXECUTOR

GROUP = "admissionregistration.k8s.io/v1"
_DRIVER = "request.userInfo.extra['authentication.kubernetes.io/pod-name'][0]"
_RULES: Mapping[str, str] = {
    "an executor of its own": f"""
        variables.pod.metadata.labels[?'{ownership.APPLICATION}'].orValue('') == '{EXECUTOR}' &&
        variables.pod.metadata.?ownerReferences.orValue([]).exists(owner,
            owner.kind == 'Pod' && owner.name == {_DRIVER})""",
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
                !has(variable.valueFrom) || has(variable.valueFrom.fieldRef)))""",
    "one container": """
        request.operation == 'DELETE' ||
        object.spec.containers.size() == 1 && object.spec.?initContainers.orValue([]).size() == 0""",
}


def driver_policy(namespace: str, drivers: str, executors: str) -> Sequence[Mapping[str, Any]]:
    """The policy and its binding. `drivers` and `executors` are service accounts of that namespace."""
    name = f"{drivers}-{namespace}"
    user = f"system:serviceaccount:{namespace}:{drivers}"
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "DELETE"], "resources": ["pods"]}
            ]
        },
        "matchConditions": [{"name": "drivers", "expression": f"request.userInfo.username == '{user}'"}],
        "variables": [
            {"name": "pod", "expression": "request.operation == 'DELETE' ? oldObject : object"},
            {"name": "account", "expression": f"'{executors}'"},
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
