"""Where the images of machines are looked for, and what is said where there is none."""

from pathlib import Path

import pytest

from compute.spawners import CannotStart
from compute.spawners.qemu.image import FILES, find_image


@pytest.mark.parametrize(
    ("engine", "command"), [("duckdb", "python -m deploy.guest"), ("spark", "python -m deploy.spark --microvm")]
)
def test_a_missing_image_names_what_builds_it(tmp_path: Path, engine: str, command: str) -> None:
    with pytest.raises(CannotStart, match=command):
        find_image(tmp_path, engine)


def test_each_engine_has_its_own(tmp_path: Path) -> None:
    for engine, folder in (("duckdb", "guest"), ("spark", "spark-image")):
        image = tmp_path / folder / "an image"
        image.mkdir(parents=True)
        (image.parent / "current").symlink_to(image)
        for name in FILES:
            (image / name).touch()
        assert find_image(tmp_path, engine) == image
