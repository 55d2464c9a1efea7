"""Scans in the DuckDB lane: physical names, partition values, absent columns, old timestamps, missing files."""

import dataclasses
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalog.errors import UnreadableTable
from catalog.scans import DataFile, Scan, ScanColumn
from compute.lease import Lease
from tests.fix_compute import ROWS, ask, scan

pytestmark = pytest.mark.asyncio(loop_scope="module")
NEW_YEAR = datetime(2020, 1, 1, 12, tzinfo=UTC)


async def test_all_files_are_read(lease: Lease, points: Scan) -> None:
    sql = "SELECT count(*) AS n, sum(id) AS total FROM scan_0"
    assert await ask(lease, sql, scans=[points]) == [{"n": ROWS, "total": ROWS * (ROWS - 1) // 2}]


async def test_relations_of_statements_do_not_clash(lease: Lease, points: Scan) -> None:
    empty = dataclasses.replace(points, files=(), digest="empty")
    for tables, count in [((points,), ROWS), ((empty,), 0), ((points,), ROWS)]:
        assert await ask(lease, "SELECT count(*) AS n FROM scan_0", scans=tables) == [{"n": count}]


async def test_an_empty_scan_is_typed(lease: Lease) -> None:
    columns = (ScanColumn("id", "id", "long", False), ScanColumn("day", "day", "date", True))
    answer = await lease.execute("SELECT * FROM s", scans=[Scan("s", "/t", 0, columns, (), True, "e")])
    assert answer.schema == pa.schema([("id", pa.int64()), ("day", pa.date32())])
    assert [batch async for batch in answer] == []


async def test_one_small_file_needs_no_second_thread(lease: Lease, points: Scan) -> None:
    sql = "SELECT any_value(current_setting('threads')) AS threads FROM scan_0"
    all_threads = await ask(lease, "SELECT current_setting('threads') AS threads")
    large = dataclasses.replace(points.files[0], size=1 << 30)
    for files, alone in [((points.files[0],), True), ((large,), False), (points.files[:1] * 2, False)]:
        some = dataclasses.replace(points, files=files, digest=f"{len(files)} of {files[0].size}")
        found = await ask(lease, sql, scans=[some])
        assert found == ([{"threads": 1}] if alone else all_threads)
    assert all_threads != [{"threads": 1}]


def write(folder: Path, name: str, table: pa.Table, **options: object) -> str:
    folder.mkdir(exist_ok=True)
    pq.write_table(table, folder / name, **options)
    return str(folder / name)


@pytest.mark.parametrize("partitions", [3, 40])
async def test_partition_values_come_from_the_log(lease: Lease, warehouse: Path, partitions: int) -> None:
    """Never from the path, though it may look like Hive's."""
    folder = warehouse / f"partitioned-{partitions}"
    values = [None, *(f"2020-01-{day % 28 + 1:02d}" for day in range(1, partitions))]
    table = pa.table({"col-1": [1, 2]})
    paths = [write(folder, f"part=wrong-{number}.parquet", table) for number in range(partitions)]
    files = tuple(DataFile(path, 1, (value, "a'b")) for path, value in zip(paths, values, strict=True))
    columns = (
        ScanColumn("day", "col-3", "date", True),
        ScanColumn("Id", "col-1", "long", False),
        ScanColumn("part", "col-2", "string", True),
    )
    found = await ask(
        lease, 'SELECT * FROM s WHERE "Id" = 2 ORDER BY day NULLS FIRST',
        scans=[Scan("s", str(folder), 1, columns, files, True, f"p{partitions}")],
    )  # fmt: skip
    days = sorted(date.fromisoformat(value) for value in values if value)
    assert found == [{"day": day, "Id": 2, "part": "a'b"} for day in [None, *days]]


async def test_absent_columns_are_null(lease: Lease, warehouse: Path) -> None:
    folder = warehouse / "evolved"
    write(folder, "1.parquet", pa.table({"id": [1]}))
    write(folder, "2.parquet", pa.table({"id": [2], "added": ["x"]}))
    evolved = scan(folder, {"id": "long", "added": "string", "never": "double"}, uniform=False)
    assert await ask(lease, "SELECT * FROM scan_0 ORDER BY id", scans=[evolved]) == [
        {"id": 1, "added": None, "never": None},
        {"id": 2, "added": "x", "never": None},
    ]


async def test_timestamps_are_utc_whatever_the_time_zone(lease: Lease, warehouse: Path) -> None:
    """INT96 has no zone, and a session's time zone must not become it: also where old and new files are mixed."""
    table = pa.table({"moment": pa.array([NEW_YEAR], pa.timestamp("us", "UTC"))})
    naive = pa.table({"moment": table["moment"].cast(pa.timestamp("us"))})
    write(warehouse / "int96", "1.parquet", naive, use_deprecated_int96_timestamps=True)
    write(warehouse / "mixed", "1.parquet", naive, use_deprecated_int96_timestamps=True)
    write(warehouse / "mixed", "2.parquet", table)
    write(warehouse / "mixed-too", "1.parquet", table)
    write(warehouse / "mixed-too", "2.parquet", naive, use_deprecated_int96_timestamps=True)
    for folder in ("int96", "mixed", "mixed-too"):
        for uniform in (True, False):
            for zone in ("UTC", "Asia/Tokyo"):
                asked = scan(warehouse / folder, {"moment": "timestamp"}, uniform=uniform)
                sql = "SELECT DISTINCT epoch(moment)::BIGINT AS seconds FROM scan_0"
                found = await ask(lease, sql, scans=[asked], settings={"TimeZone": zone})
                assert found == [{"seconds": int(NEW_YEAR.timestamp())}], (folder, uniform, zone)


async def test_missing_files_name_the_table(lease: Lease, points: Scan) -> None:
    gone = dataclasses.replace(
        points, location="/tables/gone", files=(DataFile(points.location + "/gone.parquet", 1, ()),), digest="gone"
    )
    with pytest.raises(UnreadableTable, match="/tables/gone"):
        await ask(lease, "SELECT * FROM scan_0", scans=[gone])


async def test_damaged_files_name_the_table(lease: Lease, warehouse: Path) -> None:
    folder = warehouse / "damaged"
    folder.mkdir()
    (folder / "1.parquet").write_bytes(b"PAR1 this is no Parquet file")
    with pytest.raises(UnreadableTable, match="damaged"):
        await ask(lease, "SELECT * FROM scan_0", scans=[scan(folder, {"id": "long"})])
