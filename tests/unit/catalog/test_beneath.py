"""What is reached below a folder that others write: what is there, and nothing that is not."""

import os
from pathlib import Path

import pytest

from catalog.beneath import by_descriptor, open_below, reach, remove, walk


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Beside a folder with a secret in it."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "secret").write_text("secret")
    own = tmp_path / "own"
    (own / "folder").mkdir(parents=True)
    (own / "folder" / "file").write_text("own")
    return own


def read(root: Path, path: str | Path) -> str:
    with open(open_below(root, path), encoding="utf-8") as file:
        return file.read()


def test_files(root: Path) -> None:
    assert read(root, "folder/file") == read(root, root / "folder" / "file") == "own"


def test_new_files_in_new_folders(root: Path) -> None:
    with reach(root, "a/b/c", make=True) as (place, name):
        assert name == "c"
        assert by_descriptor(place).samefile(root / "a" / "b")
    os.close(open_below(root, "a/b/c", os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    with pytest.raises(FileExistsError):
        open_below(root, "a/b/c", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    assert (root / "a" / "b" / "c").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("make", [False, True])
def test_a_link_is_not_followed(root: Path, make: bool) -> None:
    (root / "link").symlink_to(root.parent / "other")
    (root / "folder" / "file2").symlink_to(root.parent / "other" / "secret")
    with pytest.raises(NotADirectoryError), reach(root, "link/secret", make=make):
        pass
    with pytest.raises(NotADirectoryError), walk(root, "link", make=make):
        pass
    for flags in (os.O_RDONLY, os.O_WRONLY):
        with pytest.raises(OSError, match="symbolic links"):
            open_below(root, "folder/file2", flags)


@pytest.mark.parametrize("path", ["../other/secret", "folder/../../other/secret", "/etc/passwd", ".", ""])
def test_a_path_that_leads_elsewhere(root: Path, path: str) -> None:
    with pytest.raises(PermissionError):
        open_below(root, path)


def test_nothing_but_files(root: Path) -> None:
    os.mkfifo(root / "pipe")
    for name in ("pipe", "folder"):
        with pytest.raises(PermissionError):
            open_below(root, name)
    with pytest.raises(FileNotFoundError):
        open_below(root, "nothing")


def test_a_folder_stays_what_it_was(root: Path) -> None:
    with walk(root, "folder") as place:
        (root / "folder").rename(root / "away")
        (root / "folder").symlink_to(root.parent / "other")
        assert os.listdir(by_descriptor(place)) == ["file"]


def test_no_descriptor_is_left(root: Path) -> None:
    (root / "link").symlink_to(root.parent / "other")
    before = os.listdir("/proc/self/fd")
    for path in ("link/secret", "folder", "nothing/there", "folder/file"):
        try:
            os.close(open_below(root, path))
        except OSError:
            continue
    assert os.listdir("/proc/self/fd") == before


def test_all_goes_and_nothing_behind_a_link(root: Path) -> None:
    (root / "folder" / "inner").mkdir()
    os.mkfifo(root / "folder" / "inner" / "pipe")
    (root / "folder" / "inner" / "link").symlink_to(root.parent / "other")
    (root / "link").symlink_to(root.parent / "other")
    with walk(root) as place:
        for name in ("folder", "link", "nothing"):
            remove(place, name)
    assert list(root.iterdir()) == []
    assert read(root.parent, "other/secret") == "secret"


def test_folders_that_lie_too_deep_stay(root: Path) -> None:
    (root / "a" / "b").mkdir(parents=True)
    before = os.listdir("/proc/self/fd")
    with walk(root) as place, pytest.raises(OSError, match="too deep"):
        remove(place, "a", deepest=1)
    assert os.listdir("/proc/self/fd") == before
    with walk(root) as place:
        remove(place, "a", deepest=2)
    assert not (root / "a").exists()
