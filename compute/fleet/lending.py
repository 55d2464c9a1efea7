"""Who gets which machine: requests that are granted, wait or are refused, and leases that come back."""

from compute.events import Grant, Place, Refusal, Refuse, Wanted
from compute.fleet.machine import Machine, State
from compute.fleet.roster import Roster
from compute.fleet.starts import Starts
from compute.fleet.stock import ANYBODY, Stock
from compute.fleet.supply import Supply
from compute.fleet.template import Template


class Lending:
    """Between events nobody waits beside a machine that could serve him: each machine is offered once it can."""

    def __init__(self, roster: Roster, starts: Starts, supply: Supply) -> None:
        self._roster = roster
        self._starts = starts
        self._supply = supply

    def want(self, request: Wanted, now: float) -> None:
        """Grants it, has it wait, or refuses it."""
        template = self._roster.templates.get((request.engine, request.size))
        assert template is not None, "the pool knows its engines and sizes"
        if request.deadline <= now:
            self._refuse(request, Refusal.LATE)
        elif seconds := self._roster.ledger.wait_seconds(request.workspace, now):
            self._refuse_spent(request, seconds)
        elif (reason := template.gives_up(now)) is not None:
            self._refuse(request, Refusal.FAILING, reason)
        elif (slot := self._open_machine(template, request.workspace)) is not None:
            self._lend(slot, request, template, now)
        else:
            self._want_machine(request, template, now)

    def withdraw(self, number: int, now: float) -> None:
        """Who waited has gone, or is told to go."""
        template = self._roster.requests.pop(number, None)
        if template is not None:
            template.waiting.remove(number)
            self._roster.timers.drop(("deadline", number, ""))

    def place(self, number: int) -> Place | None:
        """Where a request stands; None where it does not wait."""
        template = self._roster.requests.get(number)
        if template is None:
            return None
        request = template.waiting.find(number)
        before = template.waiting.before(request)
        coming = template.stock_for(request.workspace).starting * template.config.leases_per_machine
        return Place(before, starting=before < coming)

    def expire(self, number: int, now: float) -> None:
        """His time is over."""
        if number in self._roster.requests:
            self.withdraw(number, now)
            self._roster.out.append(Refuse(number, Refusal.LATE))

    def give_up(self, template: Template, now: float) -> None:
        """Tells all who wait, if machines do not start."""
        reason = template.gives_up(now)
        if reason is None:
            return
        for number in template.waiting.numbers():
            self.withdraw(number, now)
            self._roster.out.append(Refuse(number, Refusal.FAILING, reason))

    def refuse_spent(self, workspace: str, now: float) -> None:
        """Tells all who wait, if the workspace has spent its budget."""
        seconds = self._roster.ledger.wait_seconds(workspace, now)
        for template in self._roster.by_index if seconds else ():
            while (request := template.waiting.oldest(workspace)) is not None:
                self.withdraw(request.request, now)
                self._refuse_spent(request, seconds)

    def offer(self, machine: Machine, now: float) -> None:
        """Lends a machine to those whose turn it is, as far as it goes."""
        while not machine.leaving and self._has_room(machine):
            template = self._next_queue(machine)
            is_scarce = template.stock_for(machine.workspace or ANYBODY).is_urgent
            choose = template.waiting.fairest if is_scarce else template.waiting.oldest
            request = choose(machine.workspace)
            if request is None:
                return
            seconds = self._roster.ledger.wait_seconds(request.workspace, now)
            if is_scarce and not seconds:
                template.waiting.pass_turn(machine.workspace)
            self.withdraw(request.request, now)
            if seconds:
                self._refuse_spent(request, seconds)
            else:
                self._lend(machine, request, template, now)

    def release(self, machine: Machine, principal: str, now: float) -> None:
        """A lease has come back; the machine ends, serves on or idles."""
        if principal not in machine.principals or machine.workspace is None:
            return
        machine.principals.remove(principal)
        machine.serves.waiting.give_back(machine.workspace, principal)
        if machine.state is not State.SERVING:
            return
        if machine.template.config.mode == "user" or (machine.leaving and not machine.principals):
            self._supply.stop(machine, now)
        elif not machine.leaving:
            machine.since = now
            machine.serves.show(machine)
            self.offer(machine, now)
            self._idle(machine, now)

    def _next_queue(self, machine: Machine) -> Template:
        """The template whose requests have the next claim on it: its own before smaller ones."""
        if machine.state is State.SERVING:
            return machine.serves
        own = machine.template
        return next((each for each in own.customers if each.waiting.has(machine.workspace)), own)

    def _want_machine(self, request: Wanted, template: Template, now: float) -> None:
        """A spare, its own or a larger one; else it waits while one is started for it."""
        stock = template.stock_for(request.workspace)
        stock.observe(now)
        source = self._stock_with_spare(template, request.workspace)
        if source is not None:
            self._lend(source.choose(request.workspace), request, template, now)
            if source is not stock:
                self._supply.replenish(source, now)
        elif self._makes_way(request, template, now):
            template.waiting.add(request)
            self._roster.requests[request.request] = template
            self._roster.timers.put(("deadline", request.request, ""), request.deadline)
        else:
            self._refuse(request, Refusal.FULL)
        self._supply.replenish(stock, now)
        self._supply.watch(stock, now)

    def _makes_way(self, request: Wanted, template: Template, now: float) -> bool:
        """Whether the queue takes it. A full one does if another workspace has more in it, and loses its newest."""
        if len(template.waiting) < self._roster.config.max_waiting:
            return True
        pushed_out = template.waiting.most_crowding(request.workspace)
        if pushed_out is None:
            return False
        self.withdraw(pushed_out.request, now)
        self._refuse(pushed_out, Refusal.FULL)
        return True

    def _lend(self, machine: Machine, request: Wanted, template: Template, now: float) -> None:
        if machine.state is State.SPARE:
            self._supply.take(machine, now)
            machine.serves = template
            if machine.workspace is None:
                self._starts.bind(machine, request.workspace, now)
        elif not machine.principals:
            machine.template.kept.pop(machine.number, None)
            self._roster.timers.drop(("idle", machine.number, ""))
        machine.principals.append(request.principal)
        template.waiting.lend(request.workspace, request.principal)
        if self._has_room(machine):
            template.show(machine)
        else:
            template.hide(machine)
        self._roster.out.append(Grant(request.request, machine.number))

    def _idle(self, machine: Machine, now: float) -> None:
        """A shared machine without leases is kept for its workspace for a while, unless others need the room."""
        if machine.principals or machine.state is not State.SERVING:
            return
        template = machine.template
        template.kept[machine.number] = machine
        self._roster.timers.put(("idle", machine.number, ""), now + template.config.idle_seconds)
        if template.short:
            self._supply.make_room(template, now)

    def _has_room(self, machine: Machine) -> bool:
        return len(machine.principals) < machine.template.config.leases_per_machine

    def _open_machine(self, template: Template, workspace: str) -> Machine | None:
        """The longest serving one that has a lease to spare, so that the others come to idle."""
        machines = template.open.get(workspace)
        return next(iter(machines.values())) if machines else None

    def _stock_with_spare(self, template: Template, workspace: str) -> Stock | None:
        for supplier in template.suppliers:
            stock = supplier.stock_for(workspace)
            if stock.spares:
                return stock
        return None

    def _refuse(self, request: Wanted, refusal: Refusal, reason: str = "") -> None:
        self._roster.out.append(Refuse(request.request, refusal, reason))

    def _refuse_spent(self, request: Wanted, seconds: float) -> None:
        self._refuse(request, Refusal.BUDGET, f"the budget of workspace {request.workspace} renews in {seconds:.0f} s")
