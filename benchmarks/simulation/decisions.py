"""What a decision costs in a steady fleet of a given size, in processor time."""

import gc
import random
import time
from collections.abc import Mapping
from dataclasses import replace
from heapq import heappop, heappush

from benchmarks.simulation.fleet import DUCKDB, NODE_TYPES
from compute.config import PoolConfig
from compute.events import Ended, Event, Grant, NodeJoined, Ready, Released, Start, Stop, Wanted
from compute.fleet import Fleet

MACHINES_PER_NODE = 10
SPARE_ROOM = 1.1
"""Room on the nodes, to the machines in use: a full fleet would measure how requests wait."""
LEASES = 20_000
LEASE_SECONDS = 400.0
START_SECONDS, STOP_SECONDS = (0.3, 0.9), 0.1
WORKSPACES, USERS = 5000, 20


class SteadyFleet:
    """Fills a fleet with leases, then takes one back for each that it gives."""

    def __init__(self, machines: int) -> None:
        self._machines = machines
        self._chance = random.Random(machines)
        self._fleet = Fleet(PoolConfig((replace(DUCKDB, max_machines=2 * machines + 10),), node_types=NODE_TYPES))
        self._now = 0.0
        self._requests = 0
        self._calendar: list[tuple[float, int, Event]] = []
        self._stopped: set[int] = set()
        self._principals: dict[int, str] = {}
        self._leases: list[tuple[int, str]] = []
        self.costs: list[int] = []
        for number in range(round(machines * SPARE_ROOM / MACHINES_PER_NODE) + 1):
            self._tell(NodeJoined(f"spot-{number}", "spot", DUCKDB.memory_bytes * MACHINES_PER_NODE, 20.0))
        while len(self._leases) < machines:
            self._want(1 / 200)
        self.costs.clear()

    def run(self, leases: int) -> None:
        for _ in range(leases):
            self._want(LEASE_SECONDS / self._machines)
            if len(self._leases) > self._machines:
                chosen = self._chance.randrange(len(self._leases))
                self._leases[chosen], self._leases[-1] = self._leases[-1], self._leases[chosen]
                self._tell(Released(*self._leases.pop()))

    def _want(self, seconds: float) -> None:
        """Lets time pass, then asks for one lease."""
        self._now += seconds
        while self._calendar and self._calendar[0][0] <= self._now:
            event = heappop(self._calendar)[2]
            if not (isinstance(event, Ready) and event.machine in self._stopped):
                self._tell(event)
        self._requests += 1
        principal = self._principals[self._requests] = f"u{self._requests % USERS}"
        workspace = f"w{int(self._chance.paretovariate(1)) % WORKSPACES}"
        self._tell(Wanted(self._requests, "duckdb", workspace, principal, self._now + 600))

    def _tell(self, event: Event) -> None:
        begin = time.thread_time_ns()
        instructions = self._fleet.handle(event, self._now)
        self.costs.append(time.thread_time_ns() - begin)
        for instruction in instructions:
            match instruction:
                case Start(number):
                    heappush(self._calendar, (self._now + self._chance.uniform(*START_SECONDS), number, Ready(number)))
                case Stop(number):
                    self._stopped.add(number)
                    heappush(self._calendar, (self._now + STOP_SECONDS, number, Ended(number)))
                case Grant(request, number):
                    self._leases.append((number, self._principals.pop(request)))


def decision_costs(machines: int) -> Mapping[str, float]:
    """Microseconds an event. What the fleet holds is not looked through by the collector while it is measured."""
    fleet = SteadyFleet(machines)
    gc.collect()
    gc.freeze()
    try:
        fleet.run(LEASES)
    finally:
        gc.unfreeze()
    costs = sorted(fleet.costs)
    return {"us an event": sum(costs) / len(costs) / 1000, "p99 us": costs[len(costs) * 99 // 100] / 1000}
