"""DuckDB over files that lie with the host: through the guest's endpoint, the channel and the host's range server."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalog.errors import InsufficientPrivilege, QueryCanceled, UnreadableTable
from catalog.scans import DataFile, Scan, ScanColumn
from compute.lease import Lease
from compute.transport import Frame
from tests.fix_compute import FILES, ROWS, ask, rows
from tests.fix_remote import remote_lease

SUM = "SELECT count(*) AS n, sum(id) AS total FROM scan_0"


@pytest.fixture
async def lease(warehouse: Path, tmp_path: Path) -> AsyncIterator[Lease]:
    async with remote_lease(warehouse, tmp_path) as lent:
        yield lent


async def test_all_files_are_read(lease: Lease, points: Scan) -> None:
    assert await ask(lease, SUM, scans=[points]) == [{"n": ROWS, "total": ROWS * (ROWS - 1) // 2}]
    assert (await lease.describe("SELECT name FROM scan_0", scans=[points])).names == ["name"]


async def test_what_was_read_is_not_asked_for_again(lease: Lease, points: Scan) -> None:
    asked = watch_reads(lease)
    await ask(lease, SUM, scans=[points])
    first = len(asked)
    await ask(lease, SUM, scans=[points])
    await ask(lease, "SELECT max(id) AS id FROM scan_0", scans=[points])
    assert len(asked) == first > FILES


async def test_odd_names_mapped_columns_and_partition_values(lease: Lease, warehouse: Path) -> None:
    folder = warehouse / "odd"
    folder.mkdir()
    paths = [folder / f"day=2020-01-0{day}" / f"a b%20{day}?#'\"é.parquet" for day in (1, 2)]
    for path in paths:
        path.parent.mkdir()
        pq.write_table(pa.table({"col-1": [1, 2]}), path)
    files = tuple(DataFile(str(path), path.stat().st_size, (f"1999-0{n}-01",)) for n, path in enumerate(paths, 1))
    columns = (ScanColumn("day", "col-2", "date", True), ScanColumn("Id", "col-1", "long", False))
    odd = Scan("s", str(folder), 1, columns, files, True, "odd / digest")
    found = await ask(
        lease, 'SELECT day::VARCHAR AS day, sum("Id")::INT AS n FROM s GROUP BY ALL ORDER BY 1', scans=[odd]
    )
    assert found == [{"day": "1999-01-01", "n": 3}, {"day": "1999-02-01", "n": 3}]


async def test_a_file_that_is_gone_names_its_table(lease: Lease, points: Scan) -> None:
    gone = dataclasses.replace(points.files[0], path=f"{points.location}/vacuumed.parquet")
    lost = dataclasses.replace(points, files=(gone,), digest="lost")
    with pytest.raises(UnreadableTable, match=points.location):
        await ask(lease, SUM, scans=[lost])
    assert await ask(lease, "SELECT 1 AS one") == [{"one": 1}]


async def test_a_file_outside_the_workspace_is_not_read(lease: Lease, points: Scan) -> None:
    outside = dataclasses.replace(points, files=(DataFile("/etc/passwd", 1000, ()),), digest="outside")
    with pytest.raises(UnreadableTable):
        await ask(lease, SUM, scans=[outside])


@pytest.mark.parametrize("path", ["/etc/passwd", "http://127.0.0.1:1/x", "s3://bucket/x"])
async def test_the_engine_opens_nothing_else(lease: Lease, path: str) -> None:
    with pytest.raises(InsufficientPrivilege):
        await ask(lease, f"SELECT * FROM read_text('{path}')")


async def test_a_reader_that_is_slow_stops_nothing_for_ever(lease: Lease, points: Scan) -> None:
    """Batches fill the channel while the engine still needs bytes: neither waits for the other."""
    wide = "SELECT a.id, repeat(a.name, 40) AS text FROM scan_0 a, range(8) b"
    answer = await lease.execute(wide, scans=[points])
    await anext(answer)
    await happens(lambda: lease.read_ahead > 1 << 20)
    assert len(await rows(answer)) > 7 * ROWS


async def test_a_cancel_does_not_wait_for_a_read(lease: Lease, points: Scan) -> None:
    asked = watch_reads(lease, answered=False)
    running = asyncio.create_task(lease.execute(SUM, scans=[points]))
    await happens(lambda: bool(asked))
    await lease.cancel()
    with pytest.raises(QueryCanceled):
        await running


async def happens(event: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not event():  # noqa: ASYNC110 (what is awaited tells nobody)
            await asyncio.sleep(0.01)


def watch_reads(lease: Lease, *, answered: bool = True) -> list[Frame]:
    """The READs that the guest sends from now on."""
    connection = lease._connection
    serve, seen = connection.on_read, []

    def on_read(frame: Frame) -> None:
        seen.append(frame)
        if answered:
            serve(frame)

    connection.on_read = on_read
    return seen
