"""The fleet's mind: which machines to start, lend and stop. Pure: (event, now) -> instructions.

The pool carries instructions out and reports each outcome as one event. Clock and machine numbers are the fleet's only
notion of the world, so a history of events can be replayed and every invariant checked.

A machine is starting, spare (warm, of nobody), serving (bound to a workspace, with leases) or stopping. A `user`
machine serves one lease and is stopped; a `shared` one serves leases of one workspace until idle. Waiting requests
are granted to the principal with the fewest leases first, then in order of arrival. Failing starts open a circuit
breaker: no start until a doubling pause is over, and after `GIVE_UP_FAILURES` in a row the waiting are told.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import count
from math import ceil

from compute.config import EngineConfig, PoolConfig
from compute.events import (
    Ended,
    Event,
    Failed,
    Grant,
    Instruction,
    Ready,
    Refusal,
    Refuse,
    Released,
    Start,
    Stop,
    Wanted,
    Withdrawn,
)

FIRST_BACKOFF_SECONDS = 0.2
LAST_BACKOFF_SECONDS = 30.0
GIVE_UP_FAILURES = 3


class _State(Enum):
    STARTING = auto()
    SPARE = auto()
    SERVING = auto()
    STOPPING = auto()


@dataclass(slots=True)
class _Machine:
    engine: str
    state: _State
    since: float
    workspace: str | None = None
    principals: Counter[str] = field(default_factory=Counter)

    @property
    def leases(self) -> int:
        return self.principals.total()


@dataclass(slots=True)
class _Breaker:
    failures: int = 0
    retry_at: float = float("-inf")
    reason: str = ""


class Fleet:
    """All machines of one pool. `handle` is its only door; `wake_at` says when a Tick is due."""

    def __init__(self, config: PoolConfig) -> None:
        self._config = config
        self._engines = {engine.engine: engine for engine in config.engines}
        self._machines: dict[int, _Machine] = {}
        self._waiting: dict[int, Wanted] = {}
        self._breakers = {engine: _Breaker() for engine in self._engines}
        self._numbers = count(1)

    def handle(self, event: Event, now: float) -> Sequence[Instruction]:
        """What to do because of `event`."""
        return [*self._note(event, now), *self._settle(now)]

    def wake_at(self) -> float | None:
        """When waiting alone changes something: a deadline, an idle machine's end, the breaker's pause."""
        moments = [request.deadline for request in self._waiting.values()]
        moments += [
            m.since + self._engines[m.engine].idle_seconds for m in self._machines.values() if self._may_idle(m)
        ]
        moments += [b.retry_at for engine, b in self._breakers.items() if b.failures and self._lacking(engine) > 0]
        return min(moments, default=None)

    def count(self, engine: str) -> Counter[str]:
        """Machines by state (``starting``, ``spare``, ``serving``, ``stopping``), for metrics."""
        return Counter(m.state.name.lower() for m in self._machines.values() if m.engine == engine)

    def _note(self, event: Event, now: float) -> Iterator[Instruction]:
        match event:
            case Wanted():
                yield from self._want(event)
            case Withdrawn(request):
                self._waiting.pop(request, None)
            case Ready(number):
                self._breakers[self._machines[number].engine] = _Breaker()
                self._machines[number].state = _State.SPARE
                self._machines[number].since = now
            case Failed(number, reason):
                self._fail(self._machines.pop(number).engine, reason, now)
            case Ended(number):
                self._end(number, now)
            case Released(number, principal):
                yield from self._release(number, principal, now)

    def _want(self, request: Wanted) -> Iterator[Instruction]:
        assert request.engine in self._engines, "the pool knows its engines"
        waiting = sum(other.engine == request.engine for other in self._waiting.values())
        if waiting >= self._config.max_waiting:
            yield Refuse(request.request, Refusal.FULL)
        else:
            self._waiting[request.request] = request

    def _fail(self, engine: str, reason: str, now: float) -> None:
        """Failures of one moment have one cause, and count once."""
        breaker = self._breakers[engine]
        if breaker.retry_at > now:
            return
        pause = min(FIRST_BACKOFF_SECONDS * 2**breaker.failures, LAST_BACKOFF_SECONDS)
        self._breakers[engine] = _Breaker(breaker.failures + 1, now + pause, reason)

    def _end(self, number: int, now: float) -> None:
        """One that dies while nobody uses it would be replaced for ever: it counts as a failed start."""
        machine = self._machines.pop(number, None)
        if machine is not None and machine.state is _State.SPARE:
            self._fail(machine.engine, "a warm machine died", now)

    def _release(self, number: int, principal: str, now: float) -> Iterator[Instruction]:
        machine = self._machines.get(number)
        if machine is None or machine.state is not _State.SERVING:
            return
        machine.principals[principal] -= 1
        machine.since = now
        if self._engines[machine.engine].mode == "user":
            yield self._stop(number)

    def _settle(self, now: float) -> Iterator[Instruction]:
        yield from self._refuse_waiting(now)
        for engine in self._engines.values():
            yield from self._grant(engine, now)
            yield from self._stop_idle(engine, now)
            yield from self._make_room(engine)
            yield from self._start(engine, now)

    def _refuse_waiting(self, now: float) -> Iterator[Instruction]:
        for request in list(self._waiting.values()):
            breaker = self._breakers[request.engine]
            if request.deadline <= now:
                yield Refuse(request.request, Refusal.LATE)
            elif breaker.failures >= GIVE_UP_FAILURES and breaker.retry_at > now:
                yield Refuse(request.request, Refusal.FAILING, breaker.reason)
            else:
                continue
            del self._waiting[request.request]

    def _grant(self, engine: EngineConfig, now: float) -> Iterator[Instruction]:
        while (pair := self._next_pair(engine)) is not None:
            request, number = pair
            machine = self._machines[number]
            machine.state, machine.workspace, machine.since = _State.SERVING, request.workspace, now
            machine.principals[request.principal] += 1
            del self._waiting[request.request]
            yield Grant(request.request, number)

    def _next_pair(self, engine: EngineConfig) -> tuple[Wanted, int] | None:
        """The fairest request that some machine can serve now, and that machine."""
        held: Counter[str] = Counter()
        for machine in self._of(engine.engine, _State.SERVING).values():
            held.update(machine.principals)
        waiting = [request for request in self._waiting.values() if request.engine == engine.engine]
        for request in sorted(waiting, key=lambda request: (held[request.principal], request.request)):
            if (number := self._machine_for(request, engine)) is not None:
                return request, number
        return None

    def _machine_for(self, request: Wanted, engine: EngineConfig) -> int | None:
        """One of the workspace with a lease to spare, else the oldest that is nobody's."""
        if engine.mode == "shared":
            for number, machine in self._of(engine.engine, _State.SERVING).items():
                if machine.workspace == request.workspace and machine.leases < engine.leases_per_machine:
                    return number
        return next(iter(self._of(engine.engine, _State.SPARE)), None)

    def _stop_idle(self, engine: EngineConfig, now: float) -> Iterator[Instruction]:
        for number, machine in list(self._machines.items()):
            if (
                machine.engine == engine.engine
                and self._may_idle(machine)
                and machine.since + engine.idle_seconds <= now
            ):
                yield self._stop(number)

    def _may_idle(self, machine: _Machine) -> bool:
        """Of nobody's use now: without a lease, or warm beyond the count to be kept warm."""
        if machine.state is _State.SPARE:
            return len(self._of(machine.engine, _State.SPARE)) > self._engines[machine.engine].warm_machines
        return machine.state is _State.SERVING and machine.leases == 0

    def _make_room(self, engine: EngineConfig) -> Iterator[Instruction]:
        """A shared machine that idles for one workspace ends when another workspace could get none."""
        full = len(self._of(engine.engine, *_State)) >= engine.max_machines
        coming = self._of(engine.engine, _State.STARTING, _State.SPARE, _State.STOPPING)
        if full and not coming and any(request.engine == engine.engine for request in self._waiting.values()):
            idle = [n for n, m in self._of(engine.engine, _State.SERVING).items() if m.leases == 0]
            if idle:
                yield self._stop(min(idle, key=lambda number: self._machines[number].since))

    def _start(self, engine: EngineConfig, now: float) -> Iterator[Instruction]:
        if self._breakers[engine.engine].retry_at > now:
            return
        for _ in range(self._lacking(engine.engine)):
            number = next(self._numbers)
            self._machines[number] = _Machine(engine.engine, _State.STARTING, now)
            yield Start(number, engine.engine)

    def _lacking(self, engine_name: str) -> int:
        """Machines to start, were the breaker closed."""
        engine = self._engines[engine_name]
        waiting = Counter(r.workspace for r in self._waiting.values() if r.engine == engine_name)
        demand = sum(ceil(requests / engine.leases_per_machine) for requests in waiting.values())
        coming = len(self._of(engine_name, _State.STARTING, _State.SPARE))
        room = engine.max_machines - len(self._of(engine_name, *_State))
        return max(0, min(demand + engine.warm_machines - coming, room))

    def _of(self, engine: str, *states: _State) -> dict[int, _Machine]:
        return {n: m for n, m in self._machines.items() if m.engine == engine and m.state in states}

    def _stop(self, number: int) -> Stop:
        self._machines[number].state = _State.STOPPING
        return Stop(number)
