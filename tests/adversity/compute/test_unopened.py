"""Spawners whose opening fails, or is given up, leave nothing once they are closed."""

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from compute.spawners import CannotStart, Spawner
from compute.spawners.process import ProcessSpawner
from compute.spawners.qemu import QemuSpawner
from compute.spawners.split import SplitSpawner

TURNS = (1, 2, 3, 5, 10, 30, 100)
"""Of the loop, after which an opening is given up: while its folder is made, and while more is begun."""
MAKERS: dict[str, Callable[[str], Spawner]] = {
    "process": lambda folder: ProcessSpawner(templates=(), folder=folder),
    "qemu": lambda folder: QemuSpawner(templates=(), cache=Path(folder), folder=folder),
}


@pytest.fixture
def folder() -> Iterator[str]:
    """One that machines reach."""
    with tempfile.TemporaryDirectory(prefix="lakegate-unopened-") as made:
        os.chmod(made, 0o711)
        yield made


async def test_one_of_two_spawners_fails(folder: str) -> None:
    """There is no image of a guest. What the other has begun is over by the time that this is told."""
    both = SplitSpawner(
        {engine: make(folder) for engine, make in zip(("spark", "duckdb"), MAKERS.values(), strict=True)}
    )
    with pytest.raises(CannotStart):
        await both.open()
    await both.close()
    assert os.listdir(folder) == []


@pytest.mark.parametrize("kind", MAKERS)
async def test_an_opening_that_is_given_up(folder: str, kind: str) -> None:
    for turns in TURNS:
        spawner = MAKERS[kind](folder)
        opening = asyncio.create_task(spawner.open())
        for _ in range(turns):
            await asyncio.sleep(0)
        opening.cancel()
        with suppress(asyncio.CancelledError, CannotStart):
            await opening
        await spawner.close()
        assert os.listdir(folder) == [], f"given up after {turns} turns"


async def test_a_zygote_that_is_given_up_while_its_process_starts(folder: str) -> None:
    before = open_sockets()
    spawner = MAKERS["process"](folder)
    opening = asyncio.create_task(spawner.open())
    for _ in iter(lambda: open_sockets() <= before, False):
        await asyncio.sleep(0)
    opening.cancel()
    with suppress(asyncio.CancelledError):
        await opening
    await spawner.close()
    assert os.listdir(folder) == []
    assert open_sockets() <= before


def open_sockets() -> set[str]:
    """Ours, by what they are called below `/proc`."""
    found = set()
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            found.add(os.readlink(f"/proc/self/fd/{descriptor}"))
    return {target for target in found if target.startswith("socket:")}
