"""SIGKILL at any moment, of the gateway, the zygote or a machine: what is left is reaped, and nothing leaks."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute.config import MachineSpec
from compute.sandbox.cgroups import run_folders
from compute.spawners import CannotStart, Machine, folders
from compute.spawners.folders import reap_abandoned
from compute.spawners.process import ProcessSpawner
from compute.zygote.succession import SOCKET
from tests.fix_cluster import eventually
from tests.processes import kill, machines, templates, until, zygotes

SPEC = MachineSpec("duckdb", "user", threads=1, memory_bytes=128 << 20)
GATEWAY = """
import asyncio, sys
from tests.adversity.compute.test_killed import SPEC
from compute.spawners.process import ProcessSpawner

async def main():
    spawner = ProcessSpawner(templates=[SPEC], folder=sys.argv[1])
    await spawner.open()
    print("open", flush=True)
    while True:
        machines = await asyncio.gather(*(spawner.start(SPEC) for _ in range(3)))
        await asyncio.gather(*(spawner.stop(machine) for machine in machines))

asyncio.run(main())
"""


@contextmanager
def marked_folder() -> Iterator[str]:
    """A folder for runs. Every process of a gateway that has it in its path is known by it."""
    with tempfile.TemporaryDirectory(prefix="lakegate-killed-") as folder:
        yield folder


def marked(folder: str) -> list[int]:
    """The processes, whoever's they are by now, that carry the folder in their environment."""
    found = []
    for process in psutil.process_iter():
        with suppress(OSError):
            if folder.encode() in Path(f"/proc/{process.pid}/environ").read_bytes():
                found.append(process.pid)
    return found


def disks(folder: str) -> list[str]:
    """Loop devices on files in that folder."""
    found = []
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        with suppress(OSError):
            found += [path for path in [backing.read_text()] if folder in path]
    return found


def groups(runs: list[str]) -> list[str]:
    return [group for run in runs for group in run_folders(run) if os.path.exists(group)]


def is_reaped(folder: str) -> bool:
    """Whether the next gateway finds nothing any more. What was still in use it tries again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folders, "BORN_SECONDS", -1)
        reap_abandoned(folder)
    return os.listdir(folder) == []


@settings(max_examples=6, deadline=None)
@given(moment=st.floats(0, 1))
def test_a_gateway_killed_at_any_moment(moment: float) -> None:
    """The first half of moments is while it opens, the second while machines come and go."""
    with marked_folder() as folder:
        environment = {**os.environ, "PYTHONPATH": folder}
        command = [sys.executable, "-c", GATEWAY, folder]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as gateway:
            assert gateway.stdout is not None
            if moment > 0.5:
                assert gateway.stdout.readline() == b"open\n"
            time.sleep(moment % 0.5 * 3)
            runs = os.listdir(folder)
            gateway.kill()
        until(lambda: is_reaped(folder))
        until(lambda: not marked(folder))
        assert groups(runs) == []
        until(lambda: not disks(folder))


@settings(max_examples=8, deadline=None)
@given(victim=st.sampled_from(["zygote", "template", "machine"]), moment=st.floats(0, 0.1))
def test_a_part_killed_at_any_moment(victim: str, moment: float) -> None:
    """Starts under way fail or succeed, the next ones succeed, and closing leaves nothing."""
    with marked_folder() as folder:
        asyncio.run(_kill_part(folder, victim, moment))
        assert os.listdir(folder) == []
        until(lambda: not disks(folder))


async def _kill_part(folder: str, victim: str, moment: float) -> None:
    spawner = ProcessSpawner(templates=[SPEC], folder=folder)
    await spawner.open()
    starting = [asyncio.create_task(spawner.start(SPEC)) for _ in range(4)]
    await asyncio.sleep(moment)
    kill({"zygote": zygotes, "template": templates, "machine": machines}[victim]()[:1])
    started = await asyncio.gather(*starting, return_exceptions=True)
    assert all(isinstance(one, CannotStart) for one in started if isinstance(one, BaseException))
    again = await _start_again(spawner)
    runs = os.listdir(folder)
    await spawner.stop(again)
    assert await spawner.poll(again) is not None
    await spawner.close()
    assert groups(runs) == []


@pytest.fixture
def folder() -> Iterator[str]:
    """With a path that is short enough for sockets, as pytest's own may not be."""
    with marked_folder() as made:
        yield made


async def test_a_start_that_is_given_up_leaves_no_machine(folder: str) -> None:
    spawner = ProcessSpawner(templates=[SPEC], folder=folder)
    await spawner.open()
    starting = [asyncio.create_task(spawner.start(SPEC)) for _ in range(12)]
    for one in starting:
        await asyncio.sleep(0.005)
        one.cancel()
    ended = await asyncio.gather(*starting, return_exceptions=True)
    for machine in [one for one in ended if not isinstance(one, BaseException)]:
        await spawner.stop(machine)
    await asyncio.to_thread(until, lambda: not machines())
    kept = await spawner.start(SPEC)
    assert await spawner.poll(kept) is None
    await spawner.close()
    assert os.listdir(folder) == []


async def _start_again(spawner: ProcessSpawner) -> Machine:
    """As the pool would: the first try may be the one that finds out."""
    with suppress(CannotStart):
        return await spawner.start(SPEC)
    return await spawner.start(SPEC)


async def test_a_zygote_killed_before_it_is_ready_is_replaced() -> None:
    """It had its socket already, whose name the next one takes."""
    with marked_folder() as folder:
        spawner = ProcessSpawner(templates=[SPEC], folder=folder)
        try:
            opening = asyncio.create_task(spawner.open())
            await eventually(lambda: bool(list(Path(folder).glob(f"*/{SOCKET}"))))
            kill(zygotes())
            with pytest.raises(CannotStart):
                await opening
            await spawner.stop(await spawner.start(SPEC))
        finally:
            await spawner.close()
