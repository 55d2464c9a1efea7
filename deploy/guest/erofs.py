"""The root as a read-only EROFS image, uncompressed: pages go straight from it into the page cache."""

import os
import subprocess
from pathlib import Path

from deploy.guest.recipe import EPOCH

UUID = "6c616b65-6761-7465-8000-000000000000"
FAR = (1 << 32) - 1
"""A time after every file's: seconds since 1970."""


def write_erofs(root: Path, target: Path) -> None:
    """With one time for all files. Raises CalledProcessError, after mkfs.erofs has said why."""
    _run(root, target, f"-T{EPOCH}")


def write_dated_erofs(root: Path, target: Path) -> None:
    """With the times that the files have. Raises as `write_erofs` does."""
    _run(root, target, SOURCE_DATE_EPOCH=str(FAR))


def _run(root: Path, target: Path, *options: str, **variables: str) -> None:
    command = ["mkfs.erofs", "--quiet", "--all-root", f"-U{UUID}", *options, str(target), str(root)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ | variables)
