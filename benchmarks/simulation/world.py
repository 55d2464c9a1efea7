"""A world for the fleet: nodes, machines that take time to start, sessions that hold leases, things that fail.

Discrete events on a simulated clock. What the fleet decides is carried out as the pool and a spawner would.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import exp, log

from benchmarks.simulation.calendar import NEVER, Calendar
from benchmarks.simulation.record import Record
from benchmarks.simulation.workload import Arrival
from compute.config import PoolConfig
from compute.events import (
    Ended,
    Event,
    Failed,
    Grant,
    Instruction,
    Move,
    NodeDraining,
    NodeJoined,
    NodeLost,
    Ready,
    Refuse,
    Released,
    Start,
    Stop,
    Tick,
    Wanted,
)
from compute.fleet import Fleet

Watch = Callable[[Event, Sequence[Instruction], float], None]
"""Sees every event with the instructions that it caused."""


@dataclass(frozen=True, slots=True)
class StartTime:
    """Log-normal, by its median and 99th percentile."""

    p50: float
    p99: float

    def draw(self, chance: random.Random) -> float:
        return exp(chance.gauss(log(self.p50), log(self.p99 / self.p50) / 2.326))


@dataclass(frozen=True, slots=True)
class Hardware:
    """Nodes, and what goes wrong with them and with starts. Rates are per node and hour, shares per start.

    A machine's start takes as long as measured: a microVM from its template p50 0.5 s, p99 1 s; a warm JVM more.
    `claim_seconds` pass between a grant and the first answer.
    """

    spot_nodes: int = 6000
    on_demand_nodes: int = 4000
    node_memory: int = 40 << 30
    node_cpus: float = 20.0
    starts: dict[str, StartTime] = field(
        default_factory=lambda: {"duckdb": StartTime(0.5, 1.0), "spark": StartTime(4.0, 7.0)}
    )
    claim_seconds: float = 0.04
    stop_seconds: float = 0.1
    failing_share: float = 0.001
    hanging_share: float = 0.0005
    interruptions: float = 0.01
    losses: float = 0.0002
    notice_seconds: float = 120.0
    rejoin_seconds: float = 300.0
    wait_seconds: float = 60.0


@dataclass(slots=True)
class _Session:
    """Who asked, when, for how long; `machine` once granted."""

    arrival: Arrival
    asked_at: float
    machine: int = 0


@dataclass(slots=True)
class _Machine:
    start: Start
    started_at: float
    sessions: set[int] = field(default_factory=set)
    is_up: bool = False
    is_stopped: bool = False
    is_used: bool = False


class World:
    """Runs one history. `watch` may look on; `record` keeps what is reported."""

    def __init__(self, config: PoolConfig, hardware: Hardware, record: Record, watch: Watch | None = None) -> None:
        self._fleet = Fleet(config)
        self._starts = {(engine.engine, engine.size): engine for engine in config.engines}
        self._hardware = hardware
        self._record = record
        self._watch = watch
        self._chance = random.Random(1)
        self._now = 0.0
        self._calendar = Calendar()
        self._machines: dict[int, _Machine] = {}
        self._sessions: dict[int, _Session] = {}
        self._requests = 0
        self._nodes: dict[str, set[int]] = {}

    def run(self, arrivals: Iterator[Arrival], until: float) -> None:
        """Until that moment of simulated time; then nothing new is asked for, and all leases come to their end."""
        self._join_all()
        self._plan_trouble(until)
        arrival = next(arrivals, None)
        while True:
            wake_at = self._fleet.wake_at()
            planned = self._calendar.next_at()
            due = planned if wake_at is None or planned <= wake_at else wake_at
            asked = NEVER if arrival is None else arrival.at
            moment = min(asked, due)
            if moment == NEVER:
                return
            while moment >= self._record.next_close():
                self._record.close({engine: self._fleet.count(engine) for engine, _ in self._starts})
            self._now = max(self._now, moment)
            if arrival is not None and asked <= due:
                self._ask(arrival)
                arrival = next(arrivals, None)
            elif planned <= due:
                self._calendar.act()
            else:
                self._tell(Tick())

    def _join_all(self) -> None:
        for type_name, count in (("spot", self._hardware.spot_nodes), ("on-demand", self._hardware.on_demand_nodes)):
            for number in range(count):
                self._join(f"{type_name}-{number}")

    def _join(self, name: str) -> None:
        self._nodes[name] = set()
        type_name = name.rpartition("-")[0]
        self._tell(NodeJoined(name, type_name, self._hardware.node_memory, self._hardware.node_cpus))

    def _plan_trouble(self, until: float) -> None:
        """Spot interruptions with notice, and nodes lost without."""
        hours = until / 3600
        for _ in range(round(self._hardware.spot_nodes * self._hardware.interruptions * hours)):
            self._calendar.plan(
                self._chance.uniform(0, until), self._interrupt, self._chance.randrange(self._hardware.spot_nodes)
            )
        nodes = self._hardware.on_demand_nodes
        for _ in range(round(nodes * self._hardware.losses * hours)):
            self._calendar.plan(self._chance.uniform(0, until), self._lose_on_demand, self._chance.randrange(nodes))

    def _tell(self, event: Event) -> None:
        begin = time.thread_time_ns()
        instructions = self._fleet.handle(event, self._now)
        self._record.decided(time.thread_time_ns() - begin, len(instructions))
        if self._watch is not None:
            self._watch(event, instructions, self._now)
        for instruction in instructions:
            match instruction:
                case Grant(request, number):
                    self._grant(request, number)
                case Start():
                    self._start(instruction)
                case Stop(number):
                    self._stop(number)
                case Move(number):
                    self._move(number)
                case Refuse(request, refusal):
                    self._record.refused(refusal)
                    del self._sessions[request]

    def _ask(self, arrival: Arrival) -> None:
        self._requests += 1
        request = self._requests
        self._sessions[request] = _Session(arrival, self._now)
        self._record.asked()
        deadline = self._now + self._hardware.wait_seconds
        self._tell(
            Wanted(request, arrival.engine, arrival.workspace, arrival.principal, deadline, priority=arrival.priority)
        )

    def _grant(self, request: int, number: int) -> None:
        session, machine = self._sessions[request], self._machines[number]
        session.machine = number
        machine.sessions.add(request)
        if not machine.is_used:
            machine.is_used = True
            self._record.used(machine.start.engine, self._now)
        waited = self._now - session.asked_at + self._hardware.claim_seconds
        self._record.granted(session.arrival.engine, waited)
        self._calendar.plan(self._now + waited + session.arrival.seconds, self._release, request)

    def _release(self, request: int) -> None:
        session = self._sessions.pop(request, None)
        if session is None:
            return
        if machine := self._machines.get(session.machine):
            machine.sessions.discard(request)
        self._tell(Released(session.machine, session.arrival.principal))

    def _start(self, start: Start) -> None:
        self._machines[start.machine] = _Machine(start, self._now)
        self._record.ordered(start.engine, self._now)
        if start.node is not None:
            self._nodes[start.node].add(start.machine)
        chance = self._chance.random()
        if chance < self._hardware.failing_share:
            self._calendar.plan(self._now + self._chance.random(), self._fail, start.machine)
        elif chance < self._hardware.failing_share + self._hardware.hanging_share:
            self._calendar.plan(
                self._now + self._starts[start.engine, start.size].start_seconds, self._fail, start.machine
            )
        else:
            seconds = self._hardware.starts[start.engine].draw(self._chance)
            self._calendar.plan(self._now + seconds, self._come_up, start.machine)

    def _come_up(self, number: int) -> None:
        machine = self._machines.get(number)
        if machine is None:
            return
        machine.is_up = True
        self._record.came_up(machine.start.engine, self._now - machine.started_at)
        if machine.is_stopped:
            self._calendar.plan(self._now + self._hardware.stop_seconds, self._end, number)
        else:
            self._tell(Ready(number))

    def _fail(self, number: int) -> None:
        if number in self._machines:
            self._forget(number)
            self._tell(Failed(number, "it did not come up"))

    def _stop(self, number: int) -> None:
        machine = self._machines[number]
        machine.is_stopped = True
        if machine.is_up:
            self._calendar.plan(self._now + self._hardware.stop_seconds, self._end, number)

    def _end(self, number: int) -> None:
        """Leases that are still on it are lost: their sessions ask again."""
        machine = self._machines.get(number)
        if machine is None:
            return
        self._forget(number)
        self._tell(Ended(number))
        for request in machine.sessions:
            if session := self._sessions.pop(request, None):
                self._record.lost += 1
                self._ask(session.arrival)

    def _forget(self, number: int) -> None:
        machine = self._machines.pop(number)
        if machine.start.node is not None and machine.start.node in self._nodes:
            self._nodes[machine.start.node].discard(number)
        self._record.machine_over(machine.start.engine, machine.started_at, machine.is_used, self._now)

    def _move(self, number: int) -> None:
        """Sessions finish their statement, give the lease back and take another."""
        for request in list(self._machines[number].sessions):
            self._calendar.plan(self._now + self._chance.uniform(1, 30), self._move_session, request)

    def _move_session(self, request: int) -> None:
        if session := self._sessions.get(request):
            self._record.moved += 1
            self._release(request)
            self._ask(session.arrival)

    def _interrupt(self, number: int) -> None:
        name = f"spot-{number}"
        if name in self._nodes:
            self._tell(NodeDraining(name, self._now + self._hardware.notice_seconds))
            self._calendar.plan(self._now + self._hardware.notice_seconds + 1, self._take_away_spot, number)

    def _take_away_spot(self, number: int) -> None:
        self._take_away(f"spot-{number}")
        self._calendar.plan(self._now + self._hardware.rejoin_seconds, self._rejoin_spot, number)

    def _rejoin_spot(self, number: int) -> None:
        if f"spot-{number}" not in self._nodes:
            self._join(f"spot-{number}")

    def _lose_on_demand(self, number: int) -> None:
        if f"on-demand-{number}" in self._nodes:
            self._take_away(f"on-demand-{number}")
            self._calendar.plan(self._now + self._hardware.rejoin_seconds, self._rejoin_on_demand, number)

    def _rejoin_on_demand(self, number: int) -> None:
        self._join(f"on-demand-{number}")

    def _take_away(self, name: str) -> None:
        """Everything on it is over at once."""
        if name not in self._nodes:
            return
        self._tell(NodeLost(name))
        for number in list(self._nodes[name]):
            self._end(number)
        del self._nodes[name]
