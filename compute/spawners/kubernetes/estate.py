"""The nodes of placed types, as the fleet hears of them: each that joins, drains and goes.

A node has joined from when a machine could run on it, and joins again where its type or its room has changed, with
room for none while a taint keeps new ones away (pressure of its memory, say): those that it has stay. It drains from
when it is about to go, evicts its pods or is another's (a label), and is back when that is over; it is lost when it is
gone, or nobody hears of it any more.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from compute.config import Room
from compute.events import NodeDraining, NodeEvent, NodeJoined, NodeLost
from compute.spawners.kubernetes import ownership
from compute.spawners.kubernetes.api import Object
from compute.spawners.kubernetes.manifests import DRAIN_SECONDS
from compute.spawners.kubernetes.nodes import NodeType, is_evicting, is_leaving, is_lost
from compute.spawners.kubernetes.quantities import parse_quantity

MEBIBYTE = 1 << 20


class Estate:
    """What one gateway may pack. A node that a label keeps for another gateway is none of its own: each counts what it
    has put on a node, not what others have. `see` and `lose` pass on what an informer tells.
    """

    def __init__(self, types: Iterable[NodeType], gateway: str) -> None:
        self._types = [each for each in types if each.placed]
        self._gateway = gateway
        self._joined: dict[str, NodeJoined] = {}
        self._draining: set[str] = set()
        self._tell: Callable[[NodeEvent], None] | None = None

    def watch(self, tell: Callable[[NodeEvent], None]) -> None:
        """Tells of every node that there is, then of every change.

        Small ones first: who hears of a node puts machines there at once, and they should fit.
        """
        self._tell = tell
        for joined in sorted(self._joined.values(), key=lambda each: (each.memory_bytes, each.cpus)):
            tell(joined)

    def see(self, node: Object) -> None:
        """The node is there, and in this state."""
        name = node["metadata"]["name"]
        if is_lost(node):
            self.lose(name)
        elif is_leaving(node) or is_evicting(node) or (joined := self._survey(name, node)) is None:
            self._drain(name)
        elif joined != self._joined.get(name):
            self._draining.discard(name)
            self._joined[name] = joined
            self._say(joined)

    def lose(self, name: str) -> None:
        """The node is gone, or as good as gone."""
        if self._joined.pop(name, None) is not None or name in self._draining:
            self._draining.discard(name)
            self._say(NodeLost(name))

    def _drain(self, name: str) -> None:
        if self._joined.pop(name, None) is not None:
            self._draining.add(name)
            self._say(NodeDraining(name, time.monotonic() + DRAIN_SECONDS))

    def _survey(self, name: str, node: Object) -> NodeJoined | None:
        """Of the first type that the node is of; None for one of none, or that has not told yet what it can hold."""
        labels = node["metadata"].get("labels") or {}
        allocatable = node.get("status", {}).get("allocatable")
        if not allocatable or labels.get(ownership.GATEWAY, self._gateway) != self._gateway:
            return None
        for each in self._types:
            if each.admits(node):
                memory, cpus = _room(allocatable)
                room = memory - each.daemon_memory * MEBIBYTE, cpus - each.daemon_cpus
                return NodeJoined(name, each.name, *room, _most_pods(allocatable, each.daemon_pods))
        return self._closed(name, node)

    def _closed(self, name: str, node: Object) -> NodeJoined | None:
        """A node that is of its type as before, but takes no new machine; None for one that has not joined."""
        known = self._joined.get(name)
        if known is None or not any(each.name == known.node_type and each.covers(node) for each in self._types):
            return None
        return replace(known, most_machines=0)

    def _say(self, news: NodeEvent) -> None:
        if self._tell is not None:
            self._tell(news)


def _room(resources: Any) -> Room:
    memory, cpus = (parse_quantity(resources.get(kind, "0")) for kind in ("memory", "cpu"))
    return int(memory), float(cpus)


def _most_pods(allocatable: Any, daemons: int) -> int | None:
    """A kubelet's own bound, 110 if nobody has said another: of a large node it is what is reached first."""
    return int(parse_quantity(allocatable["pods"])) - daemons if "pods" in allocatable else None


def footprint(pod: Object) -> Room:
    """What the scheduler counts for a pod of ours: all that its containers ask for, since its sidecar stays."""
    containers = (*pod["spec"]["initContainers"], *pod["spec"]["containers"])
    rooms = [_room(container["resources"]["requests"]) for container in containers]
    return sum(memory for memory, _ in rooms), sum(cpus for _, cpus in rooms)
