"""How many machines there are: what is lacking starts in turn, what idles ends, what somebody else needs makes room."""

from itertools import islice

from compute.events import Stop
from compute.fleet.machine import Machine, State
from compute.fleet.roster import Roster
from compute.fleet.starts import Starts
from compute.fleet.stock import ANYBODY, Stock
from compute.fleet.template import Template

MOST_AT_ONCE = 64
"""Starts or stops that one event may cause in one stock; the rest follows by a timer that is due at once."""
LOOKS_PER_IDLE_TIME = 4
"""How often in `idle_seconds` a stock that demand keeps up is looked at anew."""


class Supply:
    """Every change of what machines exist."""

    def __init__(self, roster: Roster, starts: Starts) -> None:
        self._roster = roster
        self._starts = starts

    def replenish(self, stock: Stock, now: float) -> None:
        """Starts what the stock lacks, or puts it in line for room. What is in line already waits for `refill`."""
        lacking = self._lacking(stock, now)
        if lacking > 0 and stock.owner in stock.template.short:
            self._put_in_line(stock)
            self.make_room(stock.template, now)
            return
        for _ in range(min(lacking, MOST_AT_ONCE)):
            if not self._starts.start(stock, now):
                self._put_in_line(stock)
                self.make_room(stock.template, now)
                return
        if lacking > MOST_AT_ONCE:
            self._put_in_line(stock)
            self._roster.timers.put(("refill", 0, ""), now)
        else:
            stock.template.short.drop(stock.owner)

    def refill(self, now: float) -> None:
        """Room may have come free: stocks that are short of machines start one each, in turn, while it lasts."""
        open_templates = [template for template in self._roster.by_index if template.short]
        for _ in range(MOST_AT_ONCE):
            heads = [(head, template) for template in open_templates if (head := template.short.head())]
            if not heads:
                return
            (_, owner), template = min(heads, key=lambda each: each[0])
            stock = template.stocks[owner]
            if self._lacking(stock, now) <= 0:
                template.short.drop(owner)
            elif self._starts.start(stock, now):
                template.short.drop(owner)
                self._put_in_line(stock)
            else:
                open_templates.remove(template)
        self._roster.timers.put(("refill", 0, ""), now)

    def ready(self, machine: Machine, now: float) -> None:
        """A start has come to its end: the machine is spare. Its twin is not needed any more."""
        template = machine.template
        template.breakers[machine.node_type].succeed()
        if machine.node is not None:
            machine.node.breaker.succeed()
        template.start_times.saw(now - machine.since)
        twin = machine.twin
        self._starts.leave(machine)
        if twin is not None:
            self.stop(twin, now)
        template.change(machine, State.SPARE, now)
        machine.stock.spares[machine.number] = machine
        if machine.workspace is not None:
            template.kept[machine.number] = machine

    def end(self, machine: Machine, reason: str, now: float) -> None:
        """A start that came to nothing, or a machine that is over.

        One that dies while nobody uses it would be replaced for ever: it counts as a failed start.
        """
        was_missed = machine.state in (State.STARTING, State.SPARE)
        if was_missed:
            self._starts.blame(machine, reason, now)
        self._detach(machine)
        self._remove(machine, now)
        if was_missed:
            self.replenish(machine.stock, now)
        self.refill(now)

    def stop(self, machine: Machine, now: float) -> None:
        """Takes it out of every index and has it stopped. Idempotent."""
        if machine.state is State.STOPPING:
            return
        self._detach(machine)
        machine.template.change(machine, State.STOPPING, now)
        self._roster.out.append(Stop(machine.number))

    def discard(self, machine: Machine, now: float) -> None:
        """Stops a machine that was still wanted: another one is started for it."""
        is_missed = machine.state in (State.STARTING, State.SPARE)
        self.stop(machine, now)
        if is_missed:
            self.replenish(machine.stock, now)

    def take(self, machine: Machine, now: float) -> None:
        """A spare leaves its stock, to serve."""
        stock, template = machine.stock, machine.template
        del stock.spares[machine.number]
        template.kept.pop(machine.number, None)
        template.change(machine, State.SERVING, now)
        if template.config.quiet_seconds and now >= stock.quiet_until:
            stock.quiet_until = now + template.config.quiet_seconds
            self._roster.timers.put(("quiet", template.index, stock.owner), stock.quiet_until)
        self.watch(stock, now)

    def watch(self, stock: Stock, now: float) -> None:
        """Keeps a timer while the stock has spares that may become too many, or nothing at all."""
        timers, timer = self._roster.timers, ("stock", stock.template.index, stock.owner)
        if len(stock.spares) <= stock.least and stock.owner == ANYBODY:
            timers.drop(timer)
        elif timer not in timers:
            since = next(iter(stock.spares.values())).since if stock.spares else now
            timers.put(timer, since + stock.template.config.idle_seconds)

    def sweep(self, stock: Stock, now: float) -> None:
        """Ends spares that nobody asked for in `idle_seconds` and that no forecast wants; looks again while some are
        left. A workspace's own stock that is empty is forgotten."""
        template = stock.template
        looks_again = self._end_idle(stock, now)
        if stock.owner != ANYBODY and stock.is_empty:
            del template.stocks[stock.owner]
            template.short.drop(stock.owner)
        elif stock.owner != ANYBODY or len(stock.spares) > stock.least:
            self._roster.timers.put(("stock", template.index, stock.owner), looks_again)

    def make_room(self, template: Template, now: float) -> None:
        """What a workspace keeps unused ends when another one waits and could get none: not before one could start."""
        states = template.states
        if not template.waiting:
            return
        if template.retry_at > now:
            self._roster.timers.put(("room", template.index, ""), template.retry_at)
            return
        while template.kept and template.waiting.demand > states[State.STARTING] + states[State.STOPPING]:
            self.stop(next(iter(template.kept.values())), now)
        if not template.is_full and not states[State.STARTING]:
            self._reclaim(template, now)

    def _put_in_line(self, stock: Stock) -> None:
        """Who has somebody waiting goes first, then in turn. What is in line already keeps its turn."""
        short, urgency = stock.template.short, 0 if stock.is_urgent else 1
        rank = short.rank(stock.owner)
        if rank is None or rank[0] != urgency:
            short.put(stock.owner, (urgency, next(self._roster.turns)))

    def _lacking(self, stock: Stock, now: float) -> int:
        """Nothing is started for a workspace that has spent its budget; what it keeps unused is too much."""
        if stock.owner != ANYBODY and self._roster.ledger.wait_seconds(stock.owner, now):
            return -len(stock.spares)
        return stock.lacking(now)

    def _end_idle(self, stock: Stock, now: float) -> float:
        """Stops what is too much and has idled long enough; tells when to look again."""
        idle_seconds = stock.template.config.idle_seconds
        surplus = -self._lacking(stock, now)
        for machine in list(islice(stock.spares.values(), min(max(surplus, 0), MOST_AT_ONCE))):
            if machine.since + idle_seconds > now:
                return machine.since + idle_seconds
            self.stop(machine, now)
        return now if surplus > MOST_AT_ONCE else now + idle_seconds / LOOKS_PER_IDLE_TIME

    def _reclaim(self, template: Template, now: float) -> None:
        """Nodes are full: where nobody uses a machine, of whatever template, it ends for one who waits."""
        placed = [each for each in self._roster.by_index if each.is_placed]
        if any(each.states[State.STOPPING] for each in placed):
            return
        idle = [machine for each in placed if (machine := each.longest_idle()) and machine.node]
        if idle:
            self.stop(min(idle, key=lambda machine: machine.since), now)

    def _detach(self, machine: Machine) -> None:
        """Takes it out of the indexes of its state."""
        template, number = machine.template, machine.number
        match machine.state:
            case State.STARTING:
                self._starts.leave(machine)
            case State.SPARE:
                del machine.stock.spares[number]
                template.kept.pop(number, None)
            case State.SERVING:
                template.kept.pop(number, None)
                self._roster.timers.drop(("idle", number, ""))
                machine.serves.hide(machine)

    def _remove(self, machine: Machine, now: float) -> None:
        """Nothing is left of it: its room, its leases and its account are."""
        roster = self._roster
        del roster.machines[machine.number]
        machine.template.remove(machine)
        for principal in machine.principals:
            assert machine.workspace is not None, "a lease binds a machine"
            machine.serves.waiting.give_back(machine.workspace, principal)
        if machine.workspace is not None:
            roster.ledger.end(machine.workspace, machine, now)
            if machine.node is not None:
                machine.node.house(machine.workspace, -1)
        roster.nodes.remove(machine, now)
