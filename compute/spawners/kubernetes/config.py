"""What the spawner is told. Frozen; nothing here reads files or the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from compute.config import ANY_NODES, GIB, Placement
from compute.spawners import CannotStart
from compute.spawners.kubernetes.nodes import NodeType

GUEST_PORT = 9443


@dataclass(frozen=True, slots=True)
class KubernetesConfig:
    """`gateway` is this gateway's name, the same after a restart and no other's at the same time; a DNS label.

    `image` holds the guest. `kubeconfig` None means that the gateway is itself a pod. `node_types` are those that a
    placement may name, `default_node` is for one that names none. `owner` is the object, in the form of an owner
    reference, that everything goes with: the gateway's own pod, for one. `heartbeat_seconds` is how long others wait
    for a sign of life.
    """

    namespace: str
    gateway: str
    image: str
    kubeconfig: Path | None = None
    service_account: str = "lakegate-machine"
    priority_class: str | None = "lakegate-machine"
    default_node: NodeType = field(default_factory=NodeType)
    node_types: Mapping[str, NodeType] = field(default_factory=dict)
    scratch_bytes: int = 8 * GIB
    overhead_bytes: int = 256 << 20
    heartbeat_seconds: float = 40.0
    owner: Mapping[str, str] | None = None

    def node_type(self, placement: Placement) -> NodeType:
        """Raises CannotStart for a type that nobody has described."""
        if placement.node_type == ANY_NODES:
            return self.default_node
        if placement.node_type not in self.node_types:
            raise CannotStart(f"the configuration has no node type {placement.node_type!r}")
        return self.node_types[placement.node_type]
