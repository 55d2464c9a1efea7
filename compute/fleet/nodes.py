"""Nodes that the fleet packs machines on: best fit by memory and processors.

Nodes with equal room lie in one bucket. Machines come in few sizes and nodes in few types, so there are few buckets,
however many nodes: the best fit is the first bucket that has room, in order of free memory, then of free processors.
"""

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from compute.config import NodeType, Room
from compute.events import NodeJoined
from compute.fleet.breaker import Breaker
from compute.fleet.machine import Machine

CANDIDATES = 4
"""Nodes of a bucket looked at for one that has few machines of the workspace."""
_EXACT = 6
"""Decimals of a processor that count: sums of what has come and gone are then the same numbers again."""


@dataclass(slots=True, eq=False)
class Node:
    """A node with the room left on it, of `size` without machines. `tenants` counts machines by workspace."""

    name: str
    type: NodeType
    memory_bytes: int
    cpus: float
    size: Room
    most_machines: int | None = None
    machines: dict[int, Machine] = field(default_factory=dict)
    tenants: dict[str, int] = field(default_factory=dict)
    breaker: Breaker = field(default_factory=Breaker)
    leaving: bool = False

    @property
    def room(self) -> Room:
        return self.memory_bytes, self.cpus

    @property
    def is_full(self) -> bool:
        """Whether it has as many machines as it may, whatever room is left."""
        return self.most_machines is not None and len(self.machines) >= self.most_machines

    def take(self, room: Room) -> None:
        self.memory_bytes -= room[0]
        self.cpus = round(self.cpus - room[1], _EXACT)

    def resize(self, size: Room) -> None:
        """Less than nothing may be left."""
        self.take((self.size[0] - size[0], self.size[1] - size[1]))
        self.size = size

    def house(self, workspace: str, machines: int) -> None:
        """So many machines more, or fewer, are the workspace's."""
        total = self.tenants.get(workspace, 0) + machines
        if total:
            self.tenants[workspace] = total
        else:
            del self.tenants[workspace]

    def is_crowded(self, workspace: str | None) -> bool:
        """Whether it has its share of the workspace's machines already."""
        spread = self.type.spread
        return spread is not None and workspace is not None and self.tenants.get(workspace, 0) >= spread


class Nodes:
    """All nodes of placed types, those that take machines sorted by room."""

    def __init__(self, types: Sequence[NodeType]) -> None:
        self.types = {each.name: each for each in types}
        self._nodes: dict[str, Node] = {}
        self._rooms: dict[str, list[Room]] = {each.name: [] for each in types}
        self._buckets: dict[tuple[str, Room], OrderedDict[str, Node]] = {}

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes.values())

    def get(self, name: str) -> Node | None:
        return self._nodes.get(name)

    def join(self, joined: NodeJoined, now: float) -> None:
        """A name that is known already is the same node, back from draining or from a lost connection, or with another
        type or room than before: its machines stay, also where they would not fit any more. What failed there pauses
        on."""
        kind, room = self.types[joined.node_type], (joined.memory_bytes, joined.cpus)
        node = self._nodes.get(joined.node)
        if node is None:
            node = self._nodes[joined.node] = Node(joined.node, kind, *room, size=room)
        self.close(node)
        node.type = kind
        node.resize(room)
        node.most_machines = joined.most_machines
        node.leaving = False
        if not node.breaker.is_open(now):
            self.open(node)

    def leave(self, node: Node) -> None:
        """It takes no more machines. Forgotten once its last one is over."""
        self.close(node)
        node.leaving = True
        self._forget(node)

    def close(self, node: Node) -> None:
        """It takes no machines until it is opened."""
        key = (node.type.name, node.room)
        bucket = self._buckets.get(key)
        if bucket is None or bucket.pop(node.name, None) is None or bucket:
            return
        del self._buckets[key]
        rooms = self._rooms[node.type.name]
        del rooms[bisect_left(rooms, node.room)]

    def open(self, node: Node) -> None:
        """Unless it is full: then by the end of one of its machines."""
        if node.is_full:
            return
        key = (node.type.name, node.room)
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = OrderedDict()
            insort(self._rooms[node.type.name], node.room)
        bucket[node.name] = node

    def put(self, machine: Machine, node: Node) -> None:
        """The machine takes its room on the node."""
        self.close(node)
        node.take(machine.template.config.room)
        node.machines[machine.number] = machine
        self.open(node)

    def remove(self, machine: Machine, now: float) -> None:
        """The machine is over and leaves its room."""
        node = machine.node
        if node is None:
            return
        del node.machines[machine.number]
        taking = not node.leaving and not node.breaker.is_open(now)
        self.close(node)
        memory_bytes, cpus = machine.template.config.room
        node.take((-memory_bytes, -cpus))
        if taking:
            self.open(node)
        self._forget(node)

    def best_fit(self, type_name: str, room: Room, workspace: str | None, avoid: Node | None) -> Node | None:
        """The fullest node that has room, rather one that is not crowded with the workspace's machines."""
        crowded = None
        rooms = self._rooms[type_name]
        for index in range(bisect_left(rooms, (room[0], 0.0)), len(rooms)):
            if rooms[index][1] < room[1]:
                continue
            for node in islice(self._buckets[type_name, rooms[index]].values(), CANDIDATES):
                if node is avoid:
                    continue
                if not node.is_crowded(workspace):
                    return node
                crowded = crowded or node
        return crowded

    def _forget(self, node: Node) -> None:
        if node.leaving and not node.machines:
            self._nodes.pop(node.name, None)
