"""The pager on its own: real pages by a real userfaultfd, and VMMs that must not be left waiting."""

import asyncio
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from compute.spawners.firecracker.calls import Hardware
from compute.spawners.firecracker.pagers import Pager, open_pager
from compute.spawners.firecracker.templates import Template
from tests.conformance.firecracker.memory import write_memory

SIZE = 64 << 20
REPOSITORY = str(Path(__file__).parents[3])


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="lgfc-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
async def pager(folder: Path) -> AsyncIterator[Pager]:
    template = Template(folder, Hardware(1, SIZE >> 20, "quiet"))
    write_memory(template.memory, SIZE)
    opened = await open_pager(template, folder / "pagers")
    yield opened
    await opened.close()
    assert not opened.socket_path.exists()


async def run_vmm(pager: Pager, manner: str) -> int | None:
    """How a VMM of that manner ended; see `memory.main`."""
    program = ("-P", "-m", "tests.conformance.firecracker.memory", str(pager.socket_path), str(SIZE), manner)
    vmm = await asyncio.create_subprocess_exec(sys.executable, *program, env={"PYTHONPATH": REPOSITORY})
    return await vmm.wait()


async def test_pages_come_as_they_are_touched(pager: Pager) -> None:
    """All at once from several VMMs, each with a server of its own; one that is hostile hurts only itself."""
    manners = ("honest", "beyond", "honest", "honest")
    assert await asyncio.gather(*(run_vmm(pager, manner) for manner in manners)) == [0, -signal.SIGKILL, 0, 0]
    assert not pager.ended.done()


@pytest.mark.parametrize("manner", ["garbage", "partial", "nothing"])
async def test_a_vmm_that_would_wait_for_ever_is_killed(pager: Pager, manner: str) -> None:
    """Its mappings are none, do not cover what it touches, or come without a userfaultfd."""
    assert await run_vmm(pager, manner) == -signal.SIGKILL
