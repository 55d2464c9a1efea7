"""The spool keeps order, waits when full, and hands on the writer's error."""

import asyncio

import pyarrow as pa
import pytest

from catalog.errors import DivisionByZero
from gateway.spool import Spool


def batch(number: int) -> pa.RecordBatch:
    return pa.record_batch({"n": pa.array([number] * 100, pa.int64())})


async def test_batches_come_out_in_order_and_then_the_end() -> None:
    spool = Spool(1 << 20)
    for number in range(5):
        await spool.put(batch(number))
    spool.finish()
    seen = []
    while (got := await spool.get()) is not None:
        seen.append(got.column(0)[0].as_py())
    assert seen == [0, 1, 2, 3, 4]
    assert spool.held == 0


async def test_a_full_spool_makes_the_writer_wait_until_the_reader_has_made_room() -> None:
    spool = Spool(batch(0).nbytes * 2)
    await spool.put(batch(0))
    await spool.put(batch(1))
    waiting = asyncio.create_task(spool.put(batch(2)))
    await asyncio.sleep(0)
    assert not waiting.done()
    await spool.get()
    await asyncio.wait_for(waiting, 10)
    assert spool.held == batch(0).nbytes * 2


async def test_a_batch_above_the_limit_passes_alone() -> None:
    spool = Spool(1)
    await spool.put(batch(7))
    got = await spool.get()
    assert got is not None
    assert got.num_rows == 100


async def test_the_reader_gets_what_is_held_before_the_error() -> None:
    spool = Spool(1 << 20)
    await spool.put(batch(1))
    spool.finish(DivisionByZero("division by zero"))
    assert await spool.get() is not None
    with pytest.raises(DivisionByZero):
        await spool.get()


async def test_a_waiting_reader_wakes_at_the_end() -> None:
    spool = Spool(1 << 20)
    reading = asyncio.create_task(spool.get())
    await asyncio.sleep(0)
    spool.finish()
    assert await asyncio.wait_for(reading, 10) is None
