"""Node types: what kind of node a machine's pod asks for, as one value and as the scheduler's terms.

The labels are those that Karpenter, EKS's managed node groups and Kubernetes itself put on nodes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Capacity = Literal["on-demand", "spot", "spot-or-on-demand"]

ZONE = "topology.kubernetes.io/zone"
INSTANCE_TYPE = "node.kubernetes.io/instance-type"
ARCHITECTURE = "kubernetes.io/arch"
NODE_POOL = "karpenter.sh/nodepool"
CAPACITY_LABELS: Mapping[str, Mapping[str, str]] = {
    "karpenter.sh/capacity-type": {"spot": "spot", "on-demand": "on-demand"},
    "eks.amazonaws.com/capacityType": {"spot": "SPOT", "on-demand": "ON_DEMAND"},
}
"""Karpenter's nodes carry the first, those of managed node groups the second."""
MACHINES_TAINT = "lakegate.dev/machines"
"""Nodes that are kept for machines carry it, so that nothing else comes to them."""
LEAVING_TAINTS = frozenset(
    {
        "karpenter.sh/disrupted",
        "node.kubernetes.io/unschedulable",
        "node.kubernetes.io/out-of-service",
        "aws-node-termination-handler/spot-itn",
        "aws-node-termination-handler/rebalance-recommendation",
        "aws-node-termination-handler/scheduled-maintenance",
    }
)
"""A node with one of these is about to go: reclaimed spot capacity, consolidation, an operator's drain."""
LOST_TAINTS = frozenset({"node.kubernetes.io/unreachable"})
"""Nobody hears of the node any more, so nobody hears of its pods."""


@dataclass(frozen=True, slots=True)
class NodeType:
    """A kind of node.

    `spot-or-on-demand` prefers spot and takes what there is. `instance_types` and `zones` empty mean any. `pool` names
    a Karpenter NodePool. `runtime_class` puts the pod into a virtual machine or behind a kernel of its own (kata,
    gvisor), which asks for nodes that have it: bare metal, for kata. `gpus` counts devices of `gpu_resource`.
    """

    name: str = "on-demand"
    capacity: Capacity = "on-demand"
    instance_types: Sequence[str] = ()
    zones: Sequence[str] = ()
    architecture: str | None = None
    pool: str | None = None
    runtime_class: str | None = None
    gpus: int = 0
    gpu_resource: str = "nvidia.com/gpu"
    labels: Mapping[str, str] = field(default_factory=dict)

    def node_selector(self) -> Mapping[str, str]:
        """Labels that a node must have, all of them."""
        chosen = {NODE_POOL: self.pool, ARCHITECTURE: self.architecture}
        return {**self.labels, **{label: value for label, value in chosen.items() if value is not None}}

    def affinity(self) -> Mapping[str, Any]:
        """Node affinity as in a pod's specification; empty where any node will do."""
        rules = {
            "requiredDuringSchedulingIgnoredDuringExecution": self._required(),
            "preferredDuringSchedulingIgnoredDuringExecution": self._preferred(),
        }
        present = {name: rule for name, rule in rules.items() if rule}
        return {"nodeAffinity": present} if present else {}

    def tolerations(self) -> Sequence[Mapping[str, str]]:
        """Machines may go to nodes kept for them, to spot and GPU nodes only where the type says so."""
        kept = [MACHINES_TAINT]
        if self.capacity != "on-demand":
            kept += CAPACITY_LABELS
        if self.gpus:
            kept.append(self.gpu_resource)
        return [{"key": taint, "operator": "Exists", "effect": "NoSchedule"} for taint in kept]

    def devices(self) -> Mapping[str, str]:
        """Extended resources that the guest's container asks for."""
        return {self.gpu_resource: str(self.gpus)} if self.gpus else {}

    def _required(self) -> Mapping[str, Any]:
        """Terms are alternatives: a label of one autoscaler or the other's; the expressions of a term are all met."""
        common = [_within(INSTANCE_TYPE, self.instance_types), _within(ZONE, self.zones)]
        everywhere = [expression for expression in common if expression]
        if self.capacity == "spot":
            terms = [[_within(label, [values["spot"]]), *everywhere] for label, values in CAPACITY_LABELS.items()]
        else:
            terms = [everywhere] if everywhere else []
        return {"nodeSelectorTerms": [{"matchExpressions": term} for term in terms]} if terms else {}

    def _preferred(self) -> Sequence[Mapping[str, Any]]:
        if self.capacity == "spot":
            return []
        wanted = "spot" if self.capacity == "spot-or-on-demand" else "on-demand"
        return [
            {"weight": 100, "preference": {"matchExpressions": [_within(label, [values[wanted]])]}}
            for label, values in CAPACITY_LABELS.items()
        ]


def _within(label: str, values: Sequence[str]) -> Mapping[str, Any]:
    return {"key": label, "operator": "In", "values": list(values)} if values else {}


def is_leaving(node: Mapping[str, Any]) -> bool:
    """Whether a node, as the API server tells of it, is about to go."""
    return bool(_taints(node) & LEAVING_TAINTS) or "deletionTimestamp" in node["metadata"]


def is_lost(node: Mapping[str, Any]) -> bool:
    """Whether its pods must be taken for dead: their connections would only hang."""
    return bool(_taints(node) & LOST_TAINTS)


def _taints(node: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(taint["key"] for taint in node.get("spec", {}).get("taints") or [])
