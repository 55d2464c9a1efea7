"""The cache folder of templates is bounded, and what killed builders left in it goes."""

import os
import subprocess
import sys
import time
from pathlib import Path

from compute.spawners.qemu.template import KEPT, _make_folder_beside, _publish, sweep

BUILDER = """
import sys
from pathlib import Path
from compute.spawners.qemu.template import _make_folder_beside

path, _ = _make_folder_beside(Path(sys.argv[1]))
print(path, flush=True)
sys.stdin.read()
"""


def folder(path: Path, age_seconds: float) -> Path:
    path.mkdir()
    then = time.time() - age_seconds
    os.utime(path, (then, then))
    return path


def test_those_used_last_are_kept(tmp_path: Path) -> None:
    templates = [folder(tmp_path / str(number), age_seconds=number * 60) for number in range(KEPT + 2)]
    sweep(tmp_path)
    assert set(tmp_path.iterdir()) == set(templates[:KEPT])


def test_what_a_killed_builder_left_goes_and_what_is_being_made_stays(tmp_path: Path) -> None:
    """However long ago either has begun."""
    mine, lock = _make_folder_beside(tmp_path / "key")
    os.utime(mine, (0, 0))
    command = [sys.executable, "-c", BUILDER, str(tmp_path / "key")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as builder:
        assert builder.stdout is not None
        other = Path(builder.stdout.readline().strip())
        sweep(tmp_path)
        assert {*tmp_path.iterdir()} == {mine, other}
        builder.kill()
    sweep(tmp_path)
    assert [*tmp_path.iterdir()] == [mine]
    os.close(lock)


def test_there_is_nothing_to_sweep_where_there_is_no_cache(tmp_path: Path) -> None:
    sweep(tmp_path / "none")


def test_of_two_builders_at_once_the_first_ones_work_stays(tmp_path: Path) -> None:
    for number in range(2):
        made, lock = _make_folder_beside(tmp_path / "key")
        (made / "state").write_text(str(number))
        _publish(made, tmp_path / "key")
        os.close(lock)
    assert (tmp_path / "key" / "state").read_text() == "0"
