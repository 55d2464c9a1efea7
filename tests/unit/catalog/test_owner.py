"""Whose the files are that a thread makes. Where the test is not root, all are its own."""

import os
from pathlib import Path

from catalog.owner import Owner, acting_as, find_owner

HERE = Owner(os.geteuid(), os.getegid())
FIRST, SECOND = (Owner(54_321, 54_321), Owner(54_322, 54_322)) if os.geteuid() == 0 else (HERE, HERE)


def test_it_ends_as_it_began(passable_folder: Path) -> None:
    folder = passable_folder / "open to all"
    folder.mkdir()
    folder.chmod(0o777)

    def make(name: str) -> Owner:
        (folder / name).touch()
        return find_owner(folder / name)

    with acting_as(FIRST):
        with acting_as(SECOND):
            assert make("inner") == SECOND
        assert make("outer") == FIRST
    assert make("after") == HERE


def test_a_descriptors_owner_is_its_files(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    os.chown(tmp_path / "file", FIRST.uid, FIRST.gid)
    place = os.open(tmp_path / "file", os.O_PATH)
    (tmp_path / "file").unlink()
    (tmp_path / "file").touch()
    assert find_owner(place) == FIRST
    os.close(place)
