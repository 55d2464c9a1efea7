"""Nodes that come and go under a pool of real machines, and budgets that are spent."""

from pathlib import Path

import pytest

from catalog.errors import MachinesExhausted
from compute.config import Budget, EngineConfig, NodeType, WorkspacePolicy
from compute.events import NodeDraining, NodeJoined
from tests.fix_cluster import eventually
from tests.fix_compute import ask, duckdb_config, running_pool
from tests.processes import machines

NODES = (NodeType("host", placed=True),)
LATER = 1e12
JOINED = NodeJoined("one", "host", 1 << 30, 8.0)


def placed_config() -> EngineConfig:
    return duckdb_config(warm_machines=0, node_types=("host",))


async def test_leases_leave_a_draining_node(warehouse: Path) -> None:
    async with running_pool(warehouse, placed_config(), node_types=NODES) as pool:
        pool.tell(JOINED)
        lease = await pool.lease("duckdb", workspace="demo", principal="ada")
        pool.tell(NodeDraining("one", LATER))
        assert lease.leaving
        assert await ask(lease, "SELECT 1 AS one") == [{"one": 1}], "what runs goes on"
        await lease.release()
        pool.tell(NodeJoined("two", "host", 1 << 30, 8.0))
        other = await pool.lease("duckdb", workspace="demo", principal="ada")
        assert not other.leaving
        assert await ask(other, "SELECT 2 AS two") == [{"two": 2}]
        await other.release()


async def test_a_start_that_is_not_wanted_any_more_leaves_nothing(warehouse: Path) -> None:
    config = duckdb_config(warm_machines=2, node_types=("host",))
    async with running_pool(warehouse, config, node_types=NODES) as pool:
        pool.tell(JOINED)
        pool.tell(NodeDraining("one", LATER))
        assert pool.count("duckdb") == {"stopping": 2}
        await eventually(lambda: not pool.count("duckdb"))
        assert not machines()


async def test_a_spent_budget_is_told(warehouse: Path) -> None:
    policies = {"demo": WorkspacePolicy(budget=Budget(machine_seconds=1e-6))}
    async with running_pool(warehouse, duckdb_config(), workspaces=policies) as pool:
        lease = await pool.lease("duckdb", workspace="demo", principal="ada")
        assert await ask(lease, "SELECT 1 AS one") == [{"one": 1}], "a lease that runs goes on"
        with pytest.raises(MachinesExhausted, match="budget") as caught:
            await pool.lease("duckdb", workspace="demo", principal="bob")
        assert caught.value.sqlstate == "53400"
        assert "renews" in (caught.value.detail or "")
        await lease.release()
