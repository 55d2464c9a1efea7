"""A machine that was taken over writes links, pipes and forged commits below its workspace's folder: what lies outside
is neither shown, nor written to, nor removed."""

import json
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from catalog.beneath import by_descriptor, walk
from catalog.clone import write_clone
from catalog.commit import withdraw
from catalog.landing import Landing
from catalog.replay import LogState
from tests.lakes import commit_path

PART = "part-0.parquet"
LATER = 99
"""A version that the log has not come to."""


class Scene:
    """Two workspaces, each with a table of one file, and a block in one of them that has written another."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.table, self.victim = root / "thief" / "public" / "t", root / "victim" / "public" / "kept"
        for table in (self.table, self.victim):
            commit_path(table, 0).parent.mkdir(parents=True)
            commit_path(table, 0).write_text("{}\n")
            (table / PART).write_text(f"rows of {table.name}")
        self.block = root / "thief" / "_blocks" / "x"
        self.clone = self.block / "0"
        self.clone.mkdir(parents=True)
        (self.clone / "part-1.parquet").write_text("new rows")
        self.landing = Landing(self.block, str(self.table))

    def forge(self, location: Path, *paths: str) -> None:
        """A commit that has not happened, and where it was tried."""
        (self.block / "table.json").write_text(json.dumps({"location": str(location), "version": LATER}))
        (self.block / "commit.json").write_text("".join(json.dumps({"add": {"path": path}}) + "\n" for path in paths))

    def outside(self) -> dict[str, str]:
        folder = self.root / "victim"
        return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """Nothing outside is another at the end, and no descriptor is left."""
    scene = Scene(tmp_path)
    before, open_before = scene.outside(), os.listdir("/proc/self/fd")
    yield scene
    assert scene.outside() == before
    assert os.listdir("/proc/self/fd") == open_before


def test_a_commit_of_files(scene: Scene) -> None:
    scene.landing.note(1)
    scene.landing.write_commit(["{}\n"])
    scene.landing.add([("0/part-1.parquet", "a%20folder/part-1.parquet")])
    assert (scene.table / "a folder" / "part-1.parquet").samefile(scene.clone / "part-1.parquet")
    assert scene.landing.put(0) is False
    assert scene.landing.put(1) is True
    assert scene.landing.newest() == 1
    scene.landing.take_back()
    assert (scene.table / "a folder" / "part-1.parquet").exists()


def planted_folder(scene: Scene) -> str:
    (scene.clone / "d").symlink_to(scene.victim)
    return f"0/d/{PART}"


def planted_clone(scene: Scene) -> str:
    (scene.block / "1").symlink_to(scene.victim)
    return f"1/{PART}"


def planted_file(scene: Scene) -> str:
    (scene.clone / "link").symlink_to(scene.victim / PART)
    return "0/link"


def planted_pipe(scene: Scene) -> str:
    os.mkfifo(scene.clone / "pipe")
    return "0/pipe"


@pytest.mark.parametrize(
    "plant",
    [
        planted_folder,
        planted_clone,
        planted_file,
        planted_pipe,
        lambda scene: f"0/../../../../victim/public/kept/{PART}",
        lambda scene: str(scene.victim / PART),
    ],
)
def test_no_other_file_is_put_into_the_table(scene: Scene, plant: Callable[[Scene], str]) -> None:
    with pytest.raises(OSError, match=r"Not a directory|symbolic links|no file|goes up|outside"):
        scene.landing.add([(plant(scene), "got")])
    assert {path.name for path in scene.table.iterdir()} == {"_delta_log", PART}


@pytest.mark.parametrize(
    "path", ["e/00000000000000000001.json", "../../../victim/public/kept/new", "%2E%2E/new", "/new"]
)
def test_no_file_is_put_outside_the_table(scene: Scene, path: str) -> None:
    (scene.table / "e").symlink_to(scene.victim / "_delta_log")
    with pytest.raises(OSError, match=r"Not a directory|goes up|outside"):
        scene.landing.add([("0/part-1.parquet", path)])
    assert (scene.clone / "part-1.parquet").stat().st_nlink == 1


@pytest.mark.parametrize("depth", range(3))
def test_no_commit_is_put_into_anothers_log(scene: Scene, depth: int) -> None:
    """With a link in the log's place, in the table's, and in its schema's."""
    scene.landing.write_commit(["{}\n"])
    own, theirs = (commit_path(table, 0).parents[depth] for table in (scene.table, scene.victim))
    own.rename(scene.root / "away")
    own.symlink_to(theirs)
    with pytest.raises(NotADirectoryError):
        scene.landing.put(1)


@pytest.mark.parametrize("name", ["commit.json", "commit.unfinished"])
def test_no_file_is_written_over(scene: Scene, name: str) -> None:
    (scene.block / name).symlink_to(scene.victim / PART)
    scene.landing.write_commit(["own\n"])
    assert (scene.block / "commit.json").read_text() == "own\n"
    assert not (scene.block / "commit.json").is_symlink()


def test_no_clone_is_made_elsewhere(scene: Scene) -> None:
    (scene.root / "victim" / "empty").mkdir()
    (scene.block / "1").symlink_to(scene.root / "victim" / "empty")
    with pytest.raises(NotADirectoryError):
        write_clone(scene.block / "1", LogState(0, {}, {}, {}), scene.table)
    assert list((scene.root / "victim" / "empty").iterdir()) == []


def test_names_outside_the_workspace_stay(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.clone.rename(scene.block / "away")
    scene.clone.symlink_to(scene.victim)
    scene.forge(scene.victim, PART, "_delta_log/00000000000000000000.json")
    with caplog.at_level(logging.WARNING):
        withdraw(scene.block)
    assert "outside its workspace" in caplog.text


def test_names_behind_links_stay(scene: Scene) -> None:
    """In a folder of the table's, and with a link for the clone to say that all of it is the block's."""
    (scene.table / "d").symlink_to(scene.victim)
    scene.clone.rename(scene.block / "away")
    scene.clone.mkdir()
    (scene.clone / "d").symlink_to(scene.victim)
    (scene.block / "1").symlink_to(scene.table)
    os.link(scene.block / "away" / "part-1.parquet", scene.table / "part-1.parquet")
    scene.forge(scene.table, f"d/{PART}", PART, "part-1.parquet")
    withdraw(scene.block)
    assert (scene.table / PART).exists()
    assert not (scene.table / "part-1.parquet").exists()


def test_a_table_behind_a_link_keeps_its_names(scene: Scene) -> None:
    link = scene.table.with_name("u")
    link.symlink_to(scene.victim)
    (scene.block / "1").symlink_to(scene.victim)
    for location in (link, scene.table / ".." / ".." / ".." / "victim" / "public" / "kept"):
        scene.forge(location, PART)
        with pytest.raises(OSError, match=r"Not a directory|goes up"):
            withdraw(scene.block)


def test_a_block_behind_a_link_is_none(scene: Scene) -> None:
    scene.forge(scene.table, PART)
    scene.block.with_name("y").symlink_to(scene.block)
    with pytest.raises(NotADirectoryError):
        withdraw(scene.block.with_name("y"))


@pytest.mark.parametrize("name", ["table.json", "commit.json"])
def test_a_pipe_holds_nobody_up(scene: Scene, name: str) -> None:
    scene.forge(scene.table, PART)
    (scene.block / name).unlink()
    os.mkfifo(scene.block / name)
    with pytest.raises(PermissionError, match="no file"):
        withdraw(scene.block)


@pytest.mark.parametrize("name", ["table.json", "commit.json"])
def test_no_more_is_read_than_a_commit_has(scene: Scene, name: str) -> None:
    scene.forge(scene.table, PART)
    os.truncate(scene.block / name, 1 << 36)
    with pytest.raises(ValueError, match=r"JSON|Extra data|Expecting|delimiter"):
        withdraw(scene.block)


@pytest.mark.parametrize("path", [".", "x"])
@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_a_block_that_is_said_by_a_descriptor(scene: Scene, path: str, is_elsewhere: bool) -> None:
    """As a sweep does; the workspace is the one that it lies in, also where an admin has put all elsewhere."""
    landing = scene.landing
    if is_elsewhere:
        (scene.root / "data").symlink_to(scene.root)
        landing = Landing(scene.root / "data" / "thief" / "_blocks" / "x", str(scene.root / "data/thief/public/t"))
    landing.note(1)
    landing.write_commit([json.dumps({"add": {"path": "part-1.parquet"}})])
    landing.add([("0/part-1.parquet", "part-1.parquet")])
    assert (scene.table / "part-1.parquet").exists()
    with walk(scene.block.parent, path) as place:
        withdraw(by_descriptor(place) / ("x" if path == "." else "."))
    assert not (scene.table / "part-1.parquet").exists()


def test_a_block_that_was_moved_up_is_none(scene: Scene) -> None:
    """Two folders above it lie all workspaces."""
    scene.forge(scene.victim, PART)
    with walk(scene.block) as place:
        scene.block.rename(scene.root / "thief" / "x")
        with pytest.raises(PermissionError):
            withdraw(by_descriptor(place))


def test_a_table_that_an_admin_keeps_elsewhere(scene: Scene) -> None:
    elsewhere = scene.root / "elsewhere"
    scene.table.rename(elsewhere)
    (scene.root / "spelling").symlink_to(elsewhere.parent)
    landing = Landing(scene.block, str(scene.root / "spelling" / "elsewhere"))
    landing.write_commit([json.dumps({"add": {"path": "a/part-1.parquet"}})])
    landing.add([("0/part-1.parquet", "a/part-1.parquet")])
    landing.take_back()
    assert list((elsewhere / "a").iterdir()) == []
    (elsewhere / "e").symlink_to(scene.victim)
    with pytest.raises(NotADirectoryError):
        landing.add([("0/part-1.parquet", "e/part-1.parquet")])
