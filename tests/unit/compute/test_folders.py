"""Run folders: what a killed gateway left is removed, what a living one holds is not."""

from pathlib import Path

from compute.spawners.folders import LOCK, RunFolder, remove_abandoned


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
