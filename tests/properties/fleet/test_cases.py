"""What the fleet does in the cases that matter most, one by one."""

from dataclasses import replace

from compute.config import GIB, EngineConfig, NodeType, PoolConfig, WorkspacePolicy
from compute.events import (
    Ended,
    Event,
    Failed,
    Grant,
    Leaving,
    Move,
    NodeDraining,
    NodeJoined,
    NodeLost,
    Place,
    Priority,
    Ready,
    Refusal,
    Refuse,
    Released,
    Start,
    Stop,
    Tick,
    Wanted,
    Withdrawn,
)
from compute.fleet import Fleet
from compute.fleet.forecast import poisson_quantile

SPOT, ON_DEMAND = NodeType("spot", spot=True, placed=True), NodeType("on-demand", placed=True)
COLD = EngineConfig("duckdb", "user", warm_machines=0)


def settled(fleet: Fleet, event: Event, now: float = 0.0) -> list[object]:
    return list(fleet.handle(event, now))


def test_scale_to_zero() -> None:
    fleet = Fleet(PoolConfig((COLD,)))
    assert settled(fleet, Tick()) == []
    assert settled(fleet, Wanted(1, "duckdb", "w", "p", 9.0)) == [Start(1, "duckdb")]
    assert settled(fleet, Ready(1)) == [Grant(1, 1)]
    assert settled(fleet, Released(1, "p")) == [Stop(1)]
    assert settled(fleet, Ended(1)) == []
    assert fleet.wake_at() is None


def test_who_waits_has_a_place() -> None:
    """Behind who came before him and is no less urgent; a machine is starting for him, or all are in use."""
    fleet = Fleet(PoolConfig((replace(COLD, max_machines=1),)))
    settled(fleet, Wanted(1, "duckdb", "w", "p", 99.0))
    assert fleet.place(1) == Place(0, starting=True)
    settled(fleet, Wanted(2, "duckdb", "w", "p", 99.0, priority=Priority.BATCH))
    settled(fleet, Wanted(3, "duckdb", "w", "p", 99.0))
    assert [fleet.place(number) for number in (2, 3)] == [Place(2, starting=False), Place(1, starting=False)]
    settled(fleet, Ready(1))
    assert [fleet.place(number) for number in (1, 3, 2)] == [None, Place(0, starting=False), Place(1, starting=False)]
    settled(fleet, Withdrawn(3))
    assert [fleet.place(number) for number in (3, 2)] == [None, Place(0, starting=False)]


def test_one_start_serves_as_many_as_a_machine_has_leases() -> None:
    config = EngineConfig("spark", "shared", warm_machines=0, max_machines=1, leases_per_machine=2)
    fleet = Fleet(PoolConfig((config,)))
    for number in range(3):
        settled(fleet, Wanted(number, "spark", "w", "p", 99.0))
    assert [fleet.place(number) for number in range(3)] == [Place(0, True), Place(1, True), Place(2, False)]


def test_the_principal_with_fewest_leases_goes_first() -> None:
    fleet = Fleet(PoolConfig((replace(COLD, max_machines=2),)))
    for request, who in enumerate(["greedy", "greedy", "greedy", "modest"], start=1):
        settled(fleet, Wanted(request, "duckdb", "w", who, 99.0))
    assert settled(fleet, Ready(1)) == [Grant(1, 1)]
    assert settled(fleet, Ready(2)) == [Grant(4, 2)]


def test_failing_starts_open_the_breaker_and_the_waiting_are_told() -> None:
    fleet = Fleet(PoolConfig((COLD,)))
    assert settled(fleet, Wanted(1, "duckdb", "w", "p", 99.0)) == [Start(1, "duckdb")]
    assert settled(fleet, Failed(1, "broken")) == []
    assert fleet.wake_at() == 0.2
    assert settled(fleet, Tick(), 0.2) == [Start(2, "duckdb")]
    assert settled(fleet, Failed(2, "broken"), 0.2) == []
    assert settled(fleet, Tick(), 0.7) == [Start(3, "duckdb")]
    [refused] = settled(fleet, Failed(3, "broken"), 0.7)
    assert isinstance(refused, Refuse)
    assert refused.reason == "broken"


def test_what_has_ended_is_not_stopped() -> None:
    fleet = Fleet(PoolConfig((replace(COLD, warm_machines=1, idle_seconds=10.0),)))
    settled(fleet, Tick())
    settled(fleet, Wanted(1, "duckdb", "w", "p", 99.0))
    settled(fleet, Withdrawn(1))
    settled(fleet, Ready(1))
    settled(fleet, Ready(2), 11.0)
    assert settled(fleet, Ended(1), 11.0) == []


def test_the_next_warm_machine_starts_once_the_last_one_has_had_quiet_but_for_who_waits() -> None:
    spark = EngineConfig("spark", "shared", warm_machines=1, max_machines=3, quiet_seconds=8.0)
    fleet = Fleet(PoolConfig((spark,)))
    assert settled(fleet, Tick()) == [Start(1, "spark")]
    assert settled(fleet, Ready(1)) == []
    assert settled(fleet, Wanted(1, "spark", "A", "p", 99.0), 10.0) == [Grant(1, 1)]
    assert fleet.wake_at() == 18.0
    assert settled(fleet, Wanted(2, "spark", "B", "p", 99.0), 12.0) == [Start(2, "spark")]
    assert settled(fleet, Ready(2), 14.0) == [Grant(2, 2)]
    assert settled(fleet, Tick(), 18.0) == [Start(3, "spark")]


def test_who_waits_comes_before_what_stands_by_where_one_starts_at_a_time() -> None:
    spark = EngineConfig("spark", "shared", warm_machines=1, max_machines=2, most_starting=1)
    fleet = Fleet(PoolConfig((spark,)))
    assert settled(fleet, Tick()) == [Start(1, "spark")]
    assert settled(fleet, Wanted(1, "spark", "A", "p", 99.0)) == []
    assert settled(fleet, Ready(1)) == [Grant(1, 1), Start(2, "spark")]
    settled(fleet, Ready(2))
    assert settled(fleet, Ended(1)) == []
    assert settled(fleet, Wanted(2, "spark", "A", "p", 99.0)) == [Grant(2, 2), Start(3, "spark")]


def test_an_idle_shared_machine_makes_room_for_another_workspace() -> None:
    fleet = Fleet(PoolConfig((EngineConfig("spark", "shared", warm_machines=0, max_machines=1),)))
    settled(fleet, Wanted(1, "spark", "A", "p", 99.0))
    settled(fleet, Ready(1))
    assert settled(fleet, Released(1, "p")) == []
    assert settled(fleet, Wanted(2, "spark", "A", "p", 99.0)) == [Grant(2, 1)]
    settled(fleet, Released(1, "p"))
    assert settled(fleet, Wanted(3, "spark", "B", "p", 99.0)) == [Stop(1)]
    assert settled(fleet, Ended(1)) == [Start(2, "spark")]


def test_a_machine_makes_room_once_some_node_type_takes_another() -> None:
    config = EngineConfig("spark", "shared", warm_machines=0, max_machines=1, node_types=("spot", "hired"))
    fleet = Fleet(PoolConfig((config,), node_types=(NodeType("spot", spot=True), NodeType("hired"))))
    assert settled(fleet, Wanted(1, "spark", "A", "p", 99.0)) == [Start(1, "spark", "", "spot")]
    assert settled(fleet, Failed(1, "no capacity")) == [Start(2, "spark", "", "hired")]
    settled(fleet, Ready(2))
    settled(fleet, Released(2, "p"))
    assert settled(fleet, Wanted(2, "spark", "B", "p", 99.0)) == [Stop(2)], "one of two pauses"
    assert settled(fleet, Ended(2)) == [Start(3, "spark", "", "hired")]


def test_machines_that_die_together_count_as_one_failure() -> None:
    fleet = Fleet(PoolConfig((EngineConfig("duckdb", "user", warm_machines=4),)))
    settled(fleet, Tick())
    for number in range(1, 5):
        settled(fleet, Ready(number))
    for number in range(1, 5):
        assert settled(fleet, Ended(number)) == []
    assert settled(fleet, Wanted(1, "duckdb", "w", "p", 99.0)) == []
    assert settled(fleet, Tick(), 0.2) == [Start(number, "duckdb") for number in range(5, 10)]


def placed(*engines: EngineConfig) -> Fleet:
    """A fleet with two node types, spot first, and no node yet."""
    chosen = tuple(replace(engine, node_types=("spot", "on-demand")) for engine in engines)
    fleet = Fleet(PoolConfig(chosen, node_types=(SPOT, ON_DEMAND)))
    settled(fleet, Tick())
    return fleet


def join(fleet: Fleet, name: str, machines: int) -> list[object]:
    return settled(fleet, NodeJoined(name, name.rpartition("-")[0], machines * GIB, machines * 2.0))


def test_the_forecast_is_a_quantile_of_the_demand_while_a_machine_starts() -> None:
    """Against the percentiles of Poisson's distribution, from tables."""
    assert [poisson_quantile(mean) for mean in (0.005, 1, 10, 90)] == [0, 4, 18, 113]


def test_demand_keeps_machines_warm_and_quiet_lets_them_go() -> None:
    fleet = Fleet(PoolConfig((replace(COLD, warm_limit=50, max_machines=100),)))
    now = 0.0
    for request in range(1, 201):
        now = request / 10
        said = settled(fleet, Wanted(request, "duckdb", "w", "p", now + 60), now)
        for start in [each for each in said if isinstance(each, Start)]:
            said += settled(fleet, Ready(start.machine), now + 0.05)
        [grant] = [each for each in said if isinstance(each, Grant)]
        settled(fleet, Released(grant.machine, "p"), now + 0.05)
        settled(fleet, Ended(grant.machine), now + 0.05)
    assert 3 < fleet.count("duckdb")["spare"] <= 50
    while (wake_at := fleet.wake_at()) is not None:
        for instruction in settled(fleet, Tick(), wake_at):
            assert isinstance(instruction, Stop)
            settled(fleet, Ended(instruction.machine), wake_at)
    assert not fleet.count("duckdb")


def test_a_day_of_keep_alives_costs_nothing() -> None:
    """Sessions that run no statement ask the fleet for nothing: no machine, and no moment at which to wake."""
    fleet = Fleet(PoolConfig((replace(COLD, warm_limit=50),)))
    settled(fleet, Tick())
    for minute in range(24 * 60):
        assert settled(fleet, Tick(), minute * 60.0) == []
        assert fleet.wake_at() is None
    assert not fleet.count("duckdb")


def test_leases_are_shared_by_weight() -> None:
    policies = {"heavy": WorkspacePolicy(weight=3.0)}
    fleet = Fleet(PoolConfig((replace(COLD, max_machines=8),), workspaces=policies))
    for request in range(1, 17):
        settled(fleet, Wanted(request, "duckdb", "heavy" if request > 8 else "light", "p", 99.0))
    granted = [grant for number in range(1, 9) for grant in settled(fleet, Ready(number))]
    heavy = sum(grant.request > 8 for grant in granted if isinstance(grant, Grant))
    assert (len(granted), heavy) == (8, 5), "one in eight went to the oldest request, a light one"


def test_a_full_queue_takes_from_who_has_most_in_it() -> None:
    fleet = Fleet(PoolConfig((replace(COLD, max_machines=1),), max_waiting=3))
    for request in (1, 2, 3):
        settled(fleet, Wanted(request, "duckdb", "greedy", "p", 99.0))
    assert settled(fleet, Wanted(4, "duckdb", "greedy", "p", 99.0)) == [Refuse(4, Refusal.FULL)]
    assert settled(fleet, Wanted(5, "duckdb", "modest", "p", 99.0)) == [Refuse(3, Refusal.FULL)]
    assert settled(fleet, Wanted(6, "duckdb", "modest", "p", 99.0)) == [Refuse(6, Refusal.FULL)]


def test_batch_waits_but_does_not_starve() -> None:
    fleet = Fleet(PoolConfig((replace(COLD, max_machines=1),)))
    settled(fleet, Wanted(1, "duckdb", "w", "p", 1e6, priority=Priority.BATCH))
    order = []
    for number in range(1, 20):
        settled(fleet, Wanted(number + 1, "duckdb", "w", "p", 1e6))
        [grant] = settled(fleet, Ready(number))
        assert isinstance(grant, Grant)
        order.append(grant.request)
        settled(fleet, Released(number, "p"))
        settled(fleet, Ended(number))
    assert order.index(1) == 7


def test_a_larger_size_lends_to_a_smaller_one() -> None:
    large = replace(COLD, size="large", memory_bytes=2 * GIB, warm_machines=1, serves_smaller=True)
    fleet = Fleet(PoolConfig((COLD, large)))
    assert settled(fleet, Tick()) == [Start(1, "duckdb", "large")]
    settled(fleet, Ready(1))
    assert settled(fleet, Wanted(1, "duckdb", "w", "p", 99.0)) == [Grant(1, 1), Start(2, "duckdb", "large")]
    assert settled(fleet, Wanted(2, "duckdb", "w", "p", 99.0)) == [Start(3, "duckdb")]


def test_machines_are_packed_and_the_fullest_node_is_filled_first() -> None:
    fleet = placed(replace(COLD, max_machines=100))
    join(fleet, "spot-large", 4)
    join(fleet, "spot-small", 2)
    starts = [settled(fleet, Wanted(n, "duckdb", "w", "p", 99.0))[0] for n in range(1, 7)]
    assert [start.node for start in starts if isinstance(start, Start)] == ["spot-small"] * 2 + ["spot-large"] * 4
    assert settled(fleet, Wanted(7, "duckdb", "w", "p", 99.0)) == []
    assert join(fleet, "on-demand-1", 1) == [Start(7, "duckdb", node_type="on-demand", node="on-demand-1")]


def test_the_base_keeps_off_spot_nodes() -> None:
    fleet = placed(replace(COLD, max_machines=9, on_demand_base=1))
    join(fleet, "spot-1", 4)
    join(fleet, "on-demand-1", 4)
    starts = [settled(fleet, Wanted(n, "duckdb", "w", "p", 99.0))[0] for n in range(1, 4)]
    assert [start.node_type for start in starts if isinstance(start, Start)] == ["on-demand", "spot", "spot"]


def test_a_failing_node_is_passed_over_until_its_pause_is_over() -> None:
    fleet = placed(replace(COLD, max_machines=9))
    join(fleet, "spot-1", 1)
    join(fleet, "spot-2", 4)
    assert settled(fleet, Wanted(1, "duckdb", "w", "p", 99.0)) == [Start(1, "duckdb", "", "spot", "spot-1")]
    assert settled(fleet, Failed(1, "broken")) == [Start(2, "duckdb", "", "spot", "spot-2")]
    settled(fleet, Ready(2), 0.1)
    assert settled(fleet, Wanted(2, "duckdb", "w", "p", 99.0), 0.1) == [Start(3, "duckdb", "", "spot", "spot-2")]
    assert settled(fleet, Wanted(3, "duckdb", "w", "p", 99.0), 0.3) == [Start(4, "duckdb", "", "spot", "spot-1")]


def test_a_failing_node_that_drains_and_stays_after_all_pauses_on() -> None:
    fleet = placed(replace(COLD, max_machines=9))
    join(fleet, "spot-1", 4)
    settled(fleet, Wanted(1, "duckdb", "w", "p", 99.0))
    assert settled(fleet, Ready(1)) == [Grant(1, 1)]
    assert settled(fleet, Wanted(2, "duckdb", "w", "p", 99.0)) == [Start(2, "duckdb", "", "spot", "spot-1")]
    settled(fleet, Failed(2, "broken"))
    assert settled(fleet, NodeDraining("spot-1", 120.0)) == [Move(1, 120.0)]
    assert join(fleet, "spot-1", 4) == []
    assert settled(fleet, Tick(), 0.2) == [Start(3, "duckdb", "", "spot", "spot-1")]


def test_a_node_that_shrinks_and_grows_keeps_its_machines() -> None:
    fleet = placed(replace(COLD, max_machines=9))
    join(fleet, "spot-1", 2)
    for number in (1, 2):
        settled(fleet, Wanted(number, "duckdb", "w", "p", 99.0))
        assert settled(fleet, Ready(number)) == [Grant(number, number)]
    assert join(fleet, "spot-1", 1) == []
    assert settled(fleet, Wanted(3, "duckdb", "w", "p", 99.0)) == []
    assert settled(fleet, Ended(1)) == [], "the other one fills it"
    assert join(fleet, "spot-1", 2) == [Start(3, "duckdb", "", "spot", "spot-1")]


def test_a_node_may_be_full_of_machines_before_its_memory_is() -> None:
    fleet = placed(replace(COLD, max_machines=9))
    settled(fleet, NodeJoined("spot-1", "spot", 8 * GIB, 16.0, 1))
    settled(fleet, NodeJoined("on-demand-1", "on-demand", 8 * GIB, 16.0, 0))
    assert settled(fleet, Wanted(1, "duckdb", "w", "p", 99.0)) == [Start(1, "duckdb", "", "spot", "spot-1")]
    settled(fleet, Ready(1))
    assert settled(fleet, Wanted(2, "duckdb", "w", "p", 99.0)) == []
    assert settled(fleet, Ended(1)) == [Start(2, "duckdb", "", "spot", "spot-1")]
    settled(fleet, Ready(2))
    assert settled(fleet, Wanted(3, "duckdb", "w", "p", 99.0)) == []
    more = NodeJoined("spot-1", "spot", 8 * GIB, 16.0, 2)
    assert settled(fleet, more) == [Start(3, "duckdb", "", "spot", "spot-1")]


def test_a_failing_node_type_gives_way_to_the_next() -> None:
    fleet = placed(replace(COLD, max_machines=9))
    for name in ("spot-1", "spot-2", "spot-3", "on-demand-1"):
        join(fleet, name, 4)
    [start] = settled(fleet, Wanted(1, "duckdb", "w", "p", 99.0))
    for _ in range(3):
        assert isinstance(start, Start)
        assert start.node_type == "spot"
        [start] = settled(fleet, Failed(start.machine, "broken"))
    assert isinstance(start, Start)
    assert start.node_type == "on-demand"


def test_a_draining_node_sends_its_leases_away() -> None:
    fleet = placed(replace(COLD, max_machines=9, warm_machines=1))
    assert join(fleet, "spot-1", 4) == [Start(1, "duckdb", "", "spot", "spot-1")]
    settled(fleet, Ready(1))
    assert settled(fleet, Wanted(1, "duckdb", "w", "p", 99.0))[0] == Grant(1, 1)
    settled(fleet, Ready(2))
    join(fleet, "on-demand-1", 4)
    drained = settled(fleet, NodeDraining("spot-1", 120.0))
    assert drained == [Move(1, 120.0), Stop(2), Start(3, "duckdb", "", "on-demand", "on-demand-1")]
    assert settled(fleet, Ended(2)) == []
    assert fleet.wake_at() == 120.0
    assert settled(fleet, Tick(), 120.0) == [Stop(1)]


def test_a_machine_that_leaves_serves_nobody_else() -> None:
    """And is no sign that machines fail: the next ones start at once."""
    fleet = Fleet(PoolConfig((replace(COLD, mode="shared", leases_per_machine=2, max_machines=9, warm_machines=1),)))
    assert settled(fleet, Tick()) == [Start(1, "duckdb")]
    settled(fleet, Ready(1))
    assert settled(fleet, Wanted(1, "duckdb", "w", "p", 99.0)) == [Grant(1, 1), Start(2, "duckdb")]
    settled(fleet, Ready(2))
    assert settled(fleet, Leaving(1, 30.0)) == [Move(1, 30.0)]
    assert settled(fleet, Leaving(2, 30.0)) == [Stop(2), Start(3, "duckdb")]
    settled(fleet, Ready(3))
    assert settled(fleet, Wanted(2, "duckdb", "w", "p", 99.0))[0] == Grant(2, 3)
    assert settled(fleet, Released(1, "p")) == [Stop(1)]


def test_a_lost_node_is_replaced_at_once() -> None:
    fleet = placed(replace(COLD, max_machines=9))
    join(fleet, "spot-1", 4)
    settled(fleet, Wanted(1, "duckdb", "w", "p", 99.0))
    join(fleet, "spot-2", 4)
    assert settled(fleet, NodeLost("spot-1")) == [Stop(1), Start(2, "duckdb", "", "spot", "spot-2")]
    assert settled(fleet, Ended(1)) == []


def test_idle_machines_of_other_templates_make_room_on_full_nodes() -> None:
    fleet = placed(replace(COLD, max_machines=9, warm_machines=1), replace(COLD, engine="spark", max_machines=9))
    assert join(fleet, "spot-1", 1) == [Start(1, "duckdb", "", "spot", "spot-1")]
    settled(fleet, Ready(1))
    assert settled(fleet, Wanted(1, "spark", "w", "p", 99.0)) == [Stop(1)]
    assert settled(fleet, Ended(1)) == [Start(2, "spark", "", "spot", "spot-1")]


def test_one_workspace_is_spread_over_nodes() -> None:
    types = (replace(SPOT, spread=1),)
    config = replace(COLD, max_machines=9, reserved=True, node_types=("spot",))
    fleet = Fleet(PoolConfig((config,), node_types=types))
    join(fleet, "spot-1", 2)
    join(fleet, "spot-2", 2)
    starts = [settled(fleet, Wanted(n, "duckdb", "w", "p", 99.0))[0] for n in range(1, 4)]
    assert [start.node for start in starts if isinstance(start, Start)] == ["spot-1", "spot-2", "spot-1"]
