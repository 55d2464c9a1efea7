"""The spool keeps order within its bounds, on disk only what nobody can read, and hands on the writer's error."""

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import DiskFull, DivisionByZero, ObjectNotInPrerequisiteState
from gateway.config import Limits
from gateway.spool import Retention, Spool
from gateway.storage import Storage
from tests.processes import until

ROWS = 100
SECRET = "a secret that stands in every row"
LARGE = 1 << 30


def batch(number: int, rows: int = ROWS) -> pa.RecordBatch:
    return pa.record_batch({"n": pa.array([number] * rows, pa.int64()), "secret": [SECRET] * rows})


SIZE = batch(0).get_total_buffer_size()


def storage(folder: Path, memory: int = LARGE, disk: int = LARGE, gateway_disk: int = LARGE) -> Storage:
    return Storage(
        folder / "spool",
        Limits(
            spool_bytes=memory,
            spool_disk_bytes=disk,
            spool_gateway_bytes=LARGE,
            spool_gateway_disk_bytes=gateway_disk,
        ),
    )


async def fill(spool: Spool, numbers: Iterable[int]) -> None:
    for number in numbers:
        await spool.put(batch(number))


async def number_at(spool: Spool, row: int) -> int | None:
    found = await spool.read(row)
    return None if found is None else found.column(0)[0].as_py()


@pytest.mark.parametrize("memory", [LARGE, 3 * SIZE, 1], ids=["memory", "both", "disk"])
async def test_rows_come_out_in_order_and_then_the_end(tmp_path: Path, memory: int) -> None:
    kept = storage(tmp_path, memory)
    spool = Spool(kept.open())
    await fill(spool, range(9))
    spool.finish()
    assert [await number_at(spool, row) for row in range(0, 900, 50)] == [n for n in range(9) for _ in range(2)]
    assert await number_at(spool, 900) is None
    assert not spool.holds
    assert (kept.memory_used, kept.disk_used) == (0, 0)


async def test_a_full_spool_makes_the_writer_wait_until_the_reader_has_made_room(tmp_path: Path) -> None:
    kept = storage(tmp_path, memory=2 * SIZE, disk=0)
    spool = Spool(kept.open())
    await fill(spool, range(2))
    waiting = asyncio.create_task(spool.put(batch(2)))
    await asyncio.sleep(0)
    assert not waiting.done()
    assert await number_at(spool, ROWS) == 1
    await asyncio.wait_for(waiting, 10)
    assert kept.memory_used == 2 * SIZE


async def test_the_gateway_bounds_all_its_sessions_and_room_given_back_by_one_serves_another(tmp_path: Path) -> None:
    kept = storage(tmp_path, memory=0, gateway_disk=3 * SIZE)
    one, other = (Spool(kept.open(), Retention.ALL) for _ in range(2))
    await one.put(batch(0))
    waiting = asyncio.create_task(fill(other, range(3)))
    assert await number_at(other, 0) == 0
    assert not waiting.done()
    assert 2 * SIZE < kept.disk_used <= 3 * SIZE
    waiting.cancel()
    one.close()
    other.close()
    assert kept.disk_used == 0


async def test_a_batch_above_every_bound_passes_alone(tmp_path: Path) -> None:
    spool = Spool(storage(tmp_path, memory=1, disk=1).open())
    await spool.put(batch(7))
    got = await spool.read(0)
    assert got is not None
    assert got.num_rows == ROWS


@pytest.mark.parametrize("memory", [LARGE, 0], ids=["memory", "disk"])
async def test_the_reader_gets_what_is_held_before_the_error(tmp_path: Path, memory: int) -> None:
    spool = Spool(storage(tmp_path, memory).open())
    await spool.put(batch(1))
    spool.finish(DivisionByZero("division by zero"))
    assert await number_at(spool, 0) == 1
    with pytest.raises(DivisionByZero):
        await spool.read(ROWS)


async def test_a_waiting_reader_wakes_at_the_end(tmp_path: Path) -> None:
    spool = Spool(storage(tmp_path).open())
    reading = asyncio.create_task(spool.read(0))
    await asyncio.sleep(0)
    spool.finish()
    assert await asyncio.wait_for(reading, 10) is None


async def test_kept_rows_that_cannot_fit_are_an_error_for_who_waits_for_more(tmp_path: Path) -> None:
    spool = Spool(storage(tmp_path, memory=SIZE, disk=0).open(), Retention.ALL)
    filling = asyncio.create_task(fill(spool, range(2)))
    assert await number_at(spool, 0) == 0
    assert not filling.done()
    reading = asyncio.create_task(spool.read(ROWS))
    with pytest.raises(DiskFull):
        await filling
    spool.finish(filling.exception())
    with pytest.raises(DiskFull):
        await reading
    assert await number_at(spool, 0) == 0


async def test_spare_rows_go_when_others_need_the_room(tmp_path: Path) -> None:
    spool = Spool(storage(tmp_path, memory=2 * SIZE, disk=0).open(), Retention.SPARE)
    filling = asyncio.create_task(fill(spool, range(4)))
    assert [await number_at(spool, row) for row in (0, ROWS)] == [0, 1]
    assert [await number_at(spool, row) for row in (2 * ROWS, 3 * ROWS, 2 * ROWS)] == [2, 3, 2]
    await filling
    with pytest.raises(ObjectNotInPrerequisiteState, match="cursor can only scan forward"):
        await spool.read_back(ROWS - 1)


async def test_all_rows_wait_for_the_end_of_the_query(tmp_path: Path) -> None:
    spool = Spool(storage(tmp_path, memory=SIZE).open(), Retention.ALL)
    completing = asyncio.create_task(spool.complete())
    await fill(spool, range(5))
    spool.finish()
    assert await completing == 5 * ROWS
    assert [await number_at(spool, row) for row in (450, 0, 250)] == [4, 0, 2]
    assert (await spool.read_back(250)).num_rows == 51


def spool_files(folder: Path) -> list[str]:
    """What this process has open below it."""
    links = Path("/proc/self/fd")
    found = []
    for link in links.iterdir():
        try:
            target = os.readlink(link)
        except FileNotFoundError:
            continue
        if target.startswith(f"{folder}/"):
            found.append(target)
    return found


async def test_files_have_no_name_hold_nothing_plain_and_go_with_their_rows(tmp_path: Path) -> None:
    spool = Spool(storage(tmp_path, memory=0).open())
    await fill(spool, range(30))
    (link,) = spool_files(tmp_path)
    assert link.endswith("(deleted)")
    assert list((tmp_path / "spool").iterdir()) == []
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700
    content = os.pread(descriptor_of_spool(tmp_path), 100 * SIZE, 0)
    assert len(content) > 29 * SIZE
    for plain in (SECRET.encode(), b"secret", b"ARROW", (7).to_bytes(8, "little") * 8):
        assert plain not in content
    assert len({content[at : at + 16] for at in range(0, len(content) - 16, 16)}) == len(
        range(0, len(content) - 16, 16)
    )
    spool.finish()
    assert await spool.read(30 * ROWS) is None
    await asyncio.to_thread(until, lambda: not spool_files(tmp_path))


def descriptor_of_spool(folder: Path) -> int:
    """Of the only one below that folder."""
    links = Path("/proc/self/fd").iterdir()
    return next(int(link.name) for link in links if os.path.islink(link) and os.readlink(link).startswith(f"{folder}/"))


async def test_what_was_changed_on_disk_is_not_taken_for_rows(tmp_path: Path) -> None:
    spool = Spool(storage(tmp_path, memory=0).open())
    await fill(spool, range(2))
    descriptor = descriptor_of_spool(tmp_path)
    size = os.fstat(descriptor).st_size
    first, second = os.pread(descriptor, size // 2, 0), os.pread(descriptor, size // 2, size // 2)
    os.pwrite(descriptor, second + first, 0)
    with pytest.raises(Exception, match=r"^$") as refused:
        await spool.read(0)
    assert type(refused.value).__name__ == "InvalidTag"
    spool.close()


async def test_a_frame_of_many_pieces(tmp_path: Path) -> None:
    large = pa.record_batch({"n": pa.array(range(500_000), pa.int64())})
    spool = Spool(storage(tmp_path, memory=0).open())
    await spool.put(large)
    assert await spool.read(0) == large
    assert await spool.read(400_000) == large.slice(400_000)


@given(st.lists(st.tuples(st.integers(0, 60), st.booleans()), max_size=40), st.integers(0, 8), st.integers(1, 12))
def test_any_row_can_be_read_any_number_of_times(reads: list[tuple[int, bool]], in_memory: int, rows: int) -> None:
    """Against the plain list of rows, whatever lies in memory and whatever on disk."""

    async def run(folder: Path) -> None:
        kept = storage(folder, memory=in_memory * batch(0, rows).get_total_buffer_size())
        spool = Spool(kept.open(), Retention.ALL)
        for number in range(5):
            await spool.put(batch(number, rows))
        spool.finish()
        model = [number for number in range(5) for _ in range(rows)]
        for row, back in reads:
            if back and row < len(model):
                found = (await spool.read_back(row)).column(0).to_pylist()
                assert found == [n for n in model[: row + 1] if n == model[row]]
            else:
                got = await spool.read(row)
                expected = [n for n in model[row:] if n == model[row]] if row < len(model) else None
                assert (None if got is None else got.column(0).to_pylist()) == expected
        spool.close()
        assert (kept.memory_used, kept.disk_used) == (0, 0)

    with TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))
