"""Modules compiled by the guest's own Python, so that no start has to: its root is read-only."""

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.guest import tarball
from deploy.guest.recipe import PYTHON, SITE
from deploy.guest.tarball import Entry

LIBRARIES = ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu")
FOLDERS = (f"usr/lib/python{PYTHON}", SITE)
_TAG = f"cpython-{PYTHON.replace('.', '')}"


def compile_layers(tars: Sequence[Path]) -> Mapping[str, Entry]:
    """The bytecode of all modules of these layers; the lowest has Python in it."""
    with tempfile.TemporaryDirectory(prefix="lakegate-root-") as root:
        for tar in tars:
            tarball.unpack(tar, Path(root))
        return compile_modules(Path(root), {name: entry for tar in tars for name, entry in tarball.read(tar).items()})


def compile_modules(root: Path, layer: Mapping[str, Entry]) -> Mapping[str, Entry]:
    """The bytecode of a layer's modules, written into the unpacked root that has them too.

    The files never ask whether their source has changed. What the compiler imports itself is not written on the way, as
    it would be with the host's times and paths in it.
    """
    modules = [Path(name) for name in sorted(layer) if _is_module(name, layer[name])]
    loader = root / "lib64/ld-linux-x86-64.so.2"
    path = ":".join(str(root / folder) for folder in LIBRARIES)
    python = [str(loader), "--library-path", path, str(root / f"usr/bin/python{PYTHON}"), "-S", "-m", "compileall"]
    options = ["-q", "--invalidation-mode", "unchecked-hash", "-s", str(root), "-p", "/", "-i", "-"]
    environment = {
        "PYTHONHOME": str(root / "usr"),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PATH": os.defpath,
    }
    listed = "".join(f"{root / module}\n" for module in modules)
    subprocess.run([*python, *options], check=True, env=environment, input=listed, text=True)
    compiled = [module.parent / "__pycache__" / f"{module.stem}.{_TAG}.pyc" for module in modules]
    return {name.as_posix(): Entry(0o644, (root / name).read_bytes()) for name in compiled}


def _is_module(name: str, entry: Entry) -> bool:
    return name.startswith(FOLDERS) and name.endswith(".py") and entry.content is not None
