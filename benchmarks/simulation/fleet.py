"""The simulated fleet: 10,000 nodes for 100,000 machines, and the policies that are compared."""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from benchmarks.simulation.hardware import Hardware
from benchmarks.simulation.record import Record
from benchmarks.simulation.workload import ENGINES, Demand, arrivals, policies
from benchmarks.simulation.world import Watch, World
from compute.config import EngineConfig, NodeType, PoolConfig

NODE_TYPES = (
    NodeType("spot", spot=True, placed=True, spread=4),
    NodeType("on-demand", placed=True, spread=4),
    NodeType("metal", placed=True, spread=16),
)
DUCKDB = EngineConfig(
    "duckdb",
    "user",
    warm_machines=0,
    warm_limit=4000,
    max_machines=100_000,
    idle_seconds=30.0,
    start_seconds=10.0,
    threads=2,
    memory_bytes=4 << 30,
    hedged=True,
    node_types=("spot", "on-demand", "metal"),
    on_demand_base=1000,
)
SPARK = replace(
    DUCKDB,
    engine="spark",
    mode="shared",
    warm_limit=500,
    max_machines=5000,
    idle_seconds=300.0,
    start_seconds=60.0,
    leases_per_machine=32,
    memory_bytes=8 << 30,
    threads=4,
)
PREDICTED = PoolConfig((DUCKDB, SPARK), max_waiting=100_000, node_types=NODE_TYPES)
COLD = replace(PREDICTED, engines=(replace(DUCKDB, warm_limit=0), replace(SPARK, warm_limit=0)))
"""Nothing is kept warm: every lease waits for a start."""


def simulate(
    config: PoolConfig, demand: Demand, hardware: Hardware | None = None, watch: Watch | None = None
) -> Record:
    """Runs one history to its end, with the demand's own policies. The same arguments give the same history."""
    seconds = demand.hours * 3600
    record = Record(ENGINES, seconds)
    config = replace(config, workspaces=policies(demand))
    world = World(config, hardware or Hardware(), record, watch)
    with uncollected():
        world.run(arrivals(demand), demand.first_hour, seconds)
    return record


@contextmanager
def uncollected() -> Iterator[None]:
    """The collector would look through the whole world again and again, and find nothing: it has no cycles."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def clock_overhead(tries: int = 10_000) -> float:
    """What `decided` is told beside the decision itself, in microseconds: two readings of the thread's clock."""
    spans = [-time.thread_time_ns() + time.thread_time_ns() for _ in range(tries)]
    return sum(spans) / tries / 1000
