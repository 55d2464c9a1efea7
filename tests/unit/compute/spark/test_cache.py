"""Where the cache folder is, and who may fill it."""

import fcntl
import os
from pathlib import Path

import pytest

from compute.spark.cache import SYSTEM_CACHE, cache_folder, locked


def is_held(folder: Path) -> bool:
    with open(folder / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_the_environment_chooses_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert cache_folder({"LAKEGATE_CACHE": "/a/b"}) == Path("/a/b")
    assert cache_folder({"XDG_CACHE_HOME": "/c"}) == Path("/c/lakegate")
    assert cache_folder({}) == tmp_path / ".cache" / "lakegate"


def test_root_shares_its_cache_with_the_machines_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert cache_folder({"XDG_CACHE_HOME": "/c"}) == SYSTEM_CACHE
    assert cache_folder({"LAKEGATE_CACHE": "/a/b"}) == Path("/a/b")


def test_one_set_up_at_a_time(tmp_path: Path) -> None:
    assert not is_held(tmp_path)
    with locked(tmp_path):
        assert is_held(tmp_path)
    assert not is_held(tmp_path)
