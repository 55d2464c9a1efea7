"""Puts the image together: the guest's layers, and ours on them."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from compute.spark.cache import locked
from compute.spark.setup import set_up
from deploy.guest import image as guest
from deploy.guest import tarball
from deploy.guest.bytecode import bytecode_layer
from deploy.guest.oci import write_oci
from deploy.guest.recipe import digest
from deploy.guest.wheels import export_lock
from deploy.spark import contents

NAME = "lakegate.io/spark:latest"
ENTRYPOINT = ("python3",)
KEPT = 2
"""Archives in the cache folder: each has the whole of Spark in it."""
_HERE = Path(__file__).parent


def build(cache: Path) -> Path:
    """The OCI archive. Quick where it is there.

    Raises CalledProcessError where a tool fails, JarError where set-up lacks a jar and cannot get it, SystemExit where
    a tool is missing and may not be installed.
    """
    installation = set_up(cache)
    lower = sorted(guest.build(cache).glob("*-layer.tar"))
    folder = cache / "spark-image"
    runtime = contents.runtime_layer(cache, installation)
    sources = contents.source_layer()
    lock = export_lock(contents.GROUP)
    made = [(_HERE / f"{module}.py").read_bytes() for module in ("contents", "image")]
    ours = [part for name in sorted(sources) for part in (name, sources[name].content or b"")]
    key = digest(lower[0].parent.name, lock, *contents.listing(runtime), *ours, *made)
    with locked(folder):
        archive = folder / f"{key}.tar"
        if not archive.exists():
            _write(archive, lower, [contents.python_layer(lock), sources], runtime)
        os.utime(archive)
        _remove_old(folder)
    return archive


def _write(archive: Path, lower: Sequence[Path], small: Sequence[contents.Layer], runtime: contents.Layer) -> None:
    """The largest layer comes before the ones that change most, and is written once more into the archive alone."""
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=archive.parent) as name:
        scratch = Path(name)
        python, sources, compiled, large = (
            scratch / f"{layer}.tar" for layer in ("python", "ours", "compiled", "java")
        )
        tarball.write(python, small[0])
        tarball.write(sources, small[1])
        root = scratch / "root"
        root.mkdir()
        for tar in (*lower, python, sources):
            tarball.unpack(tar, root)
        tarball.write(compiled, contents.bytecode(bytecode_layer(root), lower[-1]))
        shutil.rmtree(root)
        tarball.write(large, runtime)
        write_oci([*lower, large, python, sources, compiled], scratch / "whole", name=NAME, entrypoint=ENTRYPOINT)
        (scratch / "whole").rename(archive)


def _remove_old(folder: Path) -> None:
    """All but those used last."""
    for archive in sorted(folder.glob("*.tar"), key=lambda path: path.stat().st_mtime)[:-KEPT]:
        archive.unlink()
