"""The fork of a warm engine: it scans, spills and closes as a fresh one would."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from catalog.scans import Scan
from compute.config import MachineSpec
from compute.lease import Lease
from compute.spawners import Machine
from compute.spawners.process import ProcessSpawner
from compute.transport import Frame, Kind
from tests.fix_compute import ROWS, ask
from tests.processes import machines, templates

SPEC = MachineSpec("duckdb", "user", threads=2, memory_bytes=128 << 20)


@pytest.fixture
async def spawner(run_parent: Path) -> AsyncIterator[ProcessSpawner]:
    opened = ProcessSpawner(templates=[SPEC], folder=str(run_parent))
    isolation = await opened.open()
    assert isolation.missing == ()
    yield opened
    await opened.close()


async def take(machine: Machine, warehouse: Path, seed: str = "00") -> Lease:
    connection = await machine.connect()
    await connection.expect(Kind.HELLO)
    identity = {"hostname": "m", "time_ns": 0, "seed": seed, "workspace": "demo", "warehouse": str(warehouse)}
    connection.send(Frame(Kind.IDENTITY, control=identity))
    await connection.expect(Kind.READY)
    return Lease(connection, lambda _lease: None)


async def test_fork_scan_spill_close(spawner: ProcessSpawner, warehouse: Path, points: Scan, run_parent: Path) -> None:
    machine = await spawner.start(SPEC)
    lease = await take(machine, warehouse)
    assert await ask(lease, "SELECT count(*) AS n FROM scan_0", scans=[points]) == [{"n": ROWS}]
    sql = """
        SELECT count(text) AS n FROM
        (SELECT name || repeat('x', 300) || i AS text FROM scan_0, range(4) t(i) ORDER BY hash(text) OFFSET 1)
    """
    assert await ask(lease, sql, scans=[points]) == [{"n": 4 * ROWS - 1}]
    [guest] = machines()
    assert any("spill" in folders for _, folders, _ in os.walk(f"/proc/{guest.pid}/root{run_parent}")), (
        "nothing was spilled"
    )
    await lease.release()
    assert await machine.ended == 0
    assert not [names for _, _, names in os.walk(run_parent) if any("duckdb_temp" in name for name in names)]


async def test_the_zygote_has_one_thread(spawner: ProcessSpawner) -> None:
    """A second one could hold a lock at the fork that nobody would ever free in the child."""
    assert await asyncio.to_thread(threads_of_zygote) == [1]


def threads_of_zygote() -> list[int]:
    return [template.num_threads() for template in templates()]
