"""Everything of one template (an engine and a size): its machines, its queue, its stocks, how its starts go."""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping

from compute.config import EngineConfig, NodeType, PoolConfig
from compute.fleet.breaker import GIVE_UP_FAILURES, Breaker
from compute.fleet.latency import StartTimes
from compute.fleet.machine import Machine, State
from compute.fleet.ranking import Ranking
from compute.fleet.stock import ANYBODY, Stock
from compute.fleet.waiting import Waiting

GUESSED_START_SECONDS = 1.0


class Template:
    """Indexes that are kept as machines change, so that no decision looks at all of them.

    `open` are shared machines with a lease to spare, by workspace; `kept` are machines that one workspace keeps
    unused, the longest idle first; `short` are stocks that lack machines and could not start them, in the order of
    their turns; `total` counts all that exist. `suppliers` are templates whose spares serve this one's requests, itself
    first; `customers` are those that it serves.
    """

    def __init__(self, index: int, config: EngineConfig, pool: PoolConfig) -> None:
        self.index = index
        self.config = config
        self.waiting = Waiting(config.leases_per_machine, pool.workspaces)
        self.start_times = StartTimes(min(GUESSED_START_SECONDS, config.start_seconds))
        self.stocks: dict[str, Stock] = {}
        self.open: dict[str, OrderedDict[int, Machine]] = {}
        self.kept: OrderedDict[int, Machine] = OrderedDict()
        self.short: Ranking[str] = Ranking()
        self.states: Counter[State] = Counter()
        self.total = 0
        self.on_demand = 0
        self.hedges = 0
        types = {each.name: each for each in pool.node_types}
        self.node_types = tuple(types[name] for name in config.node_types)
        self.is_placed = any(each.placed for each in self.node_types)
        self.breakers = {each.name: Breaker(GIVE_UP_FAILURES if each.placed else 1) for each in self.node_types}
        self._spot = {each.name: each.spot for each in self.node_types}
        self.suppliers = [self]
        self.customers = [self]

    @property
    def is_full(self) -> bool:
        """Whether no machine may be started now."""
        most_starting = self.config.most_starting
        is_busy = most_starting is not None and self.states[State.STARTING] >= most_starting
        return is_busy or self.total >= self.config.max_machines

    @property
    def retry_at(self) -> float:
        """When a machine may be started on nodes of some type: in the past, unless all of them pause."""
        return min(breaker.retry_at for breaker in self.breakers.values())

    def stock_for(self, workspace: str) -> Stock:
        """The stock that serves the workspace, made when first asked for."""
        owner = workspace if self.config.reserved else ANYBODY
        stock = self.stocks.get(owner)
        if stock is None:
            stock = self.stocks[owner] = Stock(self, owner)
        return stock

    def preferred(self) -> Iterable[NodeType]:
        """Node types in the order to be tried."""
        if self.on_demand >= self.config.on_demand_base:
            return self.node_types
        return sorted(self.node_types, key=lambda each: each.spot)

    def gives_up(self, now: float) -> str | None:
        """Why no machine starts, if that has been so for a while."""
        reason = None
        for breaker in self.breakers.values():
            if not breaker.gives_up(now):
                return None
            reason = breaker.reason
        return reason

    def add(self, machine: Machine) -> None:
        self.states[machine.state] += 1
        self.total += 1
        self.on_demand += not self._spot[machine.node_type]

    def remove(self, machine: Machine) -> None:
        self.states[machine.state] -= 1
        self.total -= 1
        self.on_demand -= not self._spot[machine.node_type]

    def change(self, machine: Machine, state: State, now: float) -> None:
        """The only place where a machine's state changes."""
        self.states[machine.state] -= 1
        self.states[state] += 1
        machine.state, machine.since = state, now

    def longest_idle(self) -> Machine | None:
        """A machine that nobody uses now."""
        spares = self.stocks[ANYBODY].spares if ANYBODY in self.stocks else {}
        return next(iter(self.kept.values()), None) or next(iter(spares.values()), None)

    def show(self, machine: Machine) -> None:
        """A shared machine has a lease to spare."""
        assert machine.workspace is not None, "a lease binds a machine"
        self.open.setdefault(machine.workspace, OrderedDict())[machine.number] = machine

    def hide(self, machine: Machine) -> None:
        """It has none, or is to get none. Idempotent."""
        machines = self.open.get(machine.workspace or "")
        if machines is not None and machines.pop(machine.number, None) is not None and not machines:
            del self.open[machine.workspace or ""]


def make_templates(pool: PoolConfig) -> Mapping[tuple[str, str], Template]:
    """By engine and size, each knowing which serve which."""
    templates = {
        (config.engine, config.size): Template(index, config, pool) for index, config in enumerate(pool.engines)
    }
    by_size = sorted(templates.values(), key=lambda each: each.config.memory_bytes)
    for index, small in enumerate(by_size):
        for large in by_size[index + 1 :]:
            if _serves(large.config, small.config):
                small.suppliers.append(large)
                large.customers.insert(1, small)
    return templates


def _serves(large: EngineConfig, small: EngineConfig) -> bool:
    alike = large.engine == small.engine and large.mode == small.mode and large.reserved == small.reserved
    return large.serves_smaller and alike and large.memory_bytes > small.memory_bytes
