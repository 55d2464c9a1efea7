"""What a pool is told. Frozen; nothing here reads files or the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

GIB = 1 << 30
IsolationMode = Literal["user", "shared"]
"""Whether a machine serves one lease, or leases of one workspace."""


@dataclass(frozen=True, slots=True)
class MachineSpec:
    """What to start: an engine with its template's options. Equal specs make equal machines, good for any workspace."""

    engine: str
    mode: IsolationMode
    threads: int
    memory_bytes: int
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """One engine's machines.

    `warm_machines` unclaimed ones are kept ready (0 scales to zero), `max_machines` exist at most. Unclaimed ones
    beyond the warm count, and shared ones without a lease, end after `idle_seconds`. `start_seconds` bounds a start
    up to HELLO.
    """

    engine: str
    mode: IsolationMode
    warm_machines: int = 1
    max_machines: int = 8
    idle_seconds: float = 60.0
    start_seconds: float = 30.0
    leases_per_machine: int = 1
    threads: int = 2
    memory_bytes: int = GIB
    properties: Mapping[str, str] = field(default_factory=dict)

    @property
    def spec(self) -> MachineSpec:
        return MachineSpec(self.engine, self.mode, self.threads, self.memory_bytes, self.properties)


@dataclass(frozen=True, slots=True)
class PoolConfig:
    """All engines, and how long a lease may wait. `max_waiting` is a count of leases an engine."""

    engines: tuple[EngineConfig, ...]
    wait_seconds: float = 60.0
    max_waiting: int = 256
