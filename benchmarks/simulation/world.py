"""A world for the fleet: nodes, machines that take time to start, sessions that hold leases, things that fail.

Discrete events on a simulated clock. What the fleet decides is carried out as the pool and a spawner would.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf

from benchmarks.simulation.calendar import NEVER, Act, Calendar
from benchmarks.simulation.hardware import Hardware
from benchmarks.simulation.nodes import Nodes
from benchmarks.simulation.record import Record
from benchmarks.simulation.workload import Arrival
from compute.config import PoolConfig
from compute.events import (
    Ended,
    Event,
    Failed,
    Grant,
    Instruction,
    Leaving,
    Move,
    Ready,
    Refuse,
    Released,
    Start,
    Stop,
    Tick,
    Wanted,
)
from compute.fleet import Fleet
from compute.pool import MOMENT_SECONDS

Watch = Callable[[Event, Sequence[Instruction], float], None]
"""Sees every event with the instructions that it caused."""


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
        self._nodes = Nodes(hardware, self._calendar, self._chance, lambda: self._now, self._tell, self._end)

    def run(self, arrivals: Iterator[Arrival], first_hour: float, until: float) -> None:
        """Until that moment of simulated time; then nothing new is asked for, and all leases come to their end."""
        self._nodes.join_all()
        self._nodes.plan_trouble(first_hour, until)
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
                case Move(number, until):
                    self._move(number, self._move_session if until < inf else self._end_session)
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
        if (session := self._sessions.get(request)) is not None and not session.machine:
            self._calendar.plan(self._now + MOMENT_SECONDS, self._tell_place, request)

    def _tell_place(self, request: int) -> None:
        """Who still waits hears where he stands, as the pool has it."""
        session = self._sessions.get(request)
        if session is not None and not session.machine:
            begin = time.thread_time_ns()
            self._fleet.place(request)
            self._record.placed(time.thread_time_ns() - begin)

    def _grant(self, request: int, number: int) -> None:
        session, machine = self._sessions[request], self._machines[number]
        session.machine = number
        machine.sessions.add(request)
        if not machine.is_used:
            machine.is_used = True
            self._record.used(machine.start.engine, self._now)
        waited = self._now - session.asked_at + self._hardware.claim_seconds[session.arrival.engine]
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
            self._nodes.house(start.node, start.machine)
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
            if self._chance.random() < self._hardware.evicted_share:
                seconds = self._chance.uniform(0, self._hardware.evicted_within_seconds)
                self._calendar.plan(self._now + seconds, self._evict, number)

    def _evict(self, number: int) -> None:
        if number in self._machines:
            until = self._now + self._hardware.drain_seconds
            self._tell(Leaving(number, until))
            self._calendar.plan(until, self._end, number)

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
                self._record.lost()
                self._ask(session.arrival)

    def _forget(self, number: int) -> None:
        machine = self._machines.pop(number)
        if machine.start.node is not None:
            self._nodes.clear(machine.start.node, number)
        self._record.machine_over(machine.start.engine, machine.started_at, machine.is_used, self._now)

    def _move(self, number: int, act: Act) -> None:
        """Sessions finish their statement first."""
        for request in sorted(self._machines[number].sessions):
            self._calendar.plan(self._now + self._chance.uniform(1, 30), act, request)

    def _move_session(self, request: int) -> None:
        """It gives its lease back and takes another."""
        if session := self._sessions.get(request):
            self._record.moved()
            self._release(request)
            self._ask(session.arrival)

    def _end_session(self, request: int) -> None:
        """Its workspace's budget is spent, and it hears so at its next statement, unless it comes after the renewal."""
        if session := self._sessions.get(request):
            self._record.ended()
            self._release(request)
            self._ask(session.arrival)
