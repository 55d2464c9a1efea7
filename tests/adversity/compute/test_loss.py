"""Machines that die, clients that do not read, cancels at any moment."""

import asyncio
import contextlib
import random
from pathlib import Path

import pytest

from catalog.errors import InsufficientResources, MachineLost, MachinesExhausted, QueryCanceled, SqlError
from catalog.scans import Scan
from compute.connection import READ_AHEAD_BYTES
from compute.lease import Lease
from compute.pool import Pool
from tests.fix_cluster import eventually
from tests.fix_compute import ROWS, ask, duckdb_config, rows, running_pool
from tests.processes import kill, machines, templates

MANY_ROWS = "SELECT range AS n, repeat('x', 100) AS text FROM range(100000000)"


async def test_a_machine_that_dies_midway(pool: Pool, lease: Lease) -> None:
    answer = await lease.execute(MANY_ROWS)
    await anext(aiter(answer))
    assert answer.handed_out
    kill(machines())
    with pytest.raises(MachineLost):
        await rows(answer)
    assert lease.lost
    with pytest.raises(MachineLost):
        await lease.execute("SELECT 1")
    fresh = await pool.lease("duckdb", workspace="demo", principal="ada")
    assert await ask(fresh, "SELECT 1 AS one") == [{"one": 1}]
    await fresh.release()


async def test_a_machine_that_dies_before_the_first_row(lease: Lease) -> None:
    sql = "SELECT count(*) FROM range(100000000) a, range(1000000) b WHERE a.range + b.range = 7"
    running = asyncio.create_task(lease.execute(sql))
    await asyncio.sleep(0)
    kill(machines())
    with pytest.raises(MachineLost):
        await running


async def test_a_zygote_that_dies_is_replaced(pool: Pool, lease: Lease) -> None:
    answer = await lease.execute(MANY_ROWS)
    kill(templates())
    with pytest.raises(MachineLost):
        await rows(answer)
    fresh = await pool.lease("duckdb", workspace="demo", principal="ada")
    assert await ask(fresh, "SELECT 1 AS one") == [{"one": 1}]
    await fresh.release()


async def test_who_does_not_pull_pauses_the_engine(lease: Lease, points: Scan) -> None:
    """The engine stands still: neither end's memory grows, and what was asked next is answered after a close."""
    answer = await lease.execute(MANY_ROWS)
    await anext(aiter(answer))
    before = await stands_still(lease)
    assert before <= 2 * READ_AHEAD_BYTES
    [guest] = [guest for guest in machines() if guest.num_threads() > 1]
    assert guest.memory_info().rss < 400 << 20
    await answer.close()
    assert await ask(lease, "SELECT count(*) AS n FROM scan_0 WHERE id < 5", scans=[points]) == [{"n": 5}]


async def stands_still(lease: Lease) -> int:
    """Bytes read ahead, once they no longer grow while the loop turns."""
    seen = -1
    while seen != lease.read_ahead:
        seen = lease.read_ahead
        await asyncio.sleep(0.1)
    return seen


async def test_cancels_at_any_moment(lease: Lease, points: Scan) -> None:
    """Before, while and after: the statement ends either way, and the next one is answered rightly."""
    moments = random.Random(7)
    for _ in range(25):
        running = asyncio.create_task(run(lease, points))
        await asyncio.sleep(moments.choice([0, 0.001, 0.005, 0.02]))
        await lease.cancel()
        with contextlib.suppress(QueryCanceled):
            assert await running == 5 * ROWS
        assert await ask(lease, "SELECT 1 AS one") == [{"one": 1}]


async def run(lease: Lease, points: Scan) -> int:
    answer = await lease.execute("SELECT a.* FROM scan_0 a, range(5)", scans=[points])
    return sum([batch.num_rows async for batch in answer])


async def test_waiting_has_a_bound_and_an_end(warehouse: Path) -> None:
    config = duckdb_config(max_machines=1)
    async with running_pool(warehouse, config, wait_seconds=0.5, max_waiting=1) as pool:
        await eventually(lambda: pool.count("duckdb") == {"spare": 1})
        lease = await pool.lease("duckdb", workspace="demo", principal="ada")
        waiting = asyncio.create_task(pool.lease("duckdb", workspace="demo", principal="bob"))
        await asyncio.sleep(0)
        with pytest.raises(MachinesExhausted, match="too many"):
            await pool.lease("duckdb", workspace="demo", principal="eve")
        with pytest.raises(MachinesExhausted, match="in time"):
            await waiting
        await lease.release()


async def test_a_waiter_that_leaves_takes_nothing(warehouse: Path) -> None:
    async with running_pool(warehouse, duckdb_config(warm_machines=0, max_machines=1)) as pool:
        for _ in range(10):
            impatient = asyncio.create_task(pool.lease("duckdb", workspace="demo", principal="ada"))
            await asyncio.sleep(0.01)
            impatient.cancel()
            [taken] = await asyncio.gather(impatient, return_exceptions=True)
            if isinstance(taken, Lease):
                await taken.release()
        lease = await pool.lease("duckdb", workspace="demo", principal="ada")
        assert await ask(lease, "SELECT 1 AS one") == [{"one": 1}]
        await lease.release()


async def test_machines_that_do_not_start_are_told(warehouse: Path) -> None:
    config = duckdb_config(warm_machines=0, start_seconds=0.0001)
    async with running_pool(warehouse, config) as pool:
        with pytest.raises(InsufficientResources) as caught:
            await pool.lease("duckdb", workspace="demo", principal="ada")
    assert caught.value.sqlstate == "53000"


async def test_out_of_memory_is_an_error_of_the_statement(lease: Lease) -> None:
    with pytest.raises(SqlError) as caught:
        await ask(lease, "SELECT length(string_agg(repeat('x', 1000), '')) FROM range(1000000)")
    assert caught.value.sqlstate in ("53200", "58000")
