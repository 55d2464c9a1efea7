"""A host that refuses isolation, and a gateway that is killed."""

import asyncio
import ctypes
import signal
import subprocess
import sys
from pathlib import Path

import psutil

PR_CAPBSET_DROP = 24
CAP_SYS_ADMIN = 21
POOL = """
import asyncio, sys
from tests.fix_compute import ask, duckdb_config, running_pool

async def main():
    async with running_pool(sys.argv[1], duckdb_config(), grace_seconds=1.0) as pool:
        lease = await pool.lease("duckdb", workspace="demo", principal="ada")
        [row] = await ask(lease, "SELECT 1 AS one")
        print(pool.isolation.level, row["one"], *pool.isolation.missing, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

asyncio.run(main())
"""


def start_pool(warehouse: Path, **options: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", POOL, str(warehouse)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload]


def lose_capability() -> None:
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN, 0, 0, 0)


def test_missing_isolation_is_told_with_what_it_needs(warehouse: Path) -> None:
    """As in a container without the capability: machines still answer, and the gateway knows what they are not."""
    with start_pool(warehouse, preexec_fn=lose_capability) as gateway:
        said, _ = gateway.communicate(timeout=600)
    level, one, *missing = said.split()
    assert (level, one) == ("none", "1")
    assert "CAP_SYS_ADMIN" in missing


async def test_everything_dies_with_the_gateway(warehouse: Path) -> None:
    with start_pool(warehouse) as gateway:
        assert gateway.stdout is not None
        said = await asyncio.to_thread(gateway.stdout.readline)
        family = psutil.Process(gateway.pid).children(recursive=True)
        gateway.send_signal(signal.SIGKILL)
        _, left = await asyncio.to_thread(psutil.wait_procs, family, timeout=120)
    assert said.startswith("namespaces 1")
    assert len(family) >= 3
    assert left == []
