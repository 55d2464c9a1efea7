"""A gateway that is killed, and the next one: what was nobody's is adopted, what was lent ends, and nothing is left."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from compute.config import MachineSpec
from compute.spawners.process import GRACE_SECONDS, ProcessSpawner
from compute.transport import Kind
from tests.adversity.compute.test_killed import is_reaped, marked_folder
from tests.processes import machines, until, zygotes

SPEC = MachineSpec("duckdb", "shared", threads=1, memory_bytes=128 << 20)
GATEWAY = """
import asyncio, os, signal, sys
from dataclasses import replace
from tests.adversity.compute.test_adoption import SPEC, opened

async def main():
    spawner = opened(sys.argv[1], float(sys.argv[2]))
    await spawner.open()
    lent, free, single = [await spawner.start(replace(SPEC, mode=mode)) for mode in ("shared", "shared", "user")]
    lent.claim()
    print(lent.name, free.name, single.name, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

asyncio.run(main())
"""


def opened(folder: str, grace_seconds: float = GRACE_SECONDS) -> ProcessSpawner:
    return ProcessSpawner(templates=[SPEC], folder=folder, grace_seconds=grace_seconds)


def kill_gateway(folder: str, grace_seconds: float = GRACE_SECONDS) -> tuple[list[str], list[psutil.Process]]:
    """The names of the machines that it had: lent, nobody's, and nobody's that would serve one lease; and the family of
    its zygote."""
    command = [sys.executable, "-c", GATEWAY, folder, str(grace_seconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as gateway:
        assert gateway.stdout is not None
        names = gateway.stdout.readline().split()
        family = psutil.Process(gateway.pid).children(recursive=True)
        gateway.send_signal(signal.SIGKILL)
    return names, family


@pytest.fixture
def folder() -> Iterator[str]:
    with marked_folder() as made:
        os.chmod(made, 0o711)
        yield made


async def test_the_next_gateway_adopts_what_was_nobodys_and_nothing_else(folder: str) -> None:
    (_, free, _), family = await asyncio.to_thread(kill_gateway, folder)
    next_one = opened(folder)
    await next_one.open()
    assert set(zygotes()) <= set(family)
    assert len(machines()) == 1
    taken = await next_one.start(SPEC)
    assert taken.name == free
    connection = await taken.connect()
    assert (await connection.receive()).kind is Kind.HELLO
    connection.abort()
    assert (await next_one.start(SPEC)).name != free
    await next_one.close()
    assert os.listdir(folder) == []


async def test_an_adopted_machine_ends_like_any_other(folder: str) -> None:
    await asyncio.to_thread(kill_gateway, folder)
    next_one = opened(folder)
    await next_one.open()
    taken = await next_one.start(SPEC)
    await next_one.stop(taken)
    assert await next_one.poll(taken) == -signal.SIGKILL
    await asyncio.to_thread(until, lambda: not machines())
    await next_one.close()


async def test_a_machine_of_another_make_is_not_lent(folder: str) -> None:
    (_, free, _), _ = await asyncio.to_thread(kill_gateway, folder)
    next_one = opened(folder)
    await next_one.open()
    assert (await next_one.start(replace(SPEC, memory_bytes=256 << 20))).name != free
    await asyncio.to_thread(until, lambda: len(machines()) == 1)
    await next_one.close()


async def test_what_nobody_takes_up_ends(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The zygote that had it serves on."""
    monkeypatch.setattr("compute.spawners.zygote.ADOPTION_SECONDS", 0.1)
    (_, free, _), family = await asyncio.to_thread(kill_gateway, folder)
    next_one = opened(folder)
    await next_one.open()
    await asyncio.to_thread(until, lambda: not machines())
    assert set(zygotes()) <= set(family)
    assert (await next_one.start(SPEC)).name != free
    await next_one.close()
    assert os.listdir(folder) == []


async def test_a_gateway_that_wants_something_else_starts_anew(folder: str) -> None:
    _, family = await asyncio.to_thread(kill_gateway, folder)
    next_one = ProcessSpawner(templates=[replace(SPEC, threads=2)], folder=folder)
    await next_one.open()
    assert not set(zygotes()) & set(family)
    _, left = await asyncio.to_thread(psutil.wait_procs, family, timeout=60)
    assert left == []
    await next_one.close()
    assert os.listdir(folder) == []


async def test_one_that_does_not_answer_is_reaped(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compute.spawners.adoption.ANSWER_SECONDS", 0.2)
    _, family = await asyncio.to_thread(kill_gateway, folder)
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.suspend()
    next_one = opened(folder)
    await next_one.open()
    assert not set(zygotes()) & set(family)
    await next_one.close()
    assert os.listdir(folder) == []


def test_without_a_next_gateway_everything_ends(folder: str) -> None:
    _, family = kill_gateway(folder, grace_seconds=0.5)
    _, left = psutil.wait_procs(family, timeout=120)
    assert left == []
    until(lambda: is_reaped(folder))


def test_only_the_gateways_own_user_may_ask(folder: str) -> None:
    kill_gateway(folder)
    [path] = Path(folder).glob("*/zygote.sock")
    assert path.stat().st_mode & 0o777 == 0o700 & ~0o077
    until(lambda: is_reaped(folder))
