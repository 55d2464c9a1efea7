"""What the simulated fleet stands on: nodes and how long machines take, as measured, and how often what goes wrong."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp, log

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class StartTime:
    """Log-normal, by its median and 99th percentile, seconds."""

    p50: float
    p99: float

    def draw(self, chance: random.Random) -> float:
        return exp(chance.gauss(log(self.p50), log(self.p99 / self.p50) / 2.326))


MICROVM = StartTime(0.264, 0.434)
"""A microVM from its template, from start to first answer: measured by ``microvms``, emulated, of 50."""
JVM = StartTime(11.6, 19.0)
"""A Spark machine where none is warm, from start to first answer: the median is measured, by ``machine-starts``; the
99th percentile is assumed, as far from it as the microVM's is."""


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """So many nodes of a type, each with that room for machines, and perhaps a bound of their number."""

    node_type: str
    count: int
    memory_bytes: int = 40 * GIB
    cpus: float = 20.0
    most_machines: int | None = None
    spot: bool = False


@dataclass(frozen=True, slots=True)
class Wave:
    """A share of all spot nodes gets its notice within `seconds` from that hour of the day on: others pay more."""

    hour: float = 11.0
    share: float = 0.1
    seconds: float = 600.0


@dataclass(frozen=True, slots=True)
class Hardware:
    """Nodes, and what goes wrong with them and with starts. Rates are per node and hour, shares per start.

    Measured are the times of machines, all in `benchmarks/README.md`: their `starts`; `claim_seconds` from a grant to
    the first answer (a microVM's of ``microvms``, p50; a warm Spark machine's of ``machine-starts``); `stop_seconds`
    (a microVM's recycling, p99). A DuckDB machine that is a process starts in 14 ms: microVMs are the harder case.

    Assumed are the rates: spot nodes are interrupted at EC2's notice; each other node is drained once a day for its
    upkeep, and one drain in ten is called off; some are lost without notice, some take nothing new while they are
    pressed for memory, some machines are evicted alone.
    """

    nodes: tuple[NodeGroup, ...] = (
        NodeGroup("spot", 6000, spot=True),
        NodeGroup("on-demand", 3700),
        NodeGroup("metal", 300, 160 * GIB, 96.0, most_machines=38),
    )
    starts: Mapping[str, StartTime] = field(default_factory=lambda: {"duckdb": MICROVM, "spark": JVM})
    claim_seconds: Mapping[str, float] = field(default_factory=lambda: {"duckdb": 0.033, "spark": 0.1})
    stop_seconds: float = 0.039
    failing_share: float = 0.001
    hanging_share: float = 0.0005
    evicted_share: float = 0.0005
    evicted_within_seconds: float = 600.0
    interruptions: float = 0.01
    notice_seconds: float = 120.0
    wave: Wave = field(default_factory=Wave)
    drains: float = 1 / 24
    drain_seconds: float = 600.0
    called_off_share: float = 0.1
    losses: float = 0.0002
    pressures: float = 0.01
    pressure_seconds: float = 300.0
    rejoin_seconds: float = 300.0
    wait_seconds: float = 60.0
