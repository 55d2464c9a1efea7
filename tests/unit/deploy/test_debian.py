"""Debian's packages come from where the builder says."""

import subprocess
from pathlib import Path

import pytest

from deploy.guest import host
from deploy.guest.debian import ARCHIVE, unpack_packages
from deploy.guest.recipe import ROOT_PACKAGES


def test_the_archive_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    host.require("mmdebstrap")
    monkeypatch.setenv(ARCHIVE, archive := f"file://{tmp_path}")
    with pytest.raises(subprocess.CalledProcessError):
        unpack_packages(ROOT_PACKAGES)
    assert f"packages come from {archive}" in capfd.readouterr().err
