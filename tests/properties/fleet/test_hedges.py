"""Starts that are late, and those that stand by them."""

from dataclasses import replace

from compute.config import PoolConfig
from compute.events import Ended, Grant, Ready, Released, Start, Stop, Tick, Wanted
from compute.fleet import Fleet
from tests.properties.fleet.test_cases import COLD, settled


def hedging() -> Fleet:
    """One whose starts have taken half a second each."""
    fleet = Fleet(PoolConfig((replace(COLD, hedged=True, max_machines=100),)))
    for number in range(1, 17):
        settled(fleet, Wanted(number, "duckdb", "w", "p", 99.0), number)
        settled(fleet, Ready(number), number + 0.5)
        settled(fleet, Released(number, "p"), number + 0.5)
        settled(fleet, Ended(number), number + 0.5)
    return fleet


def test_a_late_start_is_hedged_once_and_the_loser_stopped() -> None:
    fleet = hedging()
    assert settled(fleet, Wanted(17, "duckdb", "w", "p", 99.0), 20.0) == [Start(17, "duckdb")]
    assert fleet.wake_at() == 20.5
    assert settled(fleet, Tick(), 20.5) == [Start(18, "duckdb", hedges=17)]
    assert fleet.wake_at() == 99.0
    assert settled(fleet, Ready(18), 21.0) == [Stop(17), Grant(17, 18)]
    assert settled(fleet, Ended(17), 22.0) == []


def test_a_late_start_that_may_not_be_hedged_yet_is_hedged_later() -> None:
    """Few have a hedge at a time."""
    fleet = hedging()
    settled(fleet, Wanted(17, "duckdb", "w", "p", 99.0), 20.0)
    settled(fleet, Wanted(18, "duckdb", "w", "p", 99.0), 20.0)
    assert settled(fleet, Tick(), 20.5) == [Start(19, "duckdb", hedges=17)]
    assert fleet.wake_at() == 21.0
    assert settled(fleet, Tick(), 21.0) == []
    settled(fleet, Ready(17), 21.25)
    assert fleet.wake_at() == 21.5
    assert settled(fleet, Tick(), 21.5) == [Start(20, "duckdb", hedges=18)]
    assert settled(fleet, Ready(20), 22.0) == [Stop(18), Grant(18, 20)]
