"""The overflow: order kept, memory bounded, errors and ends passed on."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from compute.engines.spark.overflow import Overflow

BATCHES = [pa.record_batch({"n": [number] * 1000}) for number in range(50)]


def filled(folder: Path, memory_bytes: int) -> Overflow:
    overflow = Overflow(folder, memory_bytes)
    overflow.fill(BATCHES)
    return overflow


@pytest.mark.parametrize("memory_bytes", [0, 20_000, 1 << 30])
def test_batches_come_back_in_order(tmp_path: Path, memory_bytes: int) -> None:
    assert [batch["n"][0].as_py() for batch in filled(tmp_path, memory_bytes)] == list(range(50))


def test_what_is_beyond_the_bound_lies_in_a_file(tmp_path: Path) -> None:
    overflow = filled(tmp_path, 20_000)
    before = pa.total_allocated_bytes()
    assert sum(batch.num_rows for batch in overflow) == 50_000
    assert pa.total_allocated_bytes() - before < 100_000


def test_reading_and_writing_at_once(tmp_path: Path) -> None:
    overflow = Overflow(tmp_path, 10_000)
    producer = threading.Thread(target=overflow.fill, args=(BATCHES,))
    producer.start()
    assert [batch["n"][0].as_py() for batch in overflow] == list(range(50))
    producer.join()


def test_an_error_is_raised_after_the_batches_before_it(tmp_path: Path) -> None:
    def failing() -> Iterator[pa.RecordBatch]:
        yield BATCHES[0]
        raise ValueError("no more")

    overflow = Overflow(tmp_path, 0)
    overflow.fill(failing())
    batches = iter(overflow)
    assert next(batches).equals(BATCHES[0])
    with pytest.raises(ValueError, match="no more"):
        next(batches)


def test_closing_ends_both_sides(tmp_path: Path) -> None:
    taken = []

    def counting() -> Iterator[pa.RecordBatch]:
        for batch in BATCHES:
            taken.append(batch)
            if len(taken) == 3:
                overflow.close()
            yield batch

    overflow = Overflow(tmp_path, 0)
    overflow.fill(counting())
    assert len(taken) == 3
    assert list(overflow) == []
    assert list(tmp_path.iterdir()) == []
