"""A small world that obeys the fleet, and in which everything may happen at any moment."""

import itertools
import random
from dataclasses import replace
from math import ceil
from typing import TypeVar

from compute.config import Budget, EngineConfig, NodeType, PoolConfig, WorkspacePolicy
from compute.events import (
    Ended,
    Event,
    Failed,
    Leaving,
    NodeDraining,
    NodeJoined,
    NodeLost,
    Priority,
    Ready,
    Released,
    Tick,
    Wanted,
    Withdrawn,
)
from compute.fleet import Fleet
from tests.properties.fleet.records import LONGEST_BACKOFF
from tests.properties.fleet.witness import Witness

PLACED = ("spot", "on-demand")
USER = EngineConfig("duckdb", "user", warm_machines=1, max_machines=5, idle_seconds=10, warm_limit=3, hedged=True)
LARGE = EngineConfig(
    "duckdb",
    "user",
    size="large",
    warm_machines=0,
    warm_limit=1,
    max_machines=3,
    idle_seconds=10,
    memory_bytes=2 << 30,
    serves_smaller=True,
)
SHARED = EngineConfig(
    "spark",
    "shared",
    warm_machines=1,
    max_machines=3,
    idle_seconds=10,
    leases_per_machine=2,
    most_starting=1,
    quiet_seconds=3,
)
PLACED_SHARED = EngineConfig(
    "trino",
    "shared",
    warm_machines=2,
    warm_limit=3,
    max_machines=6,
    leases_per_machine=3,
    node_types=PLACED,
    footprint=(1 << 30, 1.65),
)
RESERVED = EngineConfig(
    "pod",
    "user",
    warm_machines=0,
    warm_limit=2,
    max_machines=6,
    idle_seconds=10,
    reserved=True,
    hedged=True,
    node_types=PLACED,
    on_demand_base=1,
)
RESERVED_SHARED = replace(SHARED, engine="driver", reserved=True)
HIRED = ("hired-spot", "hired")
HIRED_SHARED = replace(SHARED, warm_machines=0, max_machines=2, most_starting=None, node_types=HIRED)
NODE_TYPES = (
    NodeType(""),
    NodeType("spot", spot=True, placed=True, spread=1),
    NodeType("on-demand", placed=True),
    NodeType("hired-spot", spot=True),
    NodeType("hired"),
)
CONFIG = PoolConfig(
    (USER, LARGE, SHARED, PLACED_SHARED, RESERVED, RESERVED_SHARED),
    max_waiting=6,
    node_types=NODE_TYPES,
    workspaces={"B": WorkspacePolicy(weight=2.0), "C": WorkspacePolicy(budget=Budget(40.0, 60.0))},
)
SCARCE = replace(CONFIG, engines=(HIRED_SHARED,))
"""Everybody wants the same few machines."""
WANTS = tuple((each.engine, each.size) for each in CONFIG.engines)
WAIT = 30.0
MOST_STEPS_TO_REST = 2000
T = TypeVar("T")


class Scene:
    """Each method is one thing that happens. The witness judges what the fleet does about it."""

    def __init__(self, config: PoolConfig = CONFIG) -> None:
        self.now = 0.0
        self.fleet = Fleet(config)
        self.witness = Witness(config)
        self.requests = itertools.count(1)
        self.tell(Tick())

    def tell(self, event: Event) -> None:
        self.witness.saw(event, self.fleet.handle(event, self.now), self.now)

    def join(self, name: str, type_name: str, machines: int) -> None:
        """Also one that drains, which stays after all, and one that is of another type or size from now on."""
        self.tell(NodeJoined(name, type_name, machines << 30, machines * 2.0))

    def drain(self, name: str) -> None:
        """Its machines' leases are given back in time or not: that is for others to draw."""
        if name in self.witness.nodes:
            self.tell(NodeDraining(name, self.now + 5.0))

    def leave(self, number: int) -> None:
        """Likewise, of one machine."""
        self.tell(Leaving(number, self.now + 5.0))

    def lose(self, name: str) -> None:
        if name not in self.witness.nodes:
            return
        self.tell(NodeLost(name))
        for number, machine in list(self.witness.machines.items()):
            if machine.start.node == name:
                self.end(number)

    def want(self, key: tuple[str, str], workspace: str, principal: str, priority: Priority) -> None:
        engine, size = key
        self.tell(Wanted(next(self.requests), engine, workspace, principal, self.now + WAIT, size, priority))

    def withdraw(self, request: int) -> None:
        self.tell(Withdrawn(request))

    def end_start(self, number: int, works: bool) -> None:
        """A start that is not wanted any more ends at once when it has come up."""
        if not works:
            self.tell(Failed(number, "no reason"))
        elif self.witness.machines[number].is_stopping:
            self.tell(Ended(number))
        else:
            self.tell(Ready(number))

    def end(self, number: int) -> None:
        """Because it was stopped or because it died: the leases on it are released afterwards, as the pool does."""
        leases = list(self.witness.machines[number].leases)
        self.tell(Ended(number))
        for lease in leases:
            self.tell(Released(number, lease.principal))

    def release(self, number: int, principal: str) -> None:
        self.tell(Released(number, principal))

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.tell(Tick())

    def starting(self) -> list[int]:
        return [number for number, machine in self.witness.machines.items() if not machine.is_up]

    def up(self) -> list[int]:
        return [number for number, machine in self.witness.machines.items() if machine.is_up]

    def leases(self) -> list[tuple[int, str]]:
        return [(n, lease.principal) for n, machine in self.witness.machines.items() for lease in machine.leases]

    def step(self, chance: random.Random) -> None:
        """One thing, by chance; what is rarer in the world is rarer here."""
        kind = chance.choices(
            ("want", "start", "release", "end", "time", "withdraw", "join", "drain", "lose", "leave"),
            (30, 25, 20, 5, 12, 2, 3, 2, 1, 1),
        )[0]
        if kind == "want":
            priority = chance.choice(list(Priority))
            self.want(chance.choice(list(self.witness.engines)), chance.choice("ABCD"), chance.choice("xyz"), priority)
        elif kind == "time":
            self.pass_time(chance.choice([0.0625, 0.25, 1.0, 4.0, 11.0, 31.0]))
        elif kind in ("join", "drain", "lose"):
            self._change_nodes(kind, chance)
        else:
            self._change_machines(kind, chance)

    def _change_nodes(self, kind: str, chance: random.Random) -> None:
        type_name = chance.choice(PLACED)
        name = f"{type_name}-{chance.randrange(3)}"
        if kind == "join":
            self.join(name, type_name, chance.choice([1, 2, 4]))
        elif kind == "drain":
            self.drain(name)
        else:
            self.lose(name)

    def _change_machines(self, kind: str, chance: random.Random) -> None:
        if kind == "start" and (starting := self.starting()):
            self.end_start(chance.choice(starting), chance.random() < 0.9)
        elif kind == "release" and (leases := self.leases()):
            self.release(*chance.choice(leases))
        elif kind == "end" and (up := self.up()):
            stopping = [number for number in up if self.witness.machines[number].is_stopping]
            self.end(chance.choice(stopping or up))
        elif kind == "leave" and (up := self.up()):
            self.leave(chance.choice(up))
        elif kind == "withdraw" and (waiting := list(self.witness.waiting)):
            self.withdraw(chance.choice(waiting))

    def rest(self) -> None:
        """Nothing new is asked for and what was asked comes to its end: the fleet does too, and asks for no wake-up."""
        for _ in range(MOST_STEPS_TO_REST):
            if starting := self.starting():
                self.end_start(starting[0], True)
            elif leases := self.leases():
                self.release(*leases[0])
            elif stopping := [n for n in self.up() if self.witness.machines[n].is_stopping]:
                self.end(stopping[0])
            elif (wake_at := self.fleet.wake_at()) is not None:
                self.now = max(self.now, wake_at)
                self.tell(Tick())
            else:
                return self._check_rest()
        raise AssertionError("the fleet finds no rest")

    def _check_rest(self) -> None:
        """Everybody had an answer, and what is kept warm is left, no more."""
        assert not self.witness.waiting
        assert {machine.state for machine in self.witness.machines.values()} <= {"spare"}
        for key, config in self.witness.engines.items():
            assert sum(1 for _ in self.witness.of(key)) <= config.warm_machines

    def check(self) -> None:
        """What holds between any two events."""
        self._check_waiting()
        self._check_room()
        self._check_budgets()
        self._check_counts()
        self._check_indexes()

    def _check_waiting(self) -> None:
        """Nobody waits beside a machine that could serve him, nor while one could be started, nor for ever."""
        witness, wake_at = self.witness, self.fleet.wake_at()
        for request in witness.waiting.values():
            assert not [m for m in witness.machines.values() if witness.can_serve(m, request)]
            assert wake_at is not None
            assert wake_at <= request.deadline
        if wake_at is not None and (wake_at <= self.now or self.now - witness.failed_at <= LONGEST_BACKOFF):
            return
        for key, config in witness.engines.items():
            waiting = [each for each in witness.queue(key) if not witness.is_spent(each.workspace, self.now)]
            coming = sum(machine.state == "starting" for machine in witness.of(key))
            by_workspace = {each.workspace: 0 for each in waiting}
            for each in waiting:
                by_workspace[each.workspace] += 1
            demand = sum(ceil(number / config.leases_per_machine) for number in by_workspace.values())
            assert coming >= demand or not witness.has_room(config), key

    def _check_room(self) -> None:
        """Nobody waits for what another workspace keeps unused, once a machine could start in its stead."""
        witness, wake_at = self.witness, self.fleet.wake_at()
        for key, config in witness.engines.items():
            machines = list(witness.of(key))
            coming = sum(machine.state in ("starting", "stopping") for machine in machines)
            kept = [m for m in machines if m.state == "serving" and not m.leases and not witness.is_leaving(m)]
            if kept and len(machines) == config.max_machines and witness.demand(key, None) > coming:
                assert wake_at is not None
                assert wake_at <= max(self.now, witness.paused_until(key)), key
                assert witness.paused_until(key) > self.now or wake_at <= self.now, key

    def _check_budgets(self) -> None:
        """A workspace that has spent its budget spends on by what runs on machines that end with it, and by nothing
        else. The fleet hears of the moment late where time has jumped."""
        witness, wake_at = self.witness, self.fleet.wake_at()
        for machine in witness.machines.values():
            if machine.workspace is not None and witness.is_spent(machine.workspace, self.now):
                is_due = wake_at is not None and wake_at <= self.now
                assert is_due or machine.is_stopping or (machine.leases and witness.is_leaving(machine))

    def _check_counts(self) -> None:
        for engine in {engine for engine, _ in self.witness.engines}:
            machines = [m for m in self.witness.machines.values() if m.start.engine == engine]
            states = [machine.state for machine in machines]
            assert dict(self.fleet.count(engine)) == {state: states.count(state) for state in set(states)}

    def _check_indexes(self) -> None:
        """The fleet's own indexes say what a scan of all machines says."""
        witness, roster = self.witness, self.fleet._roster
        assert set(roster.machines) == set(witness.machines)
        for node in roster.nodes:
            assert node.room == witness.free_room(node.name) or node.name not in witness.nodes
        for template in roster.by_index:
            key = (template.config.engine, template.config.size)
            assert sorted(template.waiting.numbers()) == sorted(each.request for each in witness.queue(key))
            spares = [number for stock in template.stocks.values() for number in stock.spares]
            up = {n for n, m in witness.machines.items() if m.state == "spare" and m.config is template.config}
            assert set(spares) == up
            starts = sum(stock.starting for stock in template.stocks.values()) + template.hedges
            assert starts == sum(machine.state == "starting" for machine in witness.of(key))
