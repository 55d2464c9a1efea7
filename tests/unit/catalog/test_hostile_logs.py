"""Logs as a machine that was taken over may leave them: nobody waits at its pipes, and no link leads to another's."""

import asyncio
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.checkpoint import make_checkpoint
from catalog.crews import Crews
from catalog.errors import UnreadableTable
from catalog.logfiles import LOG, MOST_COMMIT_BYTES, LocalLog
from catalog.names import TableName
from catalog.owner import find_owner
from catalog.replay import newest_version, read_commit, read_state
from catalog.snapshot_cache import SnapshotCache
from gateway.trees import scan_tree
from tests.lakes import field, local_log, write_log, write_table

NAME = TableName("public", "t")
COMMIT = f"{1:020}.json"
CHECKPOINT = f"{0:020}.checkpoint.parquet"
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
        read_commit(local_log(table), 1)
    (table / LOG / f"{2:020}.json").symlink_to(table / LOG / f"{0:020}.json")
    with pytest.raises(OSError, match="symbolic links"):
        read_commit(local_log(table), 2)
    with (table / LOG / f"{3:020}.json").open("wb") as file:
        file.truncate(MOST_COMMIT_BYTES + 1)
    with pytest.raises(ValueError, match="more than"):
        read_commit(local_log(table), 3)


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
