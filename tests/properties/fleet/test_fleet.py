"""Any history of events keeps the fleet's invariants."""

import itertools

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from compute.config import EngineConfig, PoolConfig
from compute.events import (
    Ended,
    Event,
    Failed,
    Grant,
    Ready,
    Refuse,
    Released,
    Start,
    Stop,
    Tick,
    Wanted,
    Withdrawn,
)
from compute.fleet import Fleet

USER = EngineConfig("duckdb", "user", warm_machines=1, max_machines=3, idle_seconds=10)
SHARED = EngineConfig("spark", "shared", warm_machines=0, max_machines=2, idle_seconds=10, leases_per_machine=2)
ENGINES = {"duckdb": USER, "spark": SHARED}
WAIT = 30.0


class FleetHistory(RuleBasedStateMachine):
    """A world that obeys: it knows which machines exist, who waits and who holds what."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.fleet = Fleet(PoolConfig((USER, SHARED), max_waiting=4))
        self.requests = itertools.count(1)
        self.starting: dict[int, str] = {}
        self.running: dict[int, str] = {}
        self.stopping: set[int] = set()
        self.waiting: dict[int, Wanted] = {}
        self.leases: list[tuple[int, Wanted]] = []
        self.bound: dict[int, str] = {}
        self.served: set[int] = set()
        self.tell(Tick())

    def tell(self, event: Event) -> None:
        for instruction in self.fleet.handle(event, self.now):
            match instruction:
                case Start(number, engine):
                    assert number not in self.starting | self.running
                    self.starting[number] = engine
                case Stop(number):
                    assert number in self.running
                    assert number not in self.stopping
                    assert not any(machine == number for machine, _ in self.leases)
                    self.stopping.add(number)
                case Grant(request, number):
                    self.grant(self.waiting.pop(request), number)
                case Refuse(request):
                    self.waiting.pop(request)

    def grant(self, request: Wanted, number: int) -> None:
        assert number in self.running
        assert number not in self.stopping
        assert self.running[number] == request.engine
        assert self.bound.setdefault(number, request.workspace) == request.workspace
        held = sum(machine == number for machine, _ in self.leases)
        assert held < ENGINES[request.engine].leases_per_machine
        if ENGINES[request.engine].mode == "user":
            assert number not in self.served, "a machine of one principal is never lent again"
            self.served.add(number)
        self.leases.append((number, request))

    @rule(engine=st.sampled_from(["duckdb", "spark"]), workspace=st.sampled_from("AB"), who=st.sampled_from("xyz"))
    def want(self, engine: str, workspace: str, who: str) -> None:
        request = Wanted(next(self.requests), engine, workspace, who, self.now + WAIT)
        self.waiting[request.request] = request
        self.tell(request)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        request = data.draw(st.sampled_from(sorted(self.waiting)))
        del self.waiting[request]
        self.tell(Withdrawn(request))

    @precondition(lambda self: self.starting)
    @rule(data=st.data(), works=st.booleans())
    def end_start(self, data: st.DataObject, works: bool) -> None:
        number = data.draw(st.sampled_from(sorted(self.starting)))
        engine = self.starting.pop(number)
        if works:
            self.running[number] = engine
        self.tell(Ready(number) if works else Failed(number, "no reason"))

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def end_machine(self, data: st.DataObject) -> None:
        """Because it was stopped or because it died: the leases on it are released afterwards, as the pool does."""
        number = data.draw(st.sampled_from(sorted(self.running)))
        del self.running[number]
        self.stopping.discard(number)
        lost = [lease for lease in self.leases if lease[0] == number]
        self.leases = [lease for lease in self.leases if lease[0] != number]
        self.tell(Ended(number))
        for machine, request in lost:
            self.tell(Released(machine, request.principal))

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(self.leases))
        self.leases.remove(lease)
        self.tell(Released(lease[0], lease[1].principal))

    @rule(seconds=st.sampled_from([0.1, 1.0, 11.0, 31.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.tell(Tick())

    @invariant()
    def never_more_machines_than_allowed(self) -> None:
        for engine, config in ENGINES.items():
            machines = [e for e in [*self.starting.values(), *self.running.values()] if e == engine]
            assert len(machines) <= config.max_machines

    @invariant()
    def nobody_waits_beside_a_spare_machine(self) -> None:
        spare = {e for n, e in self.running.items() if n not in self.bound and n not in self.stopping}
        assert not [request for request in self.waiting.values() if request.engine in spare]

    @invariant()
    def who_waits_is_waited_for(self) -> None:
        """Nobody is forgotten: the deadline, at the latest, wakes the fleet."""
        if self.waiting:
            wake_at = self.fleet.wake_at()
            assert wake_at is not None
            assert wake_at <= min(request.deadline for request in self.waiting.values())


TestFleetHistory = FleetHistory.TestCase
TestFleetHistory.settings = settings(max_examples=150, deadline=None)


def settled(fleet: Fleet, event: Event, now: float = 0.0) -> list[object]:
    return list(fleet.handle(event, now))


def test_scale_to_zero() -> None:
    fleet = Fleet(PoolConfig((EngineConfig("duckdb", "user", warm_machines=0),)))
    assert settled(fleet, Tick()) == []
    assert settled(fleet, Wanted(1, "duckdb", "w", "p", 9.0)) == [Start(1, "duckdb")]
    assert settled(fleet, Ready(1)) == [Grant(1, 1)]
    assert settled(fleet, Released(1, "p")) == [Stop(1)]
    assert settled(fleet, Ended(1)) == []
    assert fleet.wake_at() is None


def test_the_principal_with_fewest_leases_goes_first() -> None:
    fleet = Fleet(PoolConfig((EngineConfig("duckdb", "user", warm_machines=0, max_machines=2),)))
    for request, who in enumerate(["greedy", "greedy", "greedy", "modest"], start=1):
        settled(fleet, Wanted(request, "duckdb", "w", who, 99.0))
    assert settled(fleet, Ready(1)) == [Grant(1, 1)]
    assert settled(fleet, Ready(2)) == [Grant(4, 2)]


def test_failing_starts_open_the_breaker_and_the_waiting_are_told() -> None:
    fleet = Fleet(PoolConfig((EngineConfig("duckdb", "user", warm_machines=0),)))
    assert settled(fleet, Wanted(1, "duckdb", "w", "p", 99.0)) == [Start(1, "duckdb")]
    assert settled(fleet, Failed(1, "broken")) == []
    assert fleet.wake_at() == 0.2
    assert settled(fleet, Tick(), 0.2) == [Start(2, "duckdb")]
    assert settled(fleet, Failed(2, "broken"), 0.2) == []
    assert settled(fleet, Tick(), 0.7) == [Start(3, "duckdb")]
    [refused] = settled(fleet, Failed(3, "broken"), 0.7)
    assert isinstance(refused, Refuse)
    assert refused.reason == "broken"


def test_an_idle_shared_machine_makes_room_for_another_workspace() -> None:
    fleet = Fleet(PoolConfig((EngineConfig("spark", "shared", warm_machines=0, max_machines=1),)))
    settled(fleet, Wanted(1, "spark", "A", "p", 99.0))
    settled(fleet, Ready(1))
    assert settled(fleet, Released(1, "p")) == []
    assert settled(fleet, Wanted(2, "spark", "A", "p", 99.0)) == [Grant(2, 1)]
    settled(fleet, Released(1, "p"))
    assert settled(fleet, Wanted(3, "spark", "B", "p", 99.0)) == [Stop(1)]
    assert settled(fleet, Ended(1)) == [Start(2, "spark")]


def test_machines_that_die_together_count_as_one_failure() -> None:
    fleet = Fleet(PoolConfig((EngineConfig("duckdb", "user", warm_machines=4),)))
    settled(fleet, Tick())
    for number in range(1, 5):
        settled(fleet, Ready(number))
    for number in range(1, 5):
        assert settled(fleet, Ended(number)) == []
    assert settled(fleet, Wanted(1, "duckdb", "w", "p", 99.0)) == []
    assert settled(fleet, Tick(), 0.2) == [Start(number, "duckdb") for number in range(5, 10)]
