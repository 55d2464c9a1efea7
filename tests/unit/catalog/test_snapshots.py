"""Delta logs to snapshots: names, statistics, partition values, features, versions, errors. Real logs on disk."""

import asyncio
import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from catalog.errors import InvalidParameterValue, UnreadableTable
from catalog.names import TableName
from catalog.snapshot_cache import SnapshotCache
from tests.lakes import data_file, field, mapped_field, write_log, write_table

NAME = TableName("sales", "orders")
INLINE_VECTOR = "^Bg9^0rr910000000000iXQKl0rr91000315c8Xg00062"


@pytest.fixture
def cache() -> Iterator[SnapshotCache]:
    made = SnapshotCache()
    yield made
    made.close()


def data_sizes(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_size for path in folder.rglob("*.parquet")}


async def test_statistics_and_partitions(cache: SnapshotCache, tmp_path: Path) -> None:
    rows = {"id": [1, 2, 3], "day": [date(2024, 1, 1), date(2024, 1, 1), None], "note": ["a", None, "c"]}
    location = write_table(tmp_path, rows, partition_by=["day"])
    snapshot = await cache.read("demo", NAME, location)
    files = {row["partition.day"]: row for row in snapshot.files.to_pylist()}
    assert set(files) == {"2024-01-01", None}
    first = files["2024-01-01"]
    assert (first["min.id"], first["max.id"], first["null_count.note"], first["num_records"]) == (1, 2, 1, 2)
    assert {row["path"]: row["size_bytes"] for row in files.values()} == data_sizes(tmp_path)
    assert snapshot.size_bytes == sum(row["size_bytes"] for row in files.values())
    assert snapshot.partition_columns == ("day",)


async def test_column_mapping_gives_logical_names(cache: SnapshotCache, tmp_path: Path) -> None:
    """Physical names that are other columns' logical ones are where a wrong key shows."""
    fields = [
        mapped_field("a", "long", 1, "b"),
        mapped_field("b", "long", 2, "a"),
        mapped_field("p.q", "integer", 3, "c"),
    ]
    file = data_file(tmp_path, "f.parquet", {"b": [1, 2], "a": [10, None]}, partition={"c": "7"})
    location = write_log(tmp_path, fields, [file], mode="name", reader=2, partitions=["p.q"])
    snapshot = await cache.read("demo", NAME, location)
    (row,) = snapshot.files.to_pylist()
    assert (row["min.a"], row["max.a"], row["null_count.a"]) == (1, 2, 0)
    assert (row["min.b"], row["max.b"], row["null_count.b"]) == (10, 10, 1)
    assert row["partition.p.q"] == "7"
    assert [column.physical_name for column in snapshot.columns] == ["b", "a", "c"]
    assert snapshot.reader_features == {"columnMapping"}


async def test_partition_values_are_serialised(cache: SnapshotCache, tmp_path: Path) -> None:
    types = {"b": "boolean", "d": "decimal(10,2)", "t": "timestamp", "n": "timestamp_ntz", "f": "double", "s": "string"}
    values = {"b": "true", "d": "1.50", "t": "2024-01-02 03:04:05", "n": "2024-01-02 03:04:05", "f": "0.5", "s": "ü/%"}
    file = data_file(tmp_path, "f.parquet", {"x": [1]}, partition=values)
    fields = [field("x", "long"), *(field(name, kind) for name, kind in types.items())]
    location = write_log(tmp_path, fields, [file], partitions=list(types), reader=3, features=["timestampNtz"])
    (row,) = (await cache.read("demo", NAME, location)).files.to_pylist()
    expected = values | {"t": "2024-01-02 03:04:05.000000Z", "n": "2024-01-02 03:04:05.000000"}
    assert {name: row[f"partition.{name}"] for name in types} == expected


async def test_timestamp_bounds_hold_although_logs_cut_them(cache: SnapshotCache, tmp_path: Path) -> None:
    """Statistics keep milliseconds; the largest value may lie up to 999 microseconds above."""
    file = data_file(tmp_path, "f.parquet", {"x": [1]})
    bound = {"t": "2024-01-01T00:00:00.123Z"}
    file["stats"] = json.dumps({"numRecords": 1, "minValues": bound, "maxValues": bound, "nullCount": {"t": 0}})
    (row,) = (await cache.read("demo", NAME, write_log(tmp_path, [field("t", "timestamp")], [file]))).files.to_pylist()
    assert row["min.t"] == datetime(2024, 1, 1, 0, 0, 0, 123000, tzinfo=UTC)
    assert row["max.t"] == datetime(2024, 1, 1, 0, 0, 0, 123999, tzinfo=UTC)


async def test_paths_are_decoded(cache: SnapshotCache, tmp_path: Path) -> None:
    file = data_file(tmp_path, "a b%.parquet", {"x": [1]})
    location = write_log(tmp_path, [field("x", "long")], [file | {"path": "a%20b%25.parquet"}])
    assert (await cache.read("demo", NAME, location)).files["path"].to_pylist() == [f"{tmp_path}/a b%.parquet"]


async def test_uniform_needs_proof(cache: SnapshotCache, tmp_path: Path) -> None:
    even = await cache.read("demo", NAME, write_table(tmp_path / "even", {"a": [1], "b": ["x"]}))
    assert even.uniform
    grown = tmp_path / "grown"
    write_table(grown, {"a": [1]})
    write_table(grown, {"a": [1], "b": ["x"]}, mode="append", schema_mode="merge")
    assert not (await cache.read("demo", NAME, str(grown))).uniform
    blind = data_file(tmp_path / "blind", "f.parquet", {"a": [1]}, statistics=False)
    location = write_log(tmp_path / "blind", [field("a", "long")], [blind])
    assert not (await cache.read("demo", NAME, location)).uniform


async def test_new_commits_and_old_versions(cache: SnapshotCache, tmp_path: Path) -> None:
    location = write_table(tmp_path, {"a": [1]})
    first = await cache.read("demo", NAME, location)
    assert await cache.read("demo", NAME, location) == first
    write_table(tmp_path, {"a": [2]}, mode="append")
    second = await cache.read("demo", NAME, location)
    assert (first.version, second.version, second.files.num_rows) == (0, 1, 2)
    assert (await cache.read("demo", NAME, location, 0)).files.num_rows == 1
    for wrong in (2, -1):
        with pytest.raises(InvalidParameterValue, match=f"has no version {wrong}") as caught:
            await cache.read("demo", NAME, location, wrong)
        assert caught.value.hint == "It has the versions 0 to 1."


async def test_a_commit_within_the_clocks_tick_is_seen(cache: SnapshotCache, tmp_path: Path) -> None:
    location = write_table(tmp_path, {"a": [1]})
    first = await cache.read("demo", NAME, location)
    log = tmp_path / "_delta_log"
    before = log.stat()
    write_table(tmp_path, {"a": [2]}, mode="append")
    os.utime(log, ns=(before.st_atime_ns, before.st_mtime_ns))
    second = await cache.read("demo", NAME, location)
    assert (first.version, second.version) == (0, 1)
    assert await cache.read("demo", NAME, location) is second


@pytest.mark.parametrize("commits", [1, 2, 3])
async def test_a_table_made_anew_at_the_same_place_is_another(
    cache: SnapshotCache, tmp_path: Path, commits: int
) -> None:
    """However many commits it has: the one that was read had two."""
    location = write_table(tmp_path / "t", {"a": [1]})
    write_table(tmp_path / "t", {"a": [2]}, mode="append")
    await cache.read("demo", NAME, location)
    shutil.rmtree(tmp_path / "t")
    write_table(tmp_path / "t", {"b": ["x"]})
    for _ in range(commits - 1):
        write_table(tmp_path / "t", {"b": ["y"]}, mode="append")
    for version in (None, commits - 1):
        anew = await cache.read("demo", NAME, location, version)
        assert (anew.version, [column.name for column in anew.columns]) == (commits - 1, ["b"])
        assert sorted(anew.files["path"].to_pylist()) == sorted(data_sizes(tmp_path / "t"))


async def test_a_log_that_vanishes_is_noticed(cache: SnapshotCache, tmp_path: Path) -> None:
    location = write_table(tmp_path / "t", {"a": [1]})
    await cache.read("demo", NAME, location)
    shutil.move(tmp_path / "t" / "_delta_log", tmp_path / "aside")
    with pytest.raises(UnreadableTable):
        await cache.read("demo", NAME, location)
    shutil.move(tmp_path / "aside", tmp_path / "t" / "_delta_log")
    assert (await cache.read("demo", NAME, location)).version == 0


async def test_unknown_features_are_reported_not_raised(cache: SnapshotCache, tmp_path: Path) -> None:
    features = ["columnMapping", "fromTheFuture"]
    location = write_log(tmp_path, [mapped_field("a", "long", 1, "p1")], reader=3, features=features, mode="name")
    snapshot = await cache.read("demo", NAME, location)
    assert snapshot.reader_features == set(features)
    assert not snapshot.readable
    assert snapshot.files.num_rows == 0
    assert [column.name for column in snapshot.columns] == ["a"]


@pytest.mark.parametrize("damage", ["no folder", "no log", "empty log", "broken commit", "no metadata"])
async def test_damaged_logs(cache: SnapshotCache, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "t"
    if damage != "no folder":
        (folder / "_delta_log").mkdir(parents=True)
    if damage == "no log":
        (folder / "_delta_log").rmdir()
    if damage == "broken commit":
        (folder / "_delta_log" / f"{0:020}.json").write_text("{ not JSON")
    if damage == "no metadata":
        (folder / "_delta_log" / f"{0:020}.json").write_text('{"commitInfo": {}}')
    with pytest.raises(UnreadableTable, match="the Delta log of table") as caught:
        await cache.read("demo", NAME, str(folder))
    assert caught.value.hint == "Restore the files, or drop the table."


async def test_an_old_version_is_read_first(cache: SnapshotCache, tmp_path: Path) -> None:
    for number in range(3):
        location = write_table(tmp_path, {"a": [number]}, mode="append")
    assert (await cache.read("demo", NAME, location, 1)).files.num_rows == 2
    assert (await cache.read("demo", NAME, location)).files.num_rows == 3


async def test_deletion_vectors_are_noticed(cache: SnapshotCache, tmp_path: Path) -> None:
    """Rows 0 and 2 deleted, as the protocol's inline form (a 64-bit Roaring bitmap array in base 85)."""
    vector = {"storageType": "i", "pathOrInlineDv": INLINE_VECTOR, "sizeInBytes": 36, "cardinality": 2}
    for folder, more, present in ((tmp_path / "a", {}, False), (tmp_path / "b", {"deletionVector": vector}, True)):
        file = data_file(folder, "f.parquet", {"a": [1, 2, 3]}) | more
        location = write_log(folder, [field("a", "long")], [file], reader=3, features=["deletionVectors"])
        snapshot = await cache.read("demo", NAME, location)
        assert snapshot.has_deletion_vectors is present
        assert snapshot.reader_features == {"deletionVectors"}


async def test_many_readers_at_once(cache: SnapshotCache, tmp_path: Path) -> None:
    location = write_table(tmp_path, pa.table({"a": [1]}))
    read = await asyncio.gather(*(cache.read("demo", NAME, location) for _ in range(50)))
    assert {snapshot.version for snapshot in read} == {DeltaTable(location).version()}
    assert all(snapshot == read[0] for snapshot in read)
