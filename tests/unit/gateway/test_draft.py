"""A draft by itself: what it goes back to, what it leaves, and whose files it makes."""

import os
import shutil
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from catalog.commit import Origin, withdraw
from catalog.errors import FeatureNotSupported, SerializationFailure
from catalog.names import TableName
from catalog.snapshot_cache import SnapshotCache
from gateway.draft import Draft
from gateway.scratch import Scratch, sweep_all

NAME = TableName("tpch", "orders")
STRANGER = 54_321


class Scene:
    """A table of one row, and a draft of it. `given_back` and `forgotten` are what the draft has given back."""

    def __init__(self, root: Path) -> None:
        self.table, self.blocks = root / "demo" / "orders", root / "demo" / "_blocks"
        append(self.table, 1)
        self.given_back: list[str] = []
        self.forgotten: list[str] = []

    async def draft(self) -> Draft:
        held = AsyncExitStack()
        held.callback(self.given_back.append, "turn")
        table, place = DeltaTable(self.table), (str(self.table), str(self.table.parent))
        origin = Origin(NAME, *place, str(table.metadata().id), table.version(), strict=False)
        draft = Draft(origin, Scratch(str(self.blocks / "b"), withdraw), held, self.forgotten.append)
        await draft.open()
        return draft

    def content(self) -> list[int]:
        return sorted(DeltaTable(self.table).to_pyarrow_table().column("n").to_pylist())


def append(folder: str | Path, *numbers: int) -> None:
    write_deltalake(folder, pa.table({"n": numbers}), mode="append")


def add_column(folder: str, name: str) -> None:
    write_deltalake(folder, pa.table({"n": [2], name: [2]}), mode="append", schema_mode="merge")


def columns(folder: str | Path) -> list[str]:
    return [field.name for field in DeltaTable(folder).schema().fields]


async def commit(draft: Draft) -> None:
    await draft.prepare()
    await draft.commit()
    await draft.finish()


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


async def test_what_was_rolled_back_is_not_committed(scene: Scene) -> None:
    draft = await scene.draft()
    append(draft.location, 2)
    mark = draft.mark()
    append(draft.location, 3)
    later = draft.mark()
    await draft.go_back(mark)
    append(draft.location, 4)
    assert later.clone == mark.clone != draft.mark().clone
    await draft.go_back(draft.mark())
    await commit(draft)
    await draft.discard()
    assert scene.content() == [1, 2, 4]
    assert DeltaTable(scene.table).version() == 1
    assert DeltaTable(scene.table).history(1)[0]["operationParameters"] == {"writes": "2"}
    assert list(scene.blocks.iterdir()) == []
    assert scene.given_back == ["turn"]
    assert len(scene.forgotten) == 3


async def test_columns_go_back_too(scene: Scene) -> None:
    draft = await scene.draft()
    add_column(draft.location, "kept")
    mark = draft.mark()
    add_column(draft.location, "lost")
    await draft.go_back(mark)
    assert columns(draft.location) == ["n", "kept"]
    await commit(draft)
    await draft.discard()
    assert columns(scene.table) == ["n", "kept"]


async def test_a_commit_keeps_its_only_writes_name(scene: Scene) -> None:
    draft = await scene.draft()
    append(draft.location, 2)
    await commit(draft)
    await draft.discard()
    assert DeltaTable(scene.table).history(1)[0]["operation"] == "WRITE"


async def test_what_was_prepared_and_not_committed_is_gone(scene: Scene) -> None:
    files = set(scene.table.rglob("*"))
    draft = await scene.draft()
    append(draft.location, 2)
    await draft.prepare()
    assert set(scene.table.rglob("*")) > files
    await draft.discard()
    assert set(scene.table.rglob("*")) == files
    assert list(scene.blocks.iterdir()) == []


async def test_every_tenth_version_has_a_checkpoint(scene: Scene) -> None:
    for number in range(8):
        append(scene.table, number)
    for number in (8, 9):
        draft = await scene.draft()
        append(draft.location, number)
        await commit(draft)
        await draft.discard()
    assert DeltaTable(scene.table).version() == 10
    assert (scene.table / "_delta_log" / f"{10:020}.checkpoint.parquet").exists()
    assert len(scene.content()) == 11


async def test_a_checkpoint_that_cannot_be_made_fails_no_commit(scene: Scene) -> None:
    for number in range(9):
        append(scene.table, number)
    draft = await scene.draft()
    append(draft.location, 9)
    (scene.table / "_delta_log" / f"{10:020}.checkpoint.parquet").mkdir()
    await commit(draft)
    await draft.discard()
    assert DeltaTable(scene.table).version() == 10


async def test_what_cannot_be_cloned_leaves_nothing(scene: Scene) -> None:
    DeltaTable(scene.table).alter.set_table_properties({"delta.enableChangeDataFeed": "true"})
    with pytest.raises(FeatureNotSupported):
        await scene.draft()
    assert not scene.blocks.exists()


async def test_a_table_made_anew_is_another(scene: Scene) -> None:
    draft, snapshots = await scene.draft(), SnapshotCache()
    draft.require_table(await snapshots.read("demo", NAME, str(scene.table)))
    shutil.rmtree(scene.table)
    append(scene.table, 1)
    append(scene.table.with_name("elsewhere"), 1)
    for location in (scene.table, scene.table.with_name("elsewhere")):
        with pytest.raises(SerializationFailure, match="concurrent update"):
            draft.require_table(await snapshots.read("demo", NAME, str(location)))
    snapshots.close()
    await draft.discard()


async def test_a_table_elsewhere_is_refused_at_the_first_write(scene: Scene) -> None:
    """Where the test is root: of another user, and on a file system in memory."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
        append(other, 1)
        elsewhere = Scene(scene.blocks.parents[1])
        elsewhere.table = Path(other)
        with pytest.raises(FeatureNotSupported, match="on another file system"):
            await elsewhere.draft()
    if os.geteuid() == 0:
        give(scene.table, STRANGER)
        with pytest.raises(FeatureNotSupported, match="of another user"):
            await scene.draft()
    assert not scene.blocks.exists()


async def test_what_nobody_holds_is_swept_away(scene: Scene, tmp_path: Path) -> None:
    draft = await scene.draft()
    sweep_all(tmp_path, "_blocks", withdraw)
    assert len(list(scene.blocks.iterdir())) == 1
    draft._scratch._lock.close()
    sweep_all(tmp_path, "_blocks", withdraw)
    assert list(scene.blocks.iterdir()) == []
    await draft.discard()


async def test_what_cannot_be_cleared_refuses_nobody(scene: Scene, tmp_path: Path) -> None:
    """A commit that is none, and a file that is nobody's; neither keeps the next block away."""
    broken = scene.blocks / "broken"
    broken.mkdir(parents=True)
    for name in ("_lock", "commit.json", "table.json"):
        (broken / name).write_text("{")
    (scene.blocks / "a file").touch()
    sweep_all(tmp_path, "_blocks", withdraw)
    draft = await scene.draft()
    await draft.discard()
    assert {path.name for path in scene.blocks.iterdir()} == {"broken", "a file"}
    assert scene.given_back == ["turn"]


@pytest.mark.parametrize("name", ["without its lock", ".not locked yet"])
async def test_what_has_no_lock_is_swept_once_it_is_old(scene: Scene, tmp_path: Path, name: str) -> None:
    left = scene.blocks / name
    left.mkdir(parents=True)
    (left / "table.json").touch()
    sweep_all(tmp_path, "_blocks", withdraw)
    assert left.exists()
    os.utime(left, (0, 0))
    sweep_all(tmp_path, "_blocks", withdraw)
    assert not left.exists()


def test_a_link_leads_no_sweep_to_anothers_folder(scene: Scene, tmp_path: Path) -> None:
    """A machine writes below its workspace's folder, and could put one there."""
    schema = tmp_path / "victim" / "public"
    schema.mkdir(parents=True)
    os.utime(schema, (0, 0))
    scene.blocks.parent.mkdir(exist_ok=True)
    scene.blocks.symlink_to(schema.parent)
    sweep_all(tmp_path, "_blocks", withdraw)
    assert schema.exists()
    with pytest.raises(OSError, match="_blocks"):
        Scratch(str(scene.blocks / "mine")).open()
    assert list(schema.parent.iterdir()) == [schema]


async def test_a_folder_that_cannot_be_cleared_is_let_go(scene: Scene, tmp_path: Path) -> None:
    draft = await scene.draft()
    (Path(draft.location).parent / "commit.json").mkdir()
    (Path(draft.location).parent / "table.json").mkdir()
    await draft.discard()
    assert scene.given_back == ["turn"]
    (Path(draft.location).parent / "commit.json").rmdir()
    sweep_all(tmp_path, "_blocks", withdraw)
    assert list(scene.blocks.iterdir()) == []


def give(folder: Path, owner: int) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, owner, -1)


async def test_files_are_the_table_owners(passable_folder: Path) -> None:
    """Where the gateway is root; where it is not, the table's owner is itself."""
    owner = STRANGER if os.geteuid() == 0 else os.geteuid()
    scene = Scene(passable_folder / "owned")
    give(scene.table.parent, owner)
    DeltaTable(scene.table).alter.set_table_properties({"delta.checkpointInterval": "1"})
    give(scene.table, owner)
    draft = await scene.draft()
    assert {path.stat().st_uid for path in scene.blocks.rglob("*")} == {owner}
    append(draft.location, 2)
    give(Path(draft.location), owner)
    await commit(draft)
    await draft.discard()
    assert scene.content() == [1, 2]
    assert list(scene.table.glob("_delta_log/*.checkpoint.parquet"))
    assert {path.stat().st_uid for path in scene.table.rglob("*")} == {owner}
