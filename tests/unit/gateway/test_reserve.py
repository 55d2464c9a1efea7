"""What becomes of a statement that writes while its volume runs full: `Volume` is as full as a test says."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from catalog.errors import DiskFull, QueryCanceled
from gateway import reserve
from gateway.copy.staging import Limit, Staging
from gateway.reserve import Reserve
from tests.unit.gateway.test_scratch import ROWS

LEAST = 1 << 30
KEPT = Reserve((Path("/"),), LEAST)
CANCELLED = QueryCanceled("canceling statement due to user request")


class Volume:
    """`free` bytes of it; what is told to `stop` is counted."""

    def __init__(self) -> None:
        self.free = 2 * LEAST
        self.stops = 0
        self.stopped = asyncio.Event()

    async def stop(self) -> None:
        self.stops += 1
        self.stopped.set()


@pytest.fixture
def volume(monkeypatch: pytest.MonkeyPatch) -> Volume:
    made = Volume()
    monkeypatch.setattr(reserve, "_free_bytes", lambda _folder: made.free)
    monkeypatch.setattr(reserve, "LOOK_SECONDS", 0.001)
    return made


async def write(volume: Volume, free: int, work: Callable[[], Awaitable[object]], error: Exception | None) -> None:
    """A statement that leaves so much free, and ends with that error when it is done."""
    async with KEPT.kept(volume.stop):
        volume.free = free
        await work()
        if error is not None:
            raise error


async def test_a_statement_is_ended_when_the_volume_runs_full(volume: Volume) -> None:
    with pytest.raises(DiskFull, match="the volume of the tables is full") as failure:
        await write(volume, LEAST - 1, volume.stopped.wait, CANCELLED)
    assert failure.value.detail == "Less than 1024 MiB are free, which are kept for what is under way."
    assert volume.stops == 1


async def test_one_that_does_not_end_is_left(volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reserve, "END_SECONDS", 0.001)
    with pytest.raises(DiskFull):
        await write(volume, 0, asyncio.Event().wait, None)


async def test_one_that_was_done_by_then_is_done(volume: Volume) -> None:
    await write(volume, 0, volume.stopped.wait, None)


async def test_a_cancel_of_the_users_is_one(volume: Volume) -> None:
    with pytest.raises(QueryCanceled):
        await write(volume, LEAST, partial(asyncio.sleep, 0), CANCELLED)
    assert volume.stops == 0


def test_no_load_fills_the_volume(tmp_path: Path, volume: Volume) -> None:
    volume.free = LEAST - 1
    (tmp_path / "w").mkdir()
    staging = Staging(str(tmp_path / "w" / "_staging" / "load"), ROWS.schema, Limit(1 << 20), reserve=KEPT)
    staging.open()
    staging.add(ROWS)
    with pytest.raises(DiskFull):
        staging.finish()
    staging.discard()
    assert not list((tmp_path / "w" / "_staging").iterdir())


def test_the_free_space_is_that_of_all_volumes(tmp_path: Path) -> None:
    """A folder that is not there yet is on none."""
    Reserve((tmp_path,), 1).with_workspace("new").require()
    with pytest.raises(DiskFull):
        Reserve((tmp_path / "new", tmp_path), 1 << 60).require()
