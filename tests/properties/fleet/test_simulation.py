"""Minutes of the simulated day, the tenfold spike among them: the target is met, and every bound is kept on the way."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.simulation.fleet import PREDICTED, simulate
from benchmarks.simulation.hardware import Hardware, NodeGroup, Wave
from benchmarks.simulation.pages import plots, write_pages
from benchmarks.simulation.plots import Run
from benchmarks.simulation.record import Record
from benchmarks.simulation.workload import Demand, arrivals
from compute.events import (
    Ended,
    Event,
    Failed,
    Grant,
    Instruction,
    NodeDraining,
    NodeJoined,
    NodeLost,
    Refusal,
    Refuse,
    Released,
    Start,
    Wanted,
)

TARGET = 0.99
DEMAND = Demand(hours=0.1, first_hour=14.95, peak_rate=40.0, tenants=1000, budget_share=0.2)
HARDWARE = Hardware(
    (NodeGroup("spot", 1500, spot=True), NodeGroup("on-demand", 800), NodeGroup("metal", 50, 160 << 30, 96.0, 38)),
    interruptions=1.0,
    drains=1.0,
    losses=0.02,
    pressures=1.0,
    wave=Wave(DEMAND.first_hour, 0.1, 300.0),
)
ENGINES = {engine.engine: engine for engine in PREDICTED.engines}


class Guard:
    """Counts as events pass: bounds, room on nodes, one lease and one workspace a machine."""

    def __init__(self) -> None:
        self.machines: dict[int, Start] = {}
        self.totals: Counter[str] = Counter()
        self.nodes: dict[str, NodeJoined] = {}
        self.placed: defaultdict[str, set[int]] = defaultdict(set)
        self.wanted: dict[int, Wanted] = {}
        self.workspaces: dict[int, str] = {}
        self.leases: Counter[int] = Counter()
        self.answers: Counter[int] = Counter()

    def watch(self, event: Event, instructions: Sequence[Instruction], _now: float) -> None:
        self._note(event)
        for instruction in instructions:
            if isinstance(instruction, Start):
                self._start(instruction)
            elif isinstance(instruction, Grant):
                self._grant(instruction)
            elif isinstance(instruction, Refuse):
                del self.wanted[instruction.request]

    def _note(self, event: Event) -> None:
        match event:
            case Wanted(request):
                self.wanted[request] = event
            case NodeJoined(name):
                self.nodes[name] = event
            case NodeDraining(name) | NodeLost(name):
                self.nodes.pop(name, None)
            case Released(number) if number in self.machines:
                self.leases[number] -= 1
            case Failed(number) | Ended(number):
                self._end(self.machines.pop(number))

    def _start(self, start: Start) -> None:
        config = ENGINES[start.engine]
        self.machines[start.machine] = start
        self.placed[start.node or ""].add(start.machine)
        self.totals[start.engine] += 1
        assert self.totals[start.engine] <= config.max_machines
        assert start.node is not None
        self._check_room(self.nodes[start.node], self.placed[start.node])

    def _end(self, start: Start) -> None:
        self.answers[start.machine] += 1
        assert self.answers[start.machine] == 1
        self.totals[start.engine] -= 1
        self.placed[start.node or ""].discard(start.machine)

    def _check_room(self, node: NodeJoined, machines: set[int]) -> None:
        """A node that takes machines again has room for those that it has kept, too."""
        configs = [ENGINES[self.machines[number].engine] for number in machines]
        assert sum(each.memory_bytes for each in configs) <= node.memory_bytes
        assert sum(each.threads for each in configs) <= node.cpus
        assert node.most_machines is None or len(machines) <= node.most_machines

    def _grant(self, grant: Grant) -> None:
        wanted, start = self.wanted.pop(grant.request), self.machines[grant.machine]
        assert start.engine == wanted.engine
        is_first = grant.machine not in self.workspaces
        assert self.workspaces.setdefault(grant.machine, wanted.workspace) == wanted.workspace
        assert is_first or ENGINES[start.engine].mode == "shared", "a user's machine serves one lease"
        self.leases[grant.machine] += 1
        assert self.leases[grant.machine] <= ENGINES[start.engine].leases_per_machine


@pytest.mark.slow
def test_the_spike_is_served_in_time() -> None:
    guard = Guard()
    record = simulate(PREDICTED, DEMAND, HARDWARE, guard.watch)
    assert max(each.asked / each.seconds for each in record.timeline) > 5 * DEMAND.rate(0.0)
    assert record.share_within(1.0) >= TARGET
    whole = record.whole()
    assert set(whole.refused) == {Refusal.BUDGET}, "nobody else was refused"
    assert whole.ended > 0, "spent budgets ended leases"
    assert whole.moved > 0, "nodes were interrupted"
    assert whole.lost > 0, "nodes were lost"
    assert record.told > 0, "who waited heard of his place"
    assert not guard.wanted, "everybody was served"
    assert not guard.machines, "and every machine is over"


def test_the_same_seed_gives_the_same_history() -> None:
    demand = replace(DEMAND, hours=0.01, tenants=50)
    first, second = (simulate(PREDICTED, demand, HARDWARE) for _ in range(2))
    assert summary(first) == summary(second)


def test_a_run_becomes_a_page_with_plots(tmp_path: Path) -> None:
    demand = replace(DEMAND, hours=0.01, tenants=50)
    runs = {"predicted": Run(simulate(PREDICTED, demand, HARDWARE), demand.first_hour)}
    text = write_pages(tmp_path, "the command", demand, runs).read_text()
    assert "leases within 1 s" in text
    for name in plots(demand, runs):
        assert f"({name}.svg)" in text
        assert "<svg" in (tmp_path / f"{name}.svg").read_text()


def summary(record: Record) -> tuple[object, ...]:
    return record.events, record.instructions, record.whole(), record.told


def test_the_demand_has_the_published_shape() -> None:
    """Half of the peak hour's demand at the quietest; some tenants in bursts; most of it from the popular few."""
    day = Demand(peak_rate=1.0)
    assert day.rate(4 * 3600.0) == pytest.approx(0.5)
    assert day.rate(16 * 3600.0) == pytest.approx(1.0)
    assert day.rate(15 * 3600.0) == pytest.approx(10 * day.rate(14.999 * 3600.0), rel=0.01)
    asked = Counter(each.workspace for each in arrivals(Demand(hours=0.2, first_hour=12.0)))
    popular = sum(count for _, count in asked.most_common(round(0.186 * day.tenants)))
    assert popular / asked.total() == pytest.approx(0.996, abs=0.01)
