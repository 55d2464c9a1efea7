"""Run folders: what a killed gateway left is reaped, what a living one or another user holds is not."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from compute.spawners import folders, reapers
from compute.spawners.folders import JOURNAL, LOCK, make_folder, reap_abandoned
from compute.spawners.journal import Journal, Resource


def dead_folder(parent: Path, *resources: Resource) -> Path:
    """As a killed gateway leaves it."""
    folder = parent / "lakegate-run-dead"
    folder.mkdir()
    (folder / LOCK).touch()
    journal = Journal(str(folder / JOURNAL))
    journal.record("duckdb-1", *resources)
    journal.close()
    return folder


def test_the_dead_are_swept_and_the_living_kept(tmp_path: Path) -> None:
    dead_folder(tmp_path)
    (tmp_path / "lakegate-run-being-made").mkdir()
    living = make_folder(str(tmp_path))
    reap_abandoned(str(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {"lakegate-run-being-made", Path(living.path).name}
    living.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["lakegate-run-being-made"]


def test_one_whose_maker_was_killed_at_once_goes_after_a_while(tmp_path: Path) -> None:
    unborn = tmp_path / "lakegate-run-unborn"
    unborn.mkdir()
    os.utime(unborn, (0, 0))
    reap_abandoned(str(tmp_path))
    assert not unborn.exists()


def test_everything_recorded_is_reaped(tmp_path: Path) -> None:
    scratch, socket = tmp_path / "scratch", tmp_path / "socket"
    (scratch / "spill").mkdir(parents=True)
    socket.touch()
    with subprocess.Popen(["sleep", "1000"]) as program:
        recorded = [reapers.folder(str(scratch)), reapers.file(str(socket)), reapers.process(program.pid)]
        dead_folder(tmp_path, *recorded)
        reap_abandoned(str(tmp_path))
        assert program.wait(timeout=120) == -9
    assert os.listdir(tmp_path) == []
    for resource in recorded:
        reapers.REAPERS[resource.kind](resource)


@pytest.mark.parametrize("detail", ["start", "boot"])
def test_a_process_id_used_again_is_spared(tmp_path: Path, detail: str) -> None:
    with subprocess.Popen(["sleep", "1000"]) as program:
        process = reapers.process(program.pid)
        dead_folder(tmp_path, Resource("process", process.name, {**process.detail, detail: "another"}))
        reap_abandoned(str(tmp_path))
        assert program.poll() is None
        program.kill()
    assert os.listdir(tmp_path) == []


def test_what_nobody_here_can_reap_is_kept_for_one_who_can(tmp_path: Path) -> None:
    folder, pod = dead_folder(tmp_path, Resource("pod", "guest-7")), []
    reap_abandoned(str(tmp_path))
    assert folder.exists()
    make_folder(str(tmp_path), {"pod": lambda resource: pod.append(resource.name)}).remove()
    assert pod == ["guest-7"]
    assert os.listdir(tmp_path) == []


def test_another_users_folder_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prey = tmp_path / "prey"
    prey.mkdir()
    folder = dead_folder(tmp_path, reapers.folder(str(prey)))
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    reap_abandoned(str(tmp_path))
    assert prey.exists()
    assert folder.exists()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder = dead_folder(elsewhere)
    (tmp_path / (folders.PREFIX + "link")).symlink_to(folder)
    reap_abandoned(str(tmp_path))
    assert json.loads((folder / JOURNAL).read_bytes())["machine"] == "duckdb-1"
