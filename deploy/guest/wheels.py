"""The wheels that the lock file names for a guest."""

import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy.guest import tarball
from deploy.guest.debian import Package
from deploy.guest.recipe import CLONE, PYTHON, SITE, UNWANTED_IN_WHEELS, UNWANTED_SUFFIXES
from deploy.guest.tarball import Entry

PLATFORM = "x86_64-manylinux_2_28"


def export_lock(group: str = "guest") -> str:
    """What the lock file says of a dependency group: versions, files and their sums (pylock.toml)."""
    command = ["uv", "export", "--quiet", "--locked", "--only-group", group, "--no-emit-project", "--no-header"]
    done = subprocess.run(
        [*command, "--format", "pylock.toml"], check=True, cwd=CLONE, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


def install_wheels(lock: str) -> Mapping[str, Entry]:
    """Files of the wheels for the guest's Python, whatever the host's is. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory(prefix="lakegate-wheels-") as folder:
        listed, target = Path(folder, "pylock.toml"), Path(folder, "site")
        listed.write_text(lock)
        choice = ["--python-version", PYTHON, "--python-platform", PLATFORM, "--only-binary", ":all:", "--no-deps"]
        command = ["uv", "pip", "install", "--quiet", "--python", sys.executable, *choice, "--link-mode", "copy"]
        subprocess.run([*command, "--target", str(target), "-r", str(listed)], check=True)
        return _wanted(tarball.read_folder(target, SITE))


def list_wheels(lock: str) -> Sequence[Package]:
    """Those wheels, each with the sum of the very file."""
    packages: Sequence[Mapping[str, Any]] = tomllib.loads(lock)["packages"]
    return [Package("pypi", each["name"], each["version"], _chosen(each)["hashes"]["sha256"]) for each in packages]


def _chosen(package: Mapping[str, Any]) -> Mapping[str, Any]:
    tag = f"cp{PYTHON.replace('.', '')}"
    (wheel,) = (
        wheel
        for wheel in package["wheels"]
        if "manylinux" in wheel["url"]
        and "x86_64.whl" in wheel["url"]
        and (f"-{tag}-{tag}-" in wheel["url"] or "-py3-none-" in wheel["url"])
    )
    return wheel


def _wanted(entries: Mapping[str, Entry]) -> Mapping[str, Entry]:
    beginnings = tuple(f"{SITE}/{beginning}" for beginning in UNWANTED_IN_WHEELS)
    return {
        name: entry
        for name, entry in entries.items()
        if not name.startswith(beginnings) and not name.endswith(UNWANTED_SUFFIXES)
    }
