"""What is stopped, not killed, keeps its sockets open and says nothing: its parent sees it, else its silence tells. It
is replaced."""

import asyncio
import signal
from collections.abc import Iterator

import psutil
import pytest

from catalog.errors import MachineLost, QueryCanceled
from compute import pool as pools
from compute import pulse
from compute.lease import Lease
from compute.pool import Pool
from tests.fix_cluster import eventually
from tests.fix_compute import ask
from tests.processes import children, kill, machines, templates, until, zygotes

ENDLESS = "SELECT count(*) FROM range(100000000) a, range(1000000) b WHERE a.range + b.range = 7"


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long enough for what lives, on a busy machine too."""
    monkeypatch.setattr(pulse, "PERIOD_SECONDS", 1.0)
    monkeypatch.setattr(pools, "ANSWER_SECONDS", 5.0)


@pytest.fixture
def stopped() -> Iterator[list[psutil.Process]]:
    """Those that are put in here are killed at the end, if nobody else has done so."""
    processes: list[psutil.Process] = []
    yield processes
    kill(processes)


def stop(processes: list[psutil.Process], victims: list[psutil.Process]) -> None:
    for victim in victims:
        victim.send_signal(signal.SIGSTOP)
        processes.append(victim)


async def test_a_machine_that_stops_midway(pool: Pool, lease: Lease, stopped: list[psutil.Process]) -> None:
    """Its statement ends. So does a machine that stopped before its lease; the next one answers."""
    running = asyncio.create_task(lease.execute(ENDLESS))
    await asyncio.sleep(0.1)
    stop(stopped, machines())
    with pytest.raises(MachineLost):
        await running
    await lease.release()
    await answers(pool)
    await asyncio.to_thread(until, lambda: not any(each.is_running() for each in stopped))


async def test_a_machine_that_stops_before_anyone_wants_it(pool: Pool, stopped: list[psutil.Process]) -> None:
    """Nobody listens for its silence yet."""
    await eventually(lambda: pool.count("duckdb")["spare"] > 0)
    stop(stopped, machines())
    await asyncio.to_thread(until, lambda: not any(each.is_running() for each in stopped))
    await answers(pool)


async def test_a_statement_that_takes_long_is_no_silence(lease: Lease, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its guest hears while the engine is at work."""
    monkeypatch.setattr(pulse, "PERIOD_SECONDS", 0.05)
    monkeypatch.setattr(pulse, "MOST_SILENT_PERIODS", 10_000)
    heard: list[object] = []
    monkeypatch.setattr(pulse.Pulse, "hear", lambda _pulse: heard.append(_pulse))
    running = asyncio.create_task(lease.execute(ENDLESS))
    await eventually(lambda: len(heard) > 3)
    assert not running.done()
    await lease.cancel()
    with pytest.raises(QueryCanceled):
        await running


@pytest.mark.parametrize("which", ["template", "both"])
async def test_a_zygote_that_stops_is_replaced(pool: Pool, stopped: list[psutil.Process], which: str) -> None:
    """It is noticed by the next machine that is wanted of it. Machines that it had end with it."""
    taken = await pool.lease("duckdb", workspace="demo", principal="ada")
    former = machines()
    stop(stopped, [*templates(), *(zygotes() if which == "both" else ())])
    await taken.release()
    await asyncio.to_thread(until, lambda: not any(each.is_running() for each in (*stopped, *former)))
    await answers(pool)
    assert len([child for zygote in zygotes() for child in children(zygote)]) == 1


async def answers(pool: Pool) -> None:
    lease = await pool.lease("duckdb", workspace="demo", principal="ada")
    assert await ask(lease, "SELECT 1 AS one") == [{"one": 1}]
    await lease.release()
