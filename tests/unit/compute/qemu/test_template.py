"""The cache folder of templates is bounded, and what killed builders left in it goes."""

import os
import time
from pathlib import Path

from compute.spawners.qemu.template import BUILD_SECONDS, KEPT, _superfluous


def folder(path: Path, age_seconds: float) -> Path:
    path.mkdir()
    then = time.time() - age_seconds
    os.utime(path, (then, then))
    return path


def test_those_used_last_are_kept(tmp_path: Path) -> None:
    templates = [folder(tmp_path / str(number), age_seconds=number * 60) for number in range(KEPT + 2)]
    assert set(_superfluous(tmp_path)) == set(templates[KEPT:])


def test_what_is_being_built_is_kept_and_what_was_abandoned_is_not(tmp_path: Path) -> None:
    folder(tmp_path / "key.building", age_seconds=BUILD_SECONDS)
    abandoned = folder(tmp_path / "key.abandoned", age_seconds=3 * BUILD_SECONDS)
    assert _superfluous(tmp_path) == [abandoned]
