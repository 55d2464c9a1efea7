"""Starts: where a machine comes to be, on whose account, its hedge, and what follows when it fails.

Reference: Dean and Barroso, "The Tail at Scale", CACM 2013 (hedged requests, sent after the 95th percentile).
"""

from compute.config import NodeType
from compute.events import Start
from compute.fleet.machine import Machine, State
from compute.fleet.nodes import Node
from compute.fleet.roster import Roster
from compute.fleet.stock import ANYBODY, Stock
from compute.fleet.template import Template

HEDGED_SHARE = 20
"""One start in so many may be hedged at a time, at least one: when all are slow, more would make them slower."""
LEAST_LATE_SECONDS = 0.01
"""No start is late sooner, however fast the last ones were."""


class Starts:
    """Orders machines, and keeps what is said of those that start."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster

    def start(self, stock: Stock, now: float, twin: Machine | None = None) -> bool:
        """Starts one machine, unless there is no room or breakers are open."""
        roster, template = self._roster, stock.template
        if template.is_full:
            return False
        workspace = None if stock.owner == ANYBODY else stock.owner
        place = self._place(template, workspace, now, None if twin is None else twin.node)
        if place is None:
            return False
        node_type, node = place
        machine = Machine(
            next(roster.numbers), template, stock, State.STARTING, now, node_type.name, node, workspace, template
        )
        roster.machines[machine.number] = machine
        template.add(machine)
        if node is not None:
            roster.nodes.put(machine, node)
        self.bind(machine, workspace, now)
        self._enter(machine, twin, now)
        node_name = None if node is None else node.name
        config = template.config
        late = None if twin is None else twin.number
        roster.out.append(Start(machine.number, config.engine, config.size, node_type.name, node_name, workspace, late))
        return True

    def hedge(self, machine: Machine, now: float) -> None:
        """A start that is late gets a second one, on another node, if somebody waits for it. One that may not have it
        now (too many have theirs, there is no room, nobody waits) may once a start's time has passed again."""
        template = machine.template
        most = max(1, template.states[State.STARTING] // HEDGED_SHARE)
        is_wanted = machine.stock.demand and machine.twin is None and template.hedges < most
        if not (is_wanted and self.start(machine.stock, now, twin=machine)):
            self._hedge_later(machine, now)

    def bind(self, machine: Machine, workspace: str | None, now: float) -> None:
        """From now on the machine is the workspace's, and on its account."""
        machine.workspace = workspace
        if workspace is None:
            return
        self._roster.ledger.begin(workspace, machine, now)
        if machine.node is not None:
            machine.node.house(workspace, 1)

    def leave(self, machine: Machine) -> None:
        """It starts no longer. A hedge left alone by its twin becomes the start that is waited for."""
        self._roster.timers.drop(("hedge", machine.number, ""))
        twin, machine.twin = machine.twin, None
        if machine.is_hedge:
            machine.template.hedges -= 1
            machine.is_hedge = False
        else:
            machine.stock.starting -= 1
            if twin is not None:
                twin.is_hedge = False
                machine.template.hedges -= 1
                machine.stock.starting += 1
        if twin is not None:
            twin.twin = None

    def blame(self, machine: Machine, reason: str, now: float) -> None:
        """A start failed: nothing is started there for a while, on the node or (after some more) on its type."""
        machine.template.breakers[machine.node_type].fail(reason, now)
        if machine.node is not None and not machine.node.leaving:
            machine.node.breaker.fail(reason, now)
            self._roster.nodes.close(machine.node)
            self._roster.timers.put(("node", 0, machine.node.name), machine.node.breaker.retry_at)

    def _enter(self, machine: Machine, twin: Machine | None, now: float) -> None:
        template = machine.template
        if twin is not None:
            machine.twin, twin.twin = twin, machine
            machine.is_hedge = True
            template.hedges += 1
            return
        machine.stock.starting += 1
        if template.config.hedged and template.start_times.known:
            self._hedge_later(machine, now)

    def _hedge_later(self, machine: Machine, now: float) -> None:
        wait = max(machine.template.start_times.p95, LEAST_LATE_SECONDS)
        self._roster.timers.put(("hedge", machine.number, ""), now + wait)

    def _place(
        self, template: Template, workspace: str | None, now: float, avoid: Node | None
    ) -> tuple[NodeType, Node | None] | None:
        """Node type by preference, node by best fit. Where breakers stand in the way, a timer tells when to retry."""
        retry_at = []
        room = template.config.room
        for node_type in template.preferred():
            breaker = template.breakers[node_type.name]
            if breaker.is_open(now):
                retry_at.append(breaker.retry_at)
            elif not node_type.placed:
                return node_type, None
            elif node := self._roster.nodes.best_fit(node_type.name, room, workspace, avoid):
                return node_type, node
        if retry_at:
            self._roster.timers.put(("refill", template.index + 1, ""), min(retry_at))
        return None
