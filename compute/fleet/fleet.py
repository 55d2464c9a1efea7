"""The fleet's only door: an event goes in, instructions come out."""

from collections import Counter
from collections.abc import Sequence
from math import inf

from compute.config import PoolConfig
from compute.events import (
    Ended,
    Event,
    Failed,
    Instruction,
    Leaving,
    Move,
    NodeDraining,
    NodeJoined,
    NodeLost,
    Place,
    Ready,
    Released,
    Wanted,
    Withdrawn,
)
from compute.fleet.lending import Lending
from compute.fleet.machine import Machine, State
from compute.fleet.roster import Roster
from compute.fleet.starts import Starts
from compute.fleet.stock import ANYBODY
from compute.fleet.supply import MOST_AT_ONCE, Supply


class Fleet:
    """All machines of one pool. Tell it each event once, in order of time, and a Tick at `wake_at`."""

    def __init__(self, config: PoolConfig) -> None:
        self._roster = Roster(config)
        self._starts = Starts(self._roster)
        self._supply = Supply(self._roster, self._starts)
        self._lending = Lending(self._roster, self._starts, self._supply)
        for template in self._roster.by_index:
            if not template.config.reserved:
                template.stock_for(ANYBODY)
                template.short.put(ANYBODY, (1, next(self._roster.turns)))
        self._roster.timers.put(("refill", 0, ""), float("-inf"))

    def handle(self, event: Event, now: float) -> Sequence[Instruction]:
        """What to do because of `event`, and of the time that has passed. What has ended is not stopped before."""
        self._roster.out = []
        if isinstance(event, Ended):
            self._note(event, now)
            self._pass_time(now)
        else:
            self._pass_time(now)
            self._note(event, now)
        return self._roster.out

    def wake_at(self) -> float | None:
        """When waiting alone changes something: a deadline, an idle machine's end, a breaker's pause, a late start, a
        budget's end, a quiet time's."""
        head = self._roster.timers.head()
        return None if head is None else head[0]

    def place(self, request: int) -> Place | None:
        """Where it stands in its queue now; None where it does not wait."""
        return self._lending.place(request)

    def count(self, engine: str) -> Counter[str]:
        """Machines by state (``starting``, ``spare``, ``serving``, ``stopping``), for metrics."""
        states: Counter[str] = Counter()
        for template in self._roster.by_index:
            if template.config.engine == engine:
                states.update({state.name.lower(): number for state, number in template.states.items() if number})
        return states

    def _note(self, event: Event, now: float) -> None:
        match event:
            case Wanted():
                self._lending.want(event, now)
            case Ready(number):
                self._ready(self._roster.machines[number], now)
            case Released(number, principal):
                if machine := self._roster.machines.get(number):
                    self._lending.release(machine, principal, now)
            case Ended(number):
                if machine := self._roster.machines.get(number):
                    self._supply.end(machine, "a warm machine died", now)
            case Leaving(number, until):
                if machine := self._roster.machines.get(number):
                    self._leave(machine, until, now)
            case Failed(number, reason):
                self._fail(self._roster.machines[number], reason, now)
            case Withdrawn(number):
                self._lending.withdraw(number, now)
            case NodeJoined(name):
                self._roster.timers.drop(("drain", 0, name))
                self._roster.nodes.join(event, now)
                self._supply.refill(now)
            case NodeDraining(name, until):
                self._drain(name, until, now)
            case NodeLost(name):
                self._clear(name, now)

    def _ready(self, machine: Machine, now: float) -> None:
        self._supply.ready(machine, now)
        self._lending.offer(machine, now)
        self._supply.watch(machine.stock, now)
        self._supply.refill(now)

    def _fail(self, machine: Machine, reason: str, now: float) -> None:
        self._supply.end(machine, reason, now)
        self._lending.give_up(machine.template, now)

    def _drain(self, name: str, until: float, now: float) -> None:
        """Machines that are left end with the node at the latest."""
        node = self._roster.nodes.get(name)
        if node is None or node.leaving:
            return
        self._roster.nodes.leave(node)
        for machine in list(node.machines.values()):
            self._leave(machine, until, now)
        if node.machines:
            self._roster.timers.put(("drain", 0, name), until)

    def _leave(self, machine: Machine, until: float, now: float) -> None:
        """What nobody uses ends at once; leases are told to move."""
        machine.leaving = True
        if machine.principals and machine.state is State.SERVING:
            machine.serves.hide(machine)
            self._roster.out.append(Move(machine.number, until))
        else:
            self._supply.discard(machine, now)

    def _exhaust(self, workspace: str, now: float) -> None:
        """The budget is spent: what runs may end, and nothing begins. Many machines take more than one event."""
        self._lending.refuse_spent(workspace, now)
        for machine in self._roster.ledger.exhaust(workspace, MOST_AT_ONCE, now):
            self._leave(machine, inf, now)

    def _clear(self, name: str, now: float) -> None:
        """The node is gone: so are its machines, whatever ran on them."""
        node = self._roster.nodes.get(name)
        if node is None:
            return
        self._roster.timers.drop(("drain", 0, name))
        self._roster.nodes.leave(node)
        for machine in list(node.machines.values()):
            self._supply.discard(machine, now)

    def _pass_time(self, now: float) -> None:
        """Does what was due. What becomes due by doing it waits for the next event, so that each event is short."""
        timers = self._roster.timers
        due = []
        while (head := timers.head()) is not None and head[0] <= now:
            due.append(head[1])
            timers.drop(head[1])
        for timer in due:
            self._act(timer, now)

    def _act(self, timer: tuple[str, int, str], now: float) -> None:
        kind, number, name = timer
        machine = self._roster.machines.get(number)
        match kind:
            case "deadline":
                self._lending.expire(number, now)
            case "refill":
                self._supply.refill(now)
            case "room":
                self._supply.make_room(self._roster.by_index[number], now)
            case "stock":
                if stock := self._roster.by_index[number].stocks.get(name):
                    self._supply.sweep(stock, now)
            case "quiet":
                if stock := self._roster.by_index[number].stocks.get(name):
                    self._supply.replenish(stock, now)
            case "idle" if machine is not None and not machine.principals:
                self._supply.stop(machine, now)
            case "hedge" if machine is not None and machine.state is State.STARTING:
                self._starts.hedge(machine, now)
            case "budget":
                self._exhaust(name, now)
            case "node":
                self._reopen(name, now)
            case "drain":
                self._clear(name, now)

    def _reopen(self, name: str, now: float) -> None:
        """A node whose breaker has paused long enough takes machines again."""
        node = self._roster.nodes.get(name)
        if node is not None and not node.leaving and not node.breaker.is_open(now):
            self._roster.nodes.open(node)
            self._supply.refill(now)
