"""Folders for what is under way, where a machine has planted what leads elsewhere, or never ends: it is the owner of
the workspace's folder, and the gateway may be root."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from gateway.copy.staging import FILE, Limit, Staging
from gateway.scratch import Scratch, sweep_all
from gateway.temporary.loans import _write_log

ROWS = pa.record_batch({"a": ["a line for somebody's file"]})
OWNER = 54_321 if os.geteuid() == 0 else os.geteuid()


@pytest.fixture
def workspace(passable_folder: Path) -> Iterator[Path]:
    """Beside a folder of somebody else's, who has a file in it."""
    with tempfile.TemporaryDirectory(dir=passable_folder) as name:
        root = Path(name)
        root.chmod(0o777)
        (root / "other" / "folder").mkdir(parents=True)
        (root / "other" / "file").write_text("precious")
        (root / "demo").mkdir()
        os.chown(root / "demo", OWNER, -1)
        yield root / "demo"


def content(folder: Path) -> dict[str, str]:
    return {str(path): path.read_text() if path.is_file() else "" for path in folder.rglob("*")}


def stage(workspace: Path) -> Staging:
    staging = Staging(str(workspace / "_staging" / "load"), ROWS.schema, Limit(1 << 20))
    staging.open()
    staging.add(ROWS)
    return staging


def write(staging: Staging) -> None:
    staging.finish()
    _write_log(staging, ROWS.schema)


def replace_all(workspace: Path) -> Path:
    """The machine gives what lies there another name; what comes by the old one is its own."""
    (workspace / "_staging").rename(workspace / "away")
    own = workspace / "_staging" / "load"
    own.mkdir(parents=True)
    return own


def test_what_is_written_is_the_owners(workspace: Path) -> None:
    staging = stage(workspace)
    write(staging)
    written = list(workspace.rglob("*"))
    assert {path.name for path in written} > {"_staging", "load", FILE, "_delta_log", f"{0:020}.json"}
    assert {path.stat().st_uid for path in written} == {OWNER}
    staging.discard()
    assert list((workspace / "_staging").iterdir()) == []


def test_a_load_goes_through_no_link_that_has_its_folders_name(workspace: Path) -> None:
    staging, other = stage(workspace), workspace.parent / "other"
    before = content(other)
    own = replace_all(workspace)
    (own / FILE).symlink_to(other / "file")
    (own / "_delta_log").symlink_to(other / "folder")
    write(staging)
    staging.discard()
    assert content(other) == before
    assert list((workspace / "away").iterdir()) == []
    assert (own / FILE).is_symlink()


@pytest.mark.parametrize(("name", "target"), [(FILE, "file"), ("_delta_log", "folder")])
def test_a_load_goes_through_no_link_in_its_folder(workspace: Path, name: str, target: str) -> None:
    staging, other = stage(workspace), workspace.parent / "other"
    before = content(other)
    (workspace / "_staging" / "load" / name).symlink_to(other / target)
    with pytest.raises((FileExistsError, NotADirectoryError)):
        write(staging)
    staging.discard()
    assert content(other) == before
    assert list((workspace / "_staging").iterdir()) == []


def test_no_link_leads_a_removal_elsewhere(workspace: Path) -> None:
    staging, other = stage(workspace), workspace.parent / "other"
    before = content(other)
    (workspace / "_staging").rename(workspace / "away")
    (workspace / "_staging").symlink_to(other)
    (other / "load").mkdir()
    staging.discard()
    (other / "load").rmdir()
    assert content(other) == before


def pipe(folder: Path, other: Path) -> None:
    os.mkfifo(folder / "_lock")


def link(folder: Path, other: Path) -> None:
    (folder / "_lock").symlink_to(other / "file")


def link_to_pipe(folder: Path, other: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "_lock").symlink_to("pipe")


def folder_as_lock(folder: Path, other: Path) -> None:
    (folder / "_lock").mkdir()


def deep(folder: Path, other: Path) -> None:
    (folder / "_lock").touch()
    (folder / Path(*"d" * 250)).mkdir(parents=True)


@pytest.mark.parametrize("plant", [pipe, link, link_to_pipe, folder_as_lock, deep])
def test_what_is_planted_keeps_no_sweep_from_the_others(workspace: Path, plant: Callable[[Path, Path], None]) -> None:
    other = workspace.parent / "other"
    before = content(other)
    for name in ("a", "planted", "z"):
        (workspace / "_staging" / name).mkdir(parents=True)
    for name in ("a", "z"):
        (workspace / "_staging" / name / "_lock").touch()
        os.mkfifo(workspace / "_staging" / name / "pipe")
        (workspace / "_staging" / name / "link").symlink_to(other)
    plant(workspace / "_staging" / "planted", other)
    (workspace / "_staging" / "folder").symlink_to(other)
    give(workspace)
    sweep_all(workspace.parent, "_staging")
    assert {path.name for path in (workspace / "_staging").iterdir()} == {"planted", "folder"}
    scratch = Scratch(str(workspace / "_staging" / "load"))
    scratch.open()
    scratch.discard()
    assert content(other) == before


def test_one_that_cannot_be_looked_through_is_passed_over(workspace: Path) -> None:
    for name, target in (("another", "other"), ("broken", "nowhere")):
        (workspace.parent / name).mkdir()
        (workspace.parent / name / "_staging").symlink_to(workspace.parent / target)
    os.mkfifo(workspace.parent / "pipe")
    left = workspace / "_staging" / "left"
    left.mkdir(parents=True)
    (left / "_lock").touch()
    give(workspace)
    sweep_all(workspace.parent, "_staging")
    assert not left.exists()


def test_a_sweep_acts_as_the_workspaces_owner(workspace: Path) -> None:
    """Whoever the owner of what lies there is by now."""
    left = workspace / "_staging" / "left"
    left.mkdir(parents=True)
    (left / "_lock").touch()
    give(workspace)
    os.chown(workspace / "_staging", os.geteuid(), -1)
    made = workspace.parent / "made"
    sweep_all(workspace.parent, "_staging", lambda folder: made.touch())
    assert made.stat().st_uid == OWNER


def give(workspace: Path) -> None:
    for path in workspace.rglob("*"):
        os.chown(path, OWNER, -1, follow_symlinks=False)
