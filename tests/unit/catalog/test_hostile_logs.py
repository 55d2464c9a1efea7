"""Logs as a machine that was taken over may leave them: nobody waits at its pipes, and no link leads to another's."""

import asyncio
import contextlib
import itertools
import json
import multiprocessing
import os
import resource
import shutil
import string
import struct
import threading
import tracemalloc
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from catalog.checkpoint import make_checkpoint
from catalog.confined import MOST_MEMORY, run_confined
from catalog.crews import Crews
from catalog.errors import ProgramLimitExceeded, UnreadableTable
from catalog.local import OpenLog, open_log
from catalog.logfiles import LOG, LONGEST_LINE, MOST_COMMIT_BYTES, LocalLog
from catalog.names import TableName
from catalog.owner import find_owner
from catalog.rehearsal import MOST_LIGHT_BYTES
from catalog.replay import newest_version, read_commit, read_state
from catalog.snapshot_cache import SnapshotCache
from gateway.trees import scan_tree
from tests.lakes import field, local_log, write_log, write_table

NAME = TableName("public", "t")
COMMIT = f"{1:020}.json"
CHECKPOINT = f"{0:020}.checkpoint.parquet"
SPARE_BYTES = 1 << 30
"""That a process gets to read a hostile log with: delta-rs' threads reserve most of it, and use little."""
MEGABYTE = 1 << 20
PROTOCOL = pa.struct({"minReaderVersion": pa.int32(), "minWriterVersion": pa.int32()})
STRINGS = pa.map_(pa.string(), pa.string())
METADATA = pa.struct(
    {
        "id": pa.string(),
        "schemaString": pa.string(),
        "partitionColumns": pa.list_(pa.string()),
        "format": pa.struct({"provider": pa.string(), "options": STRINGS}),
        "configuration": STRINGS,
    }
)
Z85 = f"{string.digits}{string.ascii_lowercase}{string.ascii_uppercase}.-:+=^!/*?&<>()[]{{}}@%$#"
ADD = {"partitionValues": {}, "size": 1, "modificationTime": 1, "dataChange": True, "stats": '{"numRecords":1}'}
EVERY_COLUMN = '"configuration": {"delta.dataSkippingNumIndexedCols": "-1"}'
"""Has statistics."""
WAITED_FOR = ("_last_checkpoint", COMMIT, CHECKPOINT, "other", "_sidecars/one.parquet")


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[SnapshotCache]:
    made = SnapshotCache(warehouse_root=str(tmp_path))
    yield made
    made.close()


def table_at(folder: Path) -> Path:
    return Path(write_table(folder, {"id": [1, 2]}))


def put_pipe(table: Path, name: str) -> None:
    path = table / LOG / name
    path.parent.mkdir(exist_ok=True)
    os.mkfifo(path)


def put_link(table: Path, name: str, other: Path) -> None:
    """To what has that name from another table on."""
    place, target = (Path(os.path.normpath(each / name)) for each in (table, other))
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    place.symlink_to(target)


def put_bomb(table: Path) -> None:
    """A checkpoint that repeats one value until it is more than a rehearsal's memory, and is a few hundred kilobytes:
    a column of Parquet says it once."""
    lines = (table / LOG / f"{0:020}.json").read_text().splitlines()
    (created,) = (json.loads(line)["metaData"] for line in lines if "metaData" in line)
    count = MOST_MEMORY // MEGABYTE + 100
    stats = pa.array([json.dumps({"numRecords": 1, "x": "x" * MEGABYTE})])
    add = {
        "path": pa.array([f"{number}.parquet" for number in range(count)]),
        "partitionValues": pa.array([[]] * count, STRINGS),
        "size": pa.array([1] * count),
        "modificationTime": pa.array([1] * count),
        "dataChange": pa.array([True] * count),
        "stats": pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), stats),
    }
    definition = {"id": created["id"], "schemaString": created["schemaString"], "partitionColumns": []}
    definition |= {"format": {"provider": "parquet", "options": []}, "configuration": []}
    columns = {
        "protocol": pa.array([{"minReaderVersion": 1, "minWriterVersion": 2}] * count, PROTOCOL),
        "metaData": pa.array([definition] * count, METADATA),
        "add": pa.StructArray.from_arrays(list(add.values()), list(add)),
    }
    pq.write_table(pa.table(columns), table / LOG / CHECKPOINT, compression="zstd")


def encode_z85(content: bytes) -> str:
    """As the Delta protocol writes deletion vectors: base 85 in ZeroMQ's alphabet."""
    words = struct.unpack(f">{len(content) // 4}I", content)
    return "".join(Z85[word // 85**place % 85] for word in words for place in range(4, -1, -1))


def read_snapshot_of(warehouse: str, location: str) -> None:
    cache = SnapshotCache(warehouse_root=warehouse)
    asyncio.run(cache.read("thief", NAME, location))


def replay_log_of(warehouse: str, location: str) -> None:
    read_state(LocalLog(warehouse, location), 0)


def read_sparingly(read: Callable[[str, str], None], warehouse: str, location: str) -> tuple[str, str | None]:
    """How a read fails in a process that cannot take more memory."""
    with open("/proc/self/statm") as file:
        taken = int(file.read().split()[0]) * resource.getpagesize()
    _, allowed = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (taken + SPARE_BYTES, allowed))
    try:
        read(warehouse, location)
    except (ProgramLimitExceeded, UnreadableTable) as error:
        return error.sqlstate, error.detail
    return "", None


@pytest.mark.parametrize("name", WAITED_FOR)
async def test_pipes(cache: SnapshotCache, tmp_path: Path, name: str) -> None:
    """In a log that is new to the cache, and in one that it keeps."""
    table = table_at(tmp_path / "thief" / "t")
    kept = await cache.read("thief", NAME, str(table))
    put_pipe(table, name)
    (table / LOG / "new").touch()
    for version in (None, kept.version + 1):
        with pytest.raises(UnreadableTable) as failure:
            await cache.read("thief", NAME, str(table), version)
        assert f"{Path(name).name!r} in it is no file" in str(failure.value.detail)


@pytest.mark.parametrize("name", [COMMIT, CHECKPOINT])
def test_pipes_that_are_replayed(tmp_path: Path, name: str) -> None:
    table = table_at(tmp_path / "t")
    put_pipe(table, name)
    with pytest.raises(UnreadableTable):
        read_state(local_log(table), 1)


def test_a_commit_that_is_a_pipe_a_link_or_too_large(tmp_path: Path) -> None:
    table = table_at(tmp_path / "t")
    put_pipe(table, COMMIT)
    with pytest.raises(PermissionError):
        list(read_commit(local_log(table), 1))
    (table / LOG / f"{2:020}.json").symlink_to(table / LOG / f"{0:020}.json")
    with pytest.raises(OSError, match="symbolic links"):
        list(read_commit(local_log(table), 2))
    with (table / LOG / f"{3:020}.json").open("wb") as file:
        file.truncate(LONGEST_LINE + 1)
    with pytest.raises(ValueError, match="in a line"):
        list(read_commit(local_log(table), 3))


def test_a_commit_is_read_line_by_line(tmp_path: Path) -> None:
    """Of one that is as large as may be, and more, no more than a line is held."""
    table = table_at(tmp_path / "t")
    line = (json.dumps({"txn": {"appId": "x" * MEGABYTE}}) + "\n").encode()
    with (table / LOG / COMMIT).open("wb") as file:
        file.writelines(itertools.repeat(line, MOST_COMMIT_BYTES // len(line) + 1))
    tracemalloc.start()
    with pytest.raises(ValueError, match="more than"):
        deque(read_commit(local_log(table), 1), maxlen=0)
    assert tracemalloc.get_traced_memory()[1] < 8 * MEGABYTE
    tracemalloc.stop()


@pytest.mark.parametrize("linked", [".", LOG, "..", f"{LOG}/{0:020}.json"])
async def test_links_to_another_workspace(cache: SnapshotCache, tmp_path: Path, linked: str) -> None:
    """At the table, its log, the folder that it lies in, or in its log."""
    victim, thief = table_at(tmp_path / "victim" / "s" / "t"), tmp_path / "thief" / "s" / "t"
    shutil.copytree(victim, thief)
    kept = await cache.read("thief", NAME, str(thief))
    put_link(thief, linked, victim)
    for seen in (cache, SnapshotCache(warehouse_root=str(tmp_path))):
        with pytest.raises(UnreadableTable, match="cannot be read"):
            await seen.read("thief", NAME, str(thief))
    if linked != f"{LOG}/{0:020}.json":
        with pytest.raises(UnreadableTable):
            scan_tree(kept)


async def test_pipes_in_a_log_that_delta_rs_refuses(cache: SnapshotCache, tmp_path: Path) -> None:
    table = tmp_path / "ws" / "t"
    write_log(table, [field("id", "long")], reader=3, features=["unheardOf"])
    assert not (await cache.read("ws", NAME, str(table))).readable
    put_pipe(table, COMMIT)
    with pytest.raises(UnreadableTable):
        await cache.read("ws", NAME, str(table))


async def test_links_of_the_administrator(tmp_path: Path) -> None:
    """A workspace's folder, and what lies in none, may be elsewhere; the log of such a table may not."""
    table, elsewhere = table_at(tmp_path / "disk" / "s" / "t"), tmp_path / "elsewhere"
    warehouse = tmp_path / "warehouse"
    warehouse.mkdir()
    (warehouse / "ws").symlink_to(tmp_path / "disk")
    elsewhere.symlink_to(table)
    cache, another = (SnapshotCache(warehouse_root=str(warehouse)) for _ in range(2))
    for location in (warehouse / "ws" / "s" / "t", elsewhere):
        assert len(scan_tree(await cache.read("ws", NAME, str(location))).files) == 2
    (table / LOG).rename(tmp_path / "log")
    (table / LOG).symlink_to(tmp_path / "log")
    with pytest.raises(UnreadableTable):
        await another.read("ws", NAME, str(elsewhere))


@pytest.mark.parametrize("linked", [".", LOG, ".."])
def test_no_checkpoint_and_no_replay_by_links(tmp_path: Path, caplog: pytest.LogCaptureFixture, linked: str) -> None:
    """At the table, its log, or the folder that it lies in."""
    victim, thief = table_at(tmp_path / "victim" / "s" / "t"), table_at(tmp_path / "thief" / "s" / "t")
    put_link(thief, linked, victim)
    log = LocalLog(tmp_path / "thief", thief)
    make_checkpoint(log, 0, find_owner(thief))
    assert "no checkpoint" in caplog.text
    assert newest_version(local_log(victim)) == 0
    assert not (victim / LOG / CHECKPOINT).exists()
    with pytest.raises(NotADirectoryError):
        newest_version(log)
    with pytest.raises(UnreadableTable, match="cannot be read"):
        read_state(log, 0)


def test_a_checkpoint_is_made_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    table = table_at(tmp_path / "ws" / "t")
    make_checkpoint(LocalLog(tmp_path / "ws", table), 0, find_owner(table))
    assert not caplog.records
    assert (table / LOG / CHECKPOINT).is_file()
    assert (table / LOG / "_last_checkpoint").is_file()


@pytest.mark.parametrize("read", [read_snapshot_of, replay_log_of])
def test_a_checkpoint_that_takes_all_memory(tmp_path: Path, read: Callable[[str, str], None]) -> None:
    table = table_at(tmp_path / "thief" / "t")
    put_bomb(table)
    assert (table / LOG / CHECKPOINT).stat().st_size < MEGABYTE
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as processes:
        sqlstate, detail = processes.submit(read_sparingly, read, str(tmp_path), str(table)).result()
    assert sqlstate == "54000"
    assert detail == f"with {CHECKPOINT!r} in it: it takes more than {MOST_MEMORY >> 20} MiB of memory"


async def test_a_deletion_vector_that_takes_all_memory(tmp_path: Path) -> None:
    """It lies in a commit, deletes one row, and the readers keep a byte for each row before that: Spark does not."""
    table = tmp_path / "thief" / "t"
    rows = struct.pack("<IIHHIH", 12346, 1, 0, 0, 16, 0)
    content = struct.pack("<IQI", 1681511377, 1, 0x3000) + rows
    vector = {
        "storageType": "i",
        "pathOrInlineDv": encode_z85(content + bytes(-len(content) % 4)),
        "sizeInBytes": len(content),
        "cardinality": 1,
    }
    add = {"path": "a", "partitionValues": {}, "size": 1, "modificationTime": 1, "dataChange": True}
    write_log(table, [field("id", "long")], [{**add, "deletionVector": vector}], reader=3, features=["deletionVectors"])
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as processes:
        failure = processes.submit(read_sparingly, read_snapshot_of, str(tmp_path), str(table)).result()
    assert failure == ("", None)
    with contextlib.closing(SnapshotCache(warehouse_root=str(tmp_path))) as cache:
        assert (await cache.read("thief", NAME, str(table))).has_deletion_vectors


async def test_columns_times_files_that_take_all_memory(cache: SnapshotCache, tmp_path: Path) -> None:
    """A megabyte of a commit: the readers keep statistics of each column for each file."""
    table, count = tmp_path / "thief" / "t", 5000
    columns = [field(f"c{number}", "long") for number in range(count)]
    write_log(table, columns, [{"path": f"{number}", **ADD} for number in range(count)])
    commit = table / LOG / f"{0:020}.json"
    commit.write_text(commit.read_text().replace('"configuration": {}', EVERY_COLUMN))
    with pytest.raises(ProgramLimitExceeded) as failure:
        await cache.read("thief", NAME, str(table))
    assert failure.value.detail == f"with {commit.name!r} in it: it takes more than {MOST_MEMORY >> 20} MiB of memory"
    assert "OPTIMIZE" in str(failure.value.hint)


async def test_columns_times_files_in_two_steps(
    cache: SnapshotCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many columns for one file, then few bytes of very many files: the gateway reads them after a rehearsal only."""
    rehearsals = []

    def count(module: str, *arguments: object, most_seconds: float) -> str | None:
        rehearsals.append(module)
        return run_confined(module, *arguments, most_seconds=most_seconds)

    monkeypatch.setattr("catalog.rehearsal.run_confined", count)
    table, bare = (
        tmp_path / "thief" / "t",
        {"partitionValues": {}, "size": 1, "modificationTime": 1, "dataChange": True},
    )
    write_log(table, [field(f"c{number}", "long") for number in range(1500)], [{"path": "first", **bare}])
    assert (await cache.read("thief", NAME, str(table))).files.num_rows == 1
    for version, files in ((1, 1), (2, 2500)):
        adds = [json.dumps({"add": {"path": f"{version}-{number}", **bare}}) for number in range(files)]
        (table / LOG / f"{version:020}.json").write_text("\n".join(adds))
        assert (table / LOG / f"{version:020}.json").stat().st_size <= MOST_LIGHT_BYTES
        assert not rehearsals
        await cache.read("thief", NAME, str(table))
    assert rehearsals == ["catalog.opening"]


async def test_what_is_swapped_after_its_rehearsal_is_not_read(
    cache: SnapshotCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = table_at(tmp_path / "thief" / "t")
    make_checkpoint(local_log(table), 0, find_owner(table))

    def run_and_swap(module: str, *arguments: object, most_seconds: float) -> str | None:
        told = run_confined(module, *arguments, most_seconds=most_seconds)
        (table / LOG / CHECKPOINT).write_bytes(b"none")
        (table / LOG / COMMIT).write_text("none")
        return told

    monkeypatch.setattr("catalog.rehearsal.run_confined", run_and_swap)
    assert (await cache.read("thief", NAME, str(table))).files.num_rows == 1


async def test_a_checkpoint_of_many_files(cache: SnapshotCache, tmp_path: Path) -> None:
    """Of which each has the statistics that engines write."""
    table, count = tmp_path / "ws" / "t", 50_000
    stats = json.dumps({"numRecords": 1, "minValues": {"id": 1}, "maxValues": {"id": 2}, "nullCount": {"id": 0}})
    add = {"partitionValues": {}, "size": 1, "modificationTime": 1, "dataChange": True, "stats": stats}
    write_log(table, [field("id", "long")], [{"path": f"{number}.parquet", **add} for number in range(count)])
    DeltaTable(str(table)).create_checkpoint()
    (table / LOG / f"{0:020}.json").unlink()
    assert (await cache.read("ws", NAME, str(table))).files.num_rows == count
    assert len(read_state(local_log(table), 0).files) == count


async def test_what_hangs_is_its_own_workspaces() -> None:
    """And is given up in time, by whoever waits for a thread as well."""
    crews, released = Crews(most_seconds=0.05), threading.Event()
    try:
        hanging = [crews.run("thief", released.wait) for _ in range(20)]
        outcomes = await asyncio.gather(*hanging, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {UnreadableTable}
        assert await crews.run("victim", lambda: "read") == "read"
    finally:
        released.set()
        crews.close()


async def test_logs_that_nobody_has_asked_for_lately_are_let_go(
    cache: SnapshotCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are read as a whole when somebody does; one log may take what it takes."""
    opened = []

    def note(log: LocalLog, version: int | None = None) -> OpenLog:
        opened.append(Path(log.location).name)
        return open_log(log, version)

    monkeypatch.setattr("catalog.snapshot_cache.MOST_LOG_BYTES", 0)
    monkeypatch.setattr("catalog.snapshot_cache.open_log", note)
    one, two = (table_at(tmp_path / "ws" / name) for name in ("one", "two"))
    for table in (one, one, two, one):
        write_table(table, {"id": [3]}, mode="append")
        await cache.read("ws", NAME, str(table))
    assert opened == ["one", "two", "one"]
