"""Modules compiled by the guest's own Python, so that no start has to: its root is read-only."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from deploy.guest import tarball
from deploy.guest.recipe import PYTHON, SITE
from deploy.guest.tarball import Entry

LIBRARIES = ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu")
FOLDERS = (f"usr/lib/python{PYTHON}", SITE)


def bytecode_layer(root: Path) -> Mapping[str, Entry]:
    """Of all modules of an unpacked root. The files never ask whether their source has changed.

    What the compiler imports itself is not written on the way, as it would be with the host's times and paths in it.
    """
    loader = root / "lib64/ld-linux-x86-64.so.2"
    path = ":".join(str(root / folder) for folder in LIBRARIES)
    python = [str(loader), "--library-path", path, str(root / f"usr/bin/python{PYTHON}"), "-S", "-m", "compileall"]
    options = ["-q", "--invalidation-mode", "unchecked-hash", "-s", str(root), "-p", "/"]
    environment = {
        "PYTHONHOME": str(root / "usr"),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PATH": os.defpath,
    }
    folders = [str(root / folder) for folder in FOLDERS]
    subprocess.run([*python, *options, *folders], check=True, env=environment)
    return {
        name: entry
        for folder in FOLDERS
        for name, entry in tarball.read_folder(root / folder, folder).items()
        if name.endswith(".pyc")
    }
