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
GPU = "nvidia.com/gpu"
"""Devices by that name, and the taint of nodes that are kept for them."""
LEAVING_TAINTS = frozenset(
    {
        "karpenter.sh/disrupted",
        "node.kubernetes.io/unschedulable",
        "node.kubernetes.io/out-of-service",
        "ToBeDeletedByClusterAutoscaler",
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

    On the nodes of a `placed` type, which there are whether machines want them or not (bare metal, an instance pool),
    the fleet packs machines itself, at most `spread` of one workspace on one node where there is a choice. It counts
    all that such a node can hold as its own, but for `daemon_memory` (MiB), `daemon_cpus` and `daemon_pods` (of its
    kubelet's `maxPods`), so nothing else should come to it; the scheduler's word is the last.
    """

    name: str = "on-demand"
    capacity: Capacity = "on-demand"
    instance_types: Sequence[str] = ()
    zones: Sequence[str] = ()
    architecture: str | None = None
    pool: str | None = None
    runtime_class: str | None = None
    gpus: int = 0
    gpu_resource: str = GPU
    labels: Mapping[str, str] = field(default_factory=dict)
    placed: bool = False
    spread: int | None = None
    daemon_memory: int = 0
    daemon_cpus: float = 0.0
    daemon_pods: int = 0

    def __post_init__(self) -> None:
        """Raises ValueError for what the fleet cannot place."""
        if self.placed and self.gpus:
            raise ValueError(f"{self.name}: devices are not counted where machines are placed")
        if not self.placed and (self.spread or self.daemon_memory or self.daemon_cpus or self.daemon_pods):
            raise ValueError(f"{self.name}: spread and what daemons take are said of placed types only")

    def node_selector(self) -> Mapping[str, str]:
        """Labels that a node must have, all of them."""
        chosen = {NODE_POOL: self.pool, ARCHITECTURE: self.architecture}
        return {**self.labels, **{label: value for label, value in chosen.items() if value is not None}}

    def affinity(self, node: str | None = None) -> Mapping[str, Any]:
        """Node affinity as in a pod's specification; empty where any node will do. `node` is the only one that will."""
        terms = self._terms() if node is None else [{**term, **_named(node)} for term in self._terms() or [{}]]
        rules = {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms} if terms else {},
            "preferredDuringSchedulingIgnoredDuringExecution": self._preferred() if node is None else [],
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

    def admits(self, node: Mapping[str, Any]) -> bool:
        """Whether the scheduler would put a machine of this type on a node that has room."""
        return self.covers(node) and _repelling(node) <= {each["key"] for each in self.tolerations()}

    def covers(self, node: Mapping[str, Any]) -> bool:
        """Whether a node is of this type by its labels, whatever it is tainted with."""
        labels = node["metadata"].get("labels") or {}
        terms = self._terms() or [{"matchExpressions": []}]
        meets_one = any(
            all(labels.get(each["key"]) in each["values"] for each in term["matchExpressions"]) for term in terms
        )
        return self.node_selector().items() <= labels.items() and meets_one

    def _terms(self) -> Sequence[Mapping[str, Any]]:
        """Terms are alternatives: a label of one autoscaler or the other's; the expressions of a term are all met."""
        common = [_within(INSTANCE_TYPE, self.instance_types), _within(ZONE, self.zones)]
        everywhere = [expression for expression in common if expression]
        if self.capacity == "spot":
            terms = [[_within(label, [values["spot"]]), *everywhere] for label, values in CAPACITY_LABELS.items()]
        else:
            terms = [everywhere] if everywhere else []
        return [{"matchExpressions": term} for term in terms]

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


def _named(node: str) -> Mapping[str, Any]:
    """The one of that name: unlike a label, it is nobody's to write."""
    return {"matchFields": [_within("metadata.name", [node])]}


def is_leaving(node: Mapping[str, Any]) -> bool:
    """Whether a node, as the API server tells of it, is about to go."""
    return bool(_taints(node) & LEAVING_TAINTS) or "deletionTimestamp" in node["metadata"]


def is_lost(node: Mapping[str, Any]) -> bool:
    """Whether its pods must be taken for dead: their connections would only hang."""
    return bool(_taints(node) & LOST_TAINTS)


def is_evicting(node: Mapping[str, Any]) -> bool:
    """Whether its pods have to go: machines tolerate no taint with that effect."""
    return any(taint["effect"] == "NoExecute" for taint in node.get("spec", {}).get("taints") or [])


def _repelling(node: Mapping[str, Any]) -> frozenset[str]:
    """What a pod must tolerate to come there."""
    taints = node.get("spec", {}).get("taints") or []
    return frozenset(taint["key"] for taint in taints if taint["effect"] != "PreferNoSchedule")


def _taints(node: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(taint["key"] for taint in node.get("spec", {}).get("taints") or [])
