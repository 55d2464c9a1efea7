"""Whose a pod is, by its labels, and how that changes: patches that hold only if nobody was faster.

`GATEWAY` outlives a restart, `INSTANCE` is one run of that gateway. A pod is `WARM` until somebody's identity is on its
way into it, `CLAIMED` from then on, never back.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from compute.config import MachineSpec
from compute.spawners.kubernetes.config import KubernetesConfig

APPLICATION = "app.kubernetes.io/name"
MACHINE = "lakegate-machine"
GATEWAY = "lakegate.dev/gateway"
INSTANCE = "lakegate.dev/instance"
TEMPLATE = "lakegate.dev/template"
STATE = "lakegate.dev/state"
WARM = "warm"
CLAIMED = "claimed"
KEEP_NODE = "karpenter.sh/do-not-disrupt"
"""Karpenter does not consolidate a node away while a pod on it says so."""
EVICTABLE = "cluster-autoscaler.kubernetes.io/safe-to-evict"
"""Nor does the Cluster Autoscaler while a pod on it says that it is not."""
Operations = Sequence[Mapping[str, Any]]


def labels(gateway: str, instance: str, template: str) -> Mapping[str, str]:
    """Of a pod that is nobody's yet."""
    return {APPLICATION: MACHINE, GATEWAY: gateway, INSTANCE: instance, TEMPLATE: template, STATE: WARM}


def selector(gateway: str) -> str:
    return f"{APPLICATION}={MACHINE},{GATEWAY}={gateway}"


def others_selector(gateways: Sequence[str]) -> str:
    """Pods of all gateways but these."""
    return f"{APPLICATION}={MACHINE},{GATEWAY} notin ({','.join(sorted(gateways))})"


def template_key(spec: MachineSpec, config: KubernetesConfig) -> str:
    """Equal for machines that may stand for each other: same image, engine, options and kind of node."""
    content = [
        config.image,
        *(spec.engine, spec.mode, spec.threads, spec.memory_bytes, sorted(spec.properties.items())),
        repr((spec.placement, config.node_type(spec.placement))),
        repr((spec.executors, config.spark, config.node_types) if spec.executors else None),
        *(config.service_account, config.scratch_bytes, config.overhead_bytes, config.cpu_share),
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]


def claim(instance: str) -> Operations:
    """Takes a warm pod of this instance. Fails where it has been adopted by a later one, or claimed."""
    return [
        *_only_if({INSTANCE: instance, STATE: WARM}),
        {"op": "replace", "path": _label(STATE), "value": CLAIMED},
        {"op": "add", "path": _annotation(KEEP_NODE), "value": "true"},
        {"op": "add", "path": _annotation(EVICTABLE), "value": "false"},
    ]


def adoption(instance: str, former: str) -> Operations:
    """Takes over a warm pod of an earlier instance. Fails where another was faster, or the earlier one lives yet and
    claimed it."""
    return [
        *_only_if({INSTANCE: former, STATE: WARM}),
        {"op": "replace", "path": _label(INSTANCE), "value": instance},
    ]


def _only_if(expected: Mapping[str, str]) -> Operations:
    return [{"op": "test", "path": _label(name), "value": value} for name, value in expected.items()]


def _label(name: str) -> str:
    return f"/metadata/labels/{_escape(name)}"


def _annotation(name: str) -> str:
    return f"/metadata/annotations/{_escape(name)}"


def _escape(name: str) -> str:
    """As RFC 6901 has it."""
    return name.replace("~", "~0").replace("/", "~1")
