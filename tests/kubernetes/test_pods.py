"""Machines as pods on a real API server: start, claim, lease, stop."""

from pathlib import Path

from catalog.scans import Scan
from compute.spawners.kubernetes import ownership
from tests.cluster.host_node import HostNode
from tests.fix_cluster import Machines, eventually, pod_pool
from tests.fix_compute import ROWS, ask, duckdb_config


async def test_a_pod_answers(machines: Machines, host_node: HostNode, warehouse: Path, points: Scan) -> None:
    """Created before it is wanted, claimed with its identity, gone with its lease."""
    async with pod_pool(machines.config, duckdb_config(), warehouse) as pool:
        lease = await pool.lease("duckdb", workspace="demo", principal="ada")
        claimed = [
            pod for pod in await machines.pods() if pod["metadata"]["labels"][ownership.STATE] == ownership.CLAIMED
        ]
        assert len(claimed) == 1
        assert await ask(lease, "SELECT max(id) AS id FROM scan_0", scans=[points]) == [{"id": ROWS - 1}]
        await lease.release()
    await eventually(machines.are_gone)
    assert await machines.leases() == []
