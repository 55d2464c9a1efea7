"""Nodes that come and go under a pool of real machines, and budgets that are spent."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from catalog.errors import MachinesExhausted
from compute import pool as pool_module
from compute.config import Budget, EngineConfig, MachineSpec, NodeType, Room, WorkspacePolicy
from compute.events import NodeDraining, NodeEvent, NodeJoined
from compute.pool import Pool
from compute.spawners import Machine
from compute.spawners.process import ProcessSpawner
from gateway.leases import Leases
from tests.fix_cluster import eventually
from tests.fix_compute import ask, duckdb_config, running_pool
from tests.processes import machines

NODES = (NodeType("host", placed=True),)
LATER = 1e12
JOINED = NodeJoined("one", "host", 1 << 30, 8.0)


class NodesOfOneHost(ProcessSpawner):
    """Processes of this host, which a test says to be on several nodes."""

    def footprint(self, spec: MachineSpec) -> Room:
        return spec.memory_bytes, float(spec.threads)

    def watch_nodes(self, tell: Callable[[NodeEvent], None]) -> None:
        self.tell = tell


def tell(pool: Pool, news: NodeEvent) -> None:
    assert isinstance(pool._spawner, NodesOfOneHost)
    pool._spawner.tell(news)


def placed_config() -> EngineConfig:
    return duckdb_config(warm_machines=0, node_types=("host",))


async def test_leases_leave_a_draining_node(warehouse: Path) -> None:
    async with running_pool(warehouse, placed_config(), node_types=NODES, kind=NodesOfOneHost) as pool:
        tell(pool, JOINED)
        lease = await pool.lease("duckdb", workspace="demo", principal="ada")
        tell(pool, NodeDraining("one", LATER))
        assert lease.leaving
        assert await ask(lease, "SELECT 1 AS one") == [{"one": 1}], "what runs goes on"
        await lease.release()
        tell(pool, NodeJoined("two", "host", 1 << 30, 8.0))
        other = await pool.lease("duckdb", workspace="demo", principal="ada")
        assert not other.leaving
        assert await ask(other, "SELECT 2 AS two") == [{"two": 2}]
        await other.release()


async def test_a_start_that_is_not_wanted_any_more_leaves_nothing(warehouse: Path) -> None:
    config = duckdb_config(warm_machines=2, node_types=("host",))
    async with running_pool(warehouse, config, node_types=NODES, kind=NodesOfOneHost) as pool:
        tell(pool, JOINED)
        tell(pool, NodeDraining("one", LATER))
        assert pool.count("duckdb") == {"stopping": 2}
        await eventually(lambda: not pool.count("duckdb"))
        assert not machines()


async def test_a_start_that_is_done_as_it_is_given_up(warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts as given up, whichever task comes first: else a machine too many would be started for ever."""
    greet = pool_module._greet

    async def drained(machine: Machine) -> object:
        greeted = await greet(machine)
        tell(pool, NodeDraining("one", LATER))
        return greeted

    monkeypatch.setattr(pool_module, "_greet", drained)
    config = duckdb_config(warm_machines=1, node_types=("host",))
    async with running_pool(warehouse, config, node_types=NODES, kind=NodesOfOneHost) as pool:
        tell(pool, JOINED)
        await eventually(lambda: not pool.count("duckdb"))
        tell(pool, NodeJoined("two", "host", 1 << 30, 8.0))
        assert pool.count("duckdb") == {"starting": 1}


async def test_a_spent_budget_is_told(warehouse: Path) -> None:
    """Also to a session that has its machine already: by its next statement."""
    policies = {"demo": WorkspacePolicy(budget=Budget(machine_seconds=1e-6))}
    async with running_pool(warehouse, duckdb_config(), workspaces=policies) as pool:
        lease = await pool.lease("duckdb", workspace="demo", principal="ada")
        assert await ask(lease, "SELECT 1 AS one") == [{"one": 1}], "a lease that runs goes on"
        with pytest.raises(MachinesExhausted, match="budget") as caught:
            await pool.lease("duckdb", workspace="demo", principal="bob")
        assert caught.value.sqlstate == "53400"
        assert "renews" in (caught.value.detail or "")
        session = Leases(partial(pool.lease, workspace="demo", principal="ada"), idle_seconds=LATER)
        await session.give_back("duckdb", "ada", lease)
        with pytest.raises(MachinesExhausted, match="budget"):
            await session.take("duckdb", "ada")
        await eventually(lambda: pool.count("duckdb") == {"spare": 1})
