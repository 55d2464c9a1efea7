"""A slow fleet beside the fast one: it scans everything after every event, and finds each instruction right or wrong.

It shares no code with the fleet: machines, requests and nodes are kept in plain dicts and counted anew each time.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import ceil

from compute.config import EngineConfig, PoolConfig
from compute.events import (
    Ended,
    Event,
    Failed,
    Grant,
    Instruction,
    Leaving,
    Move,
    NodeDraining,
    NodeJoined,
    NodeLost,
    Priority,
    Ready,
    Refusal,
    Refuse,
    Released,
    Start,
    Stop,
    Wanted,
    Withdrawn,
)
from tests.properties.fleet.records import LONGEST_BACKOFF, Machine, Node, Pause

TURN = 8
HEDGED_SHARE = 20
ROUNDING = 1e-6
Key = tuple[str, str]


class Witness:
    """`saw` raises AssertionError at the first wrong instruction; `agrees` at a state that no fleet should rest in."""

    def __init__(self, config: PoolConfig) -> None:
        self.config = config
        self.engines = {(engine.engine, engine.size): engine for engine in config.engines}
        self.types = {each.name: each for each in config.node_types}
        self.machines: dict[int, Machine] = {}
        self.waiting: dict[int, Wanted] = {}
        self.nodes: dict[str, Node] = {}
        self.pauses = {
            (key, name): Pause(2 if self.types[name].placed else 0)
            for key, config in self.engines.items()
            for name in config.node_types
        }
        self.failed_at = float("-inf")
        self.spent: Counter[str] = Counter()
        self.windows: dict[str, float] = {}
        self.turns: Counter[tuple[Key, str | None]] = Counter()

    def saw(self, event: Event, instructions: Sequence[Instruction], now: float) -> None:
        """Notes the event, then judges the instructions one after the other."""
        self._note(event, now)
        for instruction in instructions:
            match instruction:
                case Start():
                    self._saw_start(instruction, now)
                case Stop(number):
                    self._saw_stop(self.machines[number])
                case Grant(request, number):
                    self._saw_grant(self.waiting[request], self.machines[number], event, now)
                    self._leave(request)
                case Move(number):
                    self._saw_move(self.machines[number], now)
                case Refuse(request, refusal):
                    self._saw_refusal(self.waiting[request], refusal, event, now)
                    self._leave(request)

    def of(self, key: Key) -> Iterator[Machine]:
        return (machine for machine in self.machines.values() if key == (machine.start.engine, machine.start.size))

    def queue(self, key: Key) -> list[Wanted]:
        return [request for request in self.waiting.values() if key == (request.engine, request.size)]

    def is_leaving(self, machine: Machine) -> bool:
        node = self.nodes.get(machine.start.node or "")
        return machine.leaving or (machine.start.node is not None and (node is None or node.leaving))

    def can_serve(self, machine: Machine, request: Wanted) -> bool:
        """Whether it may be lent to that request now."""
        config = machine.config
        exact = (config.engine, config.size) == (request.engine, request.size)
        smaller = self.engines[request.engine, request.size]
        larger = config.serves_smaller and config.engine == request.engine
        if not exact and not (larger and config.memory_bytes > smaller.memory_bytes and not machine.has_served):
            return False
        if machine.is_stopping or not machine.is_up or self.is_leaving(machine):
            return False
        if machine.workspace not in (None, request.workspace) or (config.mode == "user" and machine.has_served):
            return False
        return len(machine.leases) < config.leases_per_machine

    def spent_now(self, workspace: str, now: float) -> float:
        """Machine-seconds in the running window, its machines' up to now."""
        begin = self.windows.get(workspace, now)
        own = [m.own_since for m in self.machines.values() if m.workspace == workspace and m.own_since is not None]
        return self.spent[workspace] + sum(now - max(since, begin) for since in own)

    def is_spent(self, workspace: str, now: float) -> bool:
        policy = self.config.workspaces.get(workspace)
        if policy is None or policy.budget is None:
            return False
        return self.spent_now(workspace, now) > policy.budget.machine_seconds - ROUNDING

    def free_room(self, name: str) -> tuple[int, float]:
        node, taken = self.nodes[name], [m.config.room for m in self.machines.values() if m.start.node == name]
        cpus = round(node.cpus - sum(cpus for _, cpus in taken), 6)
        return node.memory_bytes - sum(memory for memory, _ in taken), cpus

    def is_full(self, config: EngineConfig) -> bool:
        machines = list(self.of((config.engine, config.size)))
        starting = sum(1 for machine in machines if not machine.is_up and not machine.is_stopping)
        return len(machines) >= config.max_machines or starting >= (config.most_starting or len(machines) + 1)

    def has_room(self, config: EngineConfig) -> bool:
        """Whether a machine could be started, were no breaker open."""
        if self.is_full(config):
            return False
        for name in config.node_types:
            if not self.types[name].placed:
                return True
            for node_name, node in self.nodes.items():
                memory, cpus = self.free_room(node_name)
                fits = memory >= config.room[0] and cpus >= config.room[1]
                if node.type == name and not node.leaving and fits:
                    return True
        return False

    def paused_until(self, key: Key) -> float:
        """When a machine may be started on nodes of some type."""
        return min(self.pauses[key, name].until for name in self.engines[key].node_types)

    def _note(self, event: Event, now: float) -> None:
        self._renew(now)
        match event:
            case Wanted():
                self._open_window(event.workspace, now)
                self.waiting[event.request] = event
            case Withdrawn(request):
                self._leave(request)
            case Ready(number):
                self.machines[number].is_up = True
                for pause in self._pauses(self.machines[number]):
                    pause.succeed()
            case Leaving(number):
                self.machines[number].leaving = True
            case Failed(number):
                self._blame(self.machines[number], now)
                self._forget(number, now)
            case Ended(number):
                self._blame(self.machines[number], now)
                self._forget(number, now)
            case Released(number, principal) if number in self.machines:
                leases = self.machines[number].leases
                leases.remove(next(request for request in leases if request.principal == principal))
            case NodeJoined(name, node_type, memory_bytes, cpus):
                self._join(name, Node(node_type, memory_bytes, cpus))
            case NodeDraining(name):
                self._drain(name)
            case NodeLost(name):
                self.nodes.pop(name, None)

    def _join(self, name: str, node: Node) -> None:
        """One that takes machines, or has some left, is the same as before, whatever its type and size are now."""
        known = self.nodes.get(name)
        if known is not None and (not known.leaving or any(m.start.node == name for m in self.machines.values())):
            node = replace(known, type=node.type, memory_bytes=node.memory_bytes, cpus=node.cpus, leaving=False)
        self.nodes[name] = node

    def _drain(self, name: str) -> None:
        """Who has been told to move goes, whether the node comes back before that or not."""
        self.nodes[name].leaving = True
        for machine in self.machines.values():
            machine.leaving = machine.leaving or machine.start.node == name

    def _pauses(self, machine: Machine) -> list[Pause]:
        """Of its node type, and of its node if that stays."""
        key, node = (machine.start.engine, machine.start.size), self.nodes.get(machine.start.node or "")
        of_node = [] if node is None or node.leaving else [node.pause]
        return [self.pauses[key, machine.start.node_type], *of_node]

    def _blame(self, machine: Machine, now: float) -> None:
        """A start that failed, or a machine that ended before anybody had it."""
        if machine.state in ("starting", "spare"):
            self.failed_at = now
            for pause in self._pauses(machine):
                pause.fail(now)

    def _renew(self, now: float) -> None:
        """Budget windows that are over begin anew."""
        for workspace, begin in list(self.windows.items()):
            budget = self.config.workspaces[workspace].budget
            assert budget is not None
            if now >= begin + budget.window_seconds:
                self.windows[workspace] = begin + (now - begin) // budget.window_seconds * budget.window_seconds
                self.spent[workspace] = 0

    def _open_window(self, workspace: str, now: float) -> None:
        policy = self.config.workspaces.get(workspace)
        if policy is not None and policy.budget is not None:
            self.windows.setdefault(workspace, now)

    def _forget(self, number: int, now: float) -> None:
        machine = self.machines.pop(number)
        if machine.workspace is not None and machine.own_since is not None:
            begin = self.windows.get(machine.workspace, now)
            self.spent[machine.workspace] += now - max(machine.own_since, begin)  # type: ignore[assignment]

    def _saw_start(self, start: Start, now: float) -> None:
        config = self.engines[start.engine, start.size]
        assert start.machine not in self.machines
        assert not self.is_full(config)
        assert start.node_type in config.node_types
        assert (start.workspace is not None) == config.reserved
        assert (start.node is not None) == self.types[start.node_type].placed
        if start.node is not None:
            node = self.nodes[start.node]
            memory, cpus = self.free_room(start.node)
            assert node.type == start.node_type
            assert not node.leaving
            assert memory >= config.room[0]
            assert cpus >= config.room[1]
            assert node.pause.until <= now
        assert self.pauses[(start.engine, start.size), start.node_type].until <= now
        owner = start.workspace
        if owner is not None:
            assert not self.is_spent(owner, now)
        if start.hedges is not None:
            self._check_hedge(start, self.machines[start.hedges])
        self.machines[start.machine] = Machine(start, config, owner, None if owner is None else now)

    def _check_hedge(self, start: Start, late: Machine) -> None:
        """A second start stands by one that is late and waited for: one, elsewhere, and few of them at a time."""
        key = (start.engine, start.size)
        starting = [machine for machine in self.of(key) if machine.state == "starting"]
        hedges = [machine for machine in starting if self._is_hedge(machine)]
        assert late.config.hedged
        assert late.state == "starting"
        assert (late.start.engine, late.start.size, late.start.workspace) == (*key, start.workspace)
        assert start.node is None or start.node != late.start.node
        assert late not in hedges
        assert start.hedges not in [machine.start.hedges for machine in hedges]
        assert len(hedges) < max(1, len(starting) // HEDGED_SHARE)
        assert self.demand(key, start.workspace)

    def _saw_stop(self, machine: Machine) -> None:
        assert not machine.is_stopping
        assert not machine.leases or self.is_leaving(machine), "a lease is never taken away, but with its node"
        machine.is_stopping = True

    def _saw_move(self, machine: Machine, now: float) -> None:
        """Its place goes, or its workspace may spend no more."""
        assert self.is_leaving(machine) or self.is_spent(machine.workspace or "", now)
        assert machine.leases
        machine.leaving = True

    def _saw_grant(self, request: Wanted, machine: Machine, event: Event, now: float) -> None:
        assert self.can_serve(machine, request)
        assert request.deadline > now
        assert not self.is_spent(request.workspace, now)
        if request is not event:
            self._check_turn(request, machine)
        machine.has_served = True
        if machine.workspace is None:
            machine.workspace, machine.own_since = request.workspace, now
        machine.leases.append(request)

    def _saw_refusal(self, request: Wanted, refusal: Refusal, event: Event, now: float) -> None:
        match refusal:
            case Refusal.LATE:
                assert request.deadline <= now
            case Refusal.FULL:
                self._check_full(request, event)
            case Refusal.BUDGET:
                assert self.is_spent(request.workspace, now)
            case Refusal.FAILING:
                assert now - self.failed_at <= LONGEST_BACKOFF

    def _check_full(self, request: Wanted, event: Event) -> None:
        """Who has most in a full queue loses the newest of it; if that is the newcomer, or as much, he is refused."""
        assert isinstance(event, Wanted)
        queue = self.queue((request.engine, request.size))
        assert len(queue) > self.config.max_waiting
        counts = Counter(each.workspace for each in queue)
        most = max(counts.values())
        assert counts[request.workspace] == most or request is event
        if request is event:
            assert most <= counts[event.workspace]
        else:
            assert most > counts[event.workspace]
            rank = max((each.priority, each.request) for each in queue if each.workspace == request.workspace)
            assert rank == (request.priority, request.request)

    def _check_turn(self, request: Wanted, machine: Machine) -> None:
        """Fairness: of all who could have had this lease, it is his turn."""
        key = (request.engine, request.size)
        own = (machine.start.engine, machine.start.size)
        scope = machine.workspace
        if key != own:
            assert not [each for each in self.queue(own) if scope in (None, each.workspace)]
        candidates = [each for each in self.queue(key) if scope in (None, each.workspace)]
        oldest = min(candidates, key=lambda each: each.request)
        if not self._is_scarce(key, scope):
            assert request is oldest
            return
        assert request is (oldest if self.turns[key, scope] % TURN == TURN - 1 else self._fairest(key, candidates))
        self.turns[key, scope] += 1

    def _is_scarce(self, key: Key, scope: str | None) -> bool:
        """Whether fewer machines are spare or coming than those who wait need. A hedge comes for nobody else."""
        config = self.engines[key]
        owner = scope if config.reserved else None
        mine = [m for m in self.of(key) if not config.reserved or m.start.workspace == owner]
        coming = sum(m.state == "spare" or (m.state == "starting" and not self._is_hedge(m)) for m in mine)
        return self.demand(key, owner) > coming

    def _is_hedge(self, machine: Machine) -> bool:
        late = self.machines.get(machine.start.hedges or 0)
        return late is not None and late.state == "starting"

    def demand(self, key: Key, workspace: str | None) -> int:
        """Machines for those who wait."""
        waiting = Counter(each.workspace for each in self.queue(key) if workspace in (None, each.workspace))
        return sum(ceil(number / self.engines[key].leases_per_machine) for number in waiting.values())

    def _leave(self, number: int) -> None:
        """A workspace of which nobody waits starts its turns anew."""
        request = self.waiting.pop(number)
        key = (request.engine, request.size)
        if not [each for each in self.queue(key) if each.workspace == request.workspace]:
            self.turns.pop((key, request.workspace), None)

    def _fairest(self, key: Key, candidates: list[Wanted]) -> Wanted:
        leases = [lease for machine in self.machines.values() for lease in machine.leases]
        leases = [lease for lease in leases if key == (lease.engine, lease.size)]
        priority: Priority = min(each.priority for each in candidates)
        candidates = [each for each in candidates if each.priority == priority]

        def share(workspace: str) -> tuple[float, int]:
            policy = self.config.workspaces.get(workspace)
            held = sum(lease.workspace == workspace for lease in leases) / (1.0 if policy is None else policy.weight)
            return held, min(each.request for each in candidates if each.workspace == workspace)

        workspace = min({each.workspace for each in candidates}, key=share)
        candidates = [each for each in candidates if each.workspace == workspace]

        def rank(each: Wanted) -> tuple[int, int]:
            held = sum((lease.workspace, lease.principal) == (workspace, each.principal) for lease in leases)
            return held, min(other.request for other in candidates if other.principal == each.principal)

        return min(candidates, key=lambda each: (rank(each), each.request))
