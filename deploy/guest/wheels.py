"""The wheels that the lock file names for a guest."""

import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy.guest import tarball
from deploy.guest.debian import Package
from deploy.guest.recipe import CLONE, PYTHON, SITE, UNWANTED_IN_WHEELS, UNWANTED_SUFFIXES
from deploy.guest.tarball import Entry

PLATFORM = "x86_64-manylinux_2_28"
_OURS = r"-[\w.]*manylinux[\w.]*x86_64\.whl$"
_TAG = f"cp{PYTHON.replace('.', '')}"
_TAGS = (
    re.compile(f"-{_TAG}-{_TAG}{_OURS}"),
    re.compile(f"-cp3\\d+-abi3{_OURS}"),
    re.compile(f"-py3-none{_OURS}"),
    re.compile(r"-none-any\.whl$"),
)
"""How the names of wheels end that the guest's Python takes, the best first."""


def export_lock(group: str | None = "guest") -> str:
    """What the lock file says of a dependency group, or of the project's own dependencies (None): versions, files and
    their sums (pylock.toml)."""
    chosen = ["--no-default-groups"] if group is None else ["--only-group", group]
    command = ["uv", "export", "--quiet", "--locked", *chosen, "--no-emit-project", "--no-header"]
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


def list_wheels(lock: str, only: Collection[str] | None = None) -> Sequence[Package]:
    """Those wheels, or the ones of these names, each with the sum of the very file."""
    packages: Sequence[Mapping[str, Any]] = tomllib.loads(lock)["packages"]
    wanted = [each for each in packages if only is None or each["name"] in only]
    return [Package("pypi", each["name"], each["version"], _chosen(each)["hashes"]["sha256"]) for each in wanted]


def _chosen(package: Mapping[str, Any]) -> Mapping[str, Any]:
    """The wheel that fits best, or the source where there is none at all."""
    wheels: Sequence[Mapping[str, Any]] = package.get("wheels", ())
    fitting = (wheel for tags in _TAGS for wheel in wheels if tags.search(wheel["url"]))
    return next(fitting, None) or package["sdist"]


def _wanted(entries: Mapping[str, Entry]) -> Mapping[str, Entry]:
    beginnings = tuple(f"{SITE}/{beginning}" for beginning in UNWANTED_IN_WHEELS)
    return {
        name: entry
        for name, entry in entries.items()
        if not name.startswith(beginnings) and not name.endswith(UNWANTED_SUFFIXES)
    }
