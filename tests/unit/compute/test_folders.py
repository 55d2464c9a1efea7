"""Run folders: what a killed gateway left is removed, what a living one holds is not."""

import os
from pathlib import Path

from compute.spawners.folders import LOCK, RunFolder, hand_over, remove_abandoned


def test_the_dead_are_swept_and_the_living_kept(tmp_path: Path) -> None:
    dead = tmp_path / "lakegate-run-dead"
    dead.mkdir()
    (dead / LOCK).touch()
    foreign = tmp_path / "lakegate-run-foreign"
    foreign.mkdir()
    living = RunFolder(str(tmp_path))
    remove_abandoned(str(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {"lakegate-run-foreign", Path(living.path).name}
    living.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["lakegate-run-foreign"]


def test_hand_over_takes_all_below_and_no_link_elsewhere(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.touch()
    folder = tmp_path / "warehouse" / "table"
    folder.mkdir(parents=True)
    (folder / "file").touch()
    (folder / "link").symlink_to(outside)
    uid = 64023 if os.geteuid() == 0 else os.geteuid()
    hand_over(tmp_path / "warehouse", uid)
    assert {path.lstat().st_uid for path in (tmp_path / "warehouse").rglob("*")} == {uid}
    assert outside.stat().st_uid == os.geteuid()
    hand_over(tmp_path / "warehouse", None)
