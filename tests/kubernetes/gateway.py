"""``python -m tests.kubernetes.gateway NAMESPACE NAME KUBECONFIG HEARTBEAT``:

a pool of pods in a process of its own, to be killed. It prints the names of two warm machines once a third is claimed,
and again when there are two others.
"""

import asyncio
import json
import sys
from pathlib import Path

from compute.config import PoolConfig
from compute.pool import Pool
from compute.spawners.kubernetes.config import KubernetesConfig
from compute.spawners.kubernetes.spawner import KubernetesSpawner
from tests.fix_cluster import eventually, spare
from tests.fix_compute import WAIT_SECONDS, duckdb_config

LIFE_SECONDS = 3600.0
"""It is killed long before."""


async def main() -> None:
    namespace, name, kubeconfig, heartbeat = sys.argv[1:]
    config = KubernetesConfig(
        namespace, name, "lakegate-guest:tests", Path(kubeconfig), heartbeat_seconds=float(heartbeat)
    )
    wanted = PoolConfig((duckdb_config(warm_machines=2, max_machines=3),), wait_seconds=WAIT_SECONDS)
    pool = Pool(KubernetesSpawner(config), wanted, lambda _workspace: "/nowhere")
    await pool.start()
    lease = await pool.lease("duckdb", workspace="demo", principal="ada")
    told: set[str] = set()
    try:
        while True:
            await eventually(lambda: len(spare(pool)) == 2 and told.isdisjoint(spare(pool)), LIFE_SECONDS)
            print(json.dumps(warm := spare(pool)), flush=True)
            told.update(warm)
    finally:
        await lease.release()


if __name__ == "__main__":
    asyncio.run(main())
