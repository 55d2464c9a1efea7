"""What a pool is told. Frozen; nothing here reads files or the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

GIB = 1 << 30
IsolationMode = Literal["user", "shared"]
"""Whether a machine serves one lease, or leases of one workspace."""
Room = tuple[int, float]
"""Bytes of memory, and processors."""
ANY_NODES = ""
"""The node type of a pool that knows none: the spawner finds a place by itself."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a machine comes to be: nodes of a type, one node of them, for one workspace; by default anywhere."""

    node_type: str = ANY_NODES
    node: str | None = None
    workspace: str | None = None


@dataclass(frozen=True, slots=True)
class Executors:
    """What a Spark machine computes with beside itself: processes elsewhere, which come and go with the work.

    `least` are there from the machine's start and stay warm; more come, up to `most`, while tasks wait, and end after
    `idle_seconds` without one. Each has `threads` and a heap of `memory_bytes`, on nodes of `node_type`: spot ones will
    do, since one that goes hands its blocks on, and what is lost is computed again.
    """

    least: int = 1
    most: int = 8
    threads: int = 1
    memory_bytes: int = GIB
    node_type: str = ANY_NODES
    idle_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class MachineSpec:
    """What to start: an engine with its template's options, and the `executors` that it is to have, None for none; one
    that `reaches_store` has a network to the object store, and to nothing else.

    Specs that are equal but for their placement make equal machines, good for any workspace.
    """

    engine: str
    mode: IsolationMode
    threads: int
    memory_bytes: int
    properties: Mapping[str, str] = field(default_factory=dict)
    placement: Placement = Placement()
    executors: Executors | None = None
    reaches_store: bool = False


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """One engine's machines of one size.

    `warm_machines` unclaimed ones are kept ready (0 scales to zero), up to `warm_limit` where demand predicts that they
    will be asked for; `max_machines` exist at most. Unclaimed ones beyond the warm count, and shared ones without a
    lease, end after `idle_seconds`. `start_seconds` bounds a start up to HELLO, `most_starting` how many are under way:
    what takes every core of a host does not start sooner with company. Nor is it to share them with a first statement:
    for `quiet_seconds` after an unclaimed one was lent, none starts but for who waits. Who comes in that time makes it
    no longer.

    A request names engine and `size`; a larger size that `serves_smaller` lends its unclaimed machines to smaller ones.
    `reserved` machines are started for one workspace (its service account, its files), and none is kept but by
    prediction. A `hedged` start that takes longer than 19 of 20 gets a second one. `node_types` are tried in that
    order; the first `on_demand_base` machines keep off spot nodes. `footprint` is what a machine takes of a node, None
    where that is its own memory and threads. Those that `reaches_store` have a network to it.
    """

    engine: str
    mode: IsolationMode
    warm_machines: int = 1
    max_machines: int = 8
    idle_seconds: float = 60.0
    start_seconds: float = 30.0
    most_starting: int | None = None
    quiet_seconds: float = 0.0
    leases_per_machine: int = 1
    threads: int = 2
    memory_bytes: int = GIB
    properties: Mapping[str, str] = field(default_factory=dict)
    size: str = ""
    serves_smaller: bool = False
    warm_limit: int = 0
    reserved: bool = False
    hedged: bool = False
    node_types: tuple[str, ...] = (ANY_NODES,)
    on_demand_base: int = 0
    executors: Executors | None = None
    footprint: Room | None = None
    reaches_store: bool = False

    @property
    def room(self) -> Room:
        """What a machine takes of a node."""
        return self.footprint or own_room(self)

    @property
    def spec(self) -> MachineSpec:
        """What to start for it."""
        size = (self.threads, self.memory_bytes)
        return MachineSpec(
            self.engine,
            self.mode,
            *size,
            self.properties,
            executors=self.executors,
            reaches_store=self.reaches_store,
        )


@dataclass(frozen=True, slots=True)
class NodeType:
    """Nodes of one kind. On `placed` ones the fleet packs machines itself, as nodes join and leave.

    `spread` is how many machines of one workspace a placed node should have at most, where there is a choice.
    """

    name: str
    spot: bool = False
    placed: bool = False
    spread: int | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """What a workspace may spend in each window; machines count from when they are its own until their end."""

    machine_seconds: float
    window_seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class WorkspacePolicy:
    """A workspace's share of contended machines, in proportion to `weight`, and its budget."""

    weight: float = 1.0
    budget: Budget | None = None


def own_room(machine: MachineSpec | EngineConfig) -> Room:
    """What it takes by itself, without what may surround it."""
    return machine.memory_bytes, float(machine.threads)


@dataclass(frozen=True, slots=True)
class PoolConfig:
    """All engines, and how long a lease may wait. `max_waiting` is a count of leases an engine and size."""

    engines: tuple[EngineConfig, ...]
    wait_seconds: float = 60.0
    max_waiting: int = 256
    node_types: tuple[NodeType, ...] = (NodeType(ANY_NODES),)
    workspaces: Mapping[str, WorkspacePolicy] = field(default_factory=dict)
