"""Servers that outlived their gateway: found by their working folder, ended as PostgreSQL's own shutdown does.

Partner of `catalog.postgres`, which holds the lock that makes this safe: whoever still works in the cluster's folder
belongs to no living gateway.
"""

import asyncio
import os
import signal
from pathlib import Path

_POLL_SECONDS = 0.01


async def end_servers(cluster: Path, patience: float) -> None:
    """Returns when no process works in the cluster's folder and no stale pid file is left there.

    A postmaster gets a fast shutdown; what is still there after `patience` seconds is killed, which crash recovery
    mends. PostgreSQL would refuse to start on a pid file whose number a stranger's process has taken, so the file
    goes as well.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    _signal(_postmaster(cluster), signal.SIGINT)
    while left := _workers(cluster):
        if loop.time() > deadline:
            for pid in left:
                _signal(pid, signal.SIGKILL)
        await asyncio.sleep(_POLL_SECONDS)
    (cluster / "postmaster.pid").unlink(missing_ok=True)


def _postmaster(cluster: Path) -> int | None:
    try:
        pid = int((cluster / "postmaster.pid").read_text().splitlines()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return None
    return pid if _works_in(pid, cluster) else None


def _workers(cluster: Path) -> list[int]:
    """Every server process of the cluster: PostgreSQL's processes all work in its data folder."""
    proc = Path("/proc")
    pids = (int(entry.name) for entry in proc.iterdir() if entry.name.isdigit()) if proc.is_dir() else ()
    return [pid for pid in pids if _works_in(pid, cluster)]


def _works_in(pid: int, cluster: Path) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/cwd") == str(cluster)
    except OSError:
        return False


def _signal(pid: int | None, number: signal.Signals) -> None:
    if pid is None:
        return
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
