"""Any history of events keeps the fleet's invariants: each instruction is judged by a model that scans everything."""

import random

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from compute.config import PoolConfig
from compute.events import Priority
from tests.properties.fleet.scene import CONFIG, PLACED, SCARCE, WANTS, Scene

NODES = st.tuples(st.sampled_from(PLACED), st.integers(0, 2))


class FleetHistory(RuleBasedStateMachine):
    """Short histories, which shrink to what matters."""

    def __init__(self) -> None:
        super().__init__()
        self.scene = Scene()

    @rule(
        key=st.sampled_from(WANTS),
        workspace=st.sampled_from("ABCD"),
        who=st.sampled_from("xyz"),
        priority=st.sampled_from(Priority),
    )
    def want(self, key: tuple[str, str], workspace: str, who: str, priority: Priority) -> None:
        self.scene.want(key, workspace, who, priority)

    @precondition(lambda self: self.scene.witness.waiting)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        self.scene.withdraw(data.draw(st.sampled_from(sorted(self.scene.witness.waiting))))

    @precondition(lambda self: self.scene.starting())
    @rule(data=st.data(), works=st.booleans())
    def end_start(self, data: st.DataObject, works: bool) -> None:
        self.scene.end_start(data.draw(st.sampled_from(self.scene.starting())), works)

    @precondition(lambda self: self.scene.up())
    @rule(data=st.data())
    def end_machine(self, data: st.DataObject) -> None:
        self.scene.end(data.draw(st.sampled_from(self.scene.up())))

    @precondition(lambda self: self.scene.up())
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        self.scene.leave(data.draw(st.sampled_from(self.scene.up())))

    @precondition(lambda self: self.scene.leases())
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        self.scene.release(*data.draw(st.sampled_from(self.scene.leases())))

    @rule(node=NODES, machines=st.sampled_from([1, 2, 4]))
    def join(self, node: tuple[str, int], machines: int) -> None:
        self.scene.join(f"{node[0]}-{node[1]}", node[0], machines)

    @rule(node=NODES)
    def drain(self, node: tuple[str, int]) -> None:
        self.scene.drain(f"{node[0]}-{node[1]}")

    @rule(node=NODES)
    def lose(self, node: tuple[str, int]) -> None:
        self.scene.lose(f"{node[0]}-{node[1]}")

    @rule(seconds=st.sampled_from([0.125, 1.0, 11.0, 31.0]))
    def pass_time(self, seconds: float) -> None:
        self.scene.pass_time(seconds)

    @invariant()
    def holds(self) -> None:
        self.scene.check()

    def teardown(self) -> None:
        self.scene.rest()


TestFleetHistory = FleetHistory.TestCase
TestFleetHistory.settings = settings(max_examples=80, deadline=None)


@pytest.mark.parametrize("config", [CONFIG, SCARCE])
@settings(max_examples=12, deadline=None, phases=[Phase.generate])
@given(seed=st.integers(0, 2**32))
def test_long_histories(config: PoolConfig, seed: int) -> None:
    """Thousands of events, up to where full queues, spent budgets and lost nodes meet."""
    scene, chance = Scene(config), random.Random(seed)
    for _ in range(2500):
        scene.step(chance)
        scene.check()
    scene.rest()
