"""What becomes of a workspace's machines when its budget is spent."""

from math import inf

import pytest

from compute.config import Budget, EngineConfig, PoolConfig, WorkspacePolicy
from compute.events import Ended, Grant, Move, Ready, Refusal, Refuse, Released, Start, Stop, Tick, Wanted
from compute.fleet import Fleet
from tests.properties.fleet.test_cases import COLD, settled


def test_a_spent_budget_refuses_until_its_window_is_over() -> None:
    policies = {"w": WorkspacePolicy(budget=Budget(100.0, 3600.0))}
    fleet = Fleet(PoolConfig((COLD,), workspaces=policies))
    settled(fleet, Wanted(1, "duckdb", "w", "p", 99.0))
    assert settled(fleet, Ready(1), 1.0) == [Grant(1, 1)]
    assert settled(fleet, Wanted(2, "duckdb", "w", "p", 999.0), 100.0) == [Start(2, "duckdb")]
    refused = Refuse(2, Refusal.BUDGET, "the budget of workspace w renews in 3498 s")
    assert settled(fleet, Ready(2), 102.0) == [refused, Move(1, inf)]
    assert settled(fleet, Wanted(3, "duckdb", "other", "p", 999.0), 103.0) == [Grant(3, 2)]
    settled(fleet, Released(1, "p"), 103.0)
    settled(fleet, Ended(1), 103.0)
    assert settled(fleet, Wanted(4, "duckdb", "w", "p", 9999.0), 3601.0) == [Start(3, "duckdb")]


def test_a_budget_ends_leases_when_it_is_spent() -> None:
    """Two machines at work and one that idles spend it together; what runs ends, what idles ends at once."""
    shared = EngineConfig("duckdb", "shared", warm_machines=0, idle_seconds=500.0)
    fleet = Fleet(PoolConfig((shared,), workspaces={"w": WorkspacePolicy(budget=Budget(100.0, 3600.0))}))
    for number in (1, 2, 3):
        settled(fleet, Wanted(number, "duckdb", "w", "p", 9999.0))
        assert settled(fleet, Ready(number)) == [Grant(number, number)]
    settled(fleet, Released(3, "p"), 10.0)
    spent_at = fleet.wake_at()
    assert spent_at is not None
    assert spent_at == pytest.approx(100.0 / 3)
    assert settled(fleet, Tick(), spent_at) == [Move(1, inf), Move(2, inf), Stop(3)]
    assert isinstance(settled(fleet, Wanted(4, "duckdb", "w", "p", 9999.0), spent_at)[0], Refuse)
    settled(fleet, Ended(3), spent_at)
    assert fleet.wake_at() is None, "both machines end with what runs, however long that takes"
    assert settled(fleet, Released(1, "p"), 60.0) == [Stop(1)]
    assert settled(fleet, Wanted(5, "duckdb", "w", "p", 9999.0), 3600.0) == [Start(4, "duckdb")], "not on the one left"


def test_a_budget_that_a_window_cannot_exhaust_wakes_nobody() -> None:
    fleet = Fleet(PoolConfig((COLD,), workspaces={"w": WorkspacePolicy(budget=Budget(100.0, 60.0))}))
    settled(fleet, Wanted(1, "duckdb", "w", "p", 99.0))
    settled(fleet, Ready(1))
    assert fleet.wake_at() is None
    settled(fleet, Wanted(2, "duckdb", "w", "p", 99.0), 50.0)
    assert settled(fleet, Ready(2), 50.0) == [Grant(2, 2)]
    assert fleet.wake_at() == 110.0, "of the window after this one"
    assert settled(fleet, Tick(), 110.0) == [Move(1, inf), Move(2, inf)]
