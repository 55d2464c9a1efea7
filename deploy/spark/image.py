"""Puts the images together: the guest's layers, and ours on them, for pods and for microVMs."""

import dataclasses
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from catalog.links import link_file
from compute.spark.cache import locked
from compute.spark.setup import set_up
from deploy.guest import image as guest
from deploy.guest import tarball
from deploy.guest.bill import extend_bill
from deploy.guest.bytecode import compile_modules
from deploy.guest.debian import Package
from deploy.guest.erofs import write_dated_erofs
from deploy.guest.oci import write_oci
from deploy.guest.recipe import EPOCH, SUITE, digest
from deploy.guest.wheels import export_lock
from deploy.spark import contents

NAME = "lakegate.io/spark:latest"
ENTRYPOINT = ("python3",)
KEPT = 2
"""Images of each shape in the cache folder: each has the whole of Spark in it."""
FOLDER = "spark-image"
BILL = "bill.json"
TOOLS, PACKAGES = "tools.tar", "packages.json"
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class _Parts:
    """What both shapes are made of: the guest's image, and the layers above it."""

    guest: Path
    tools: Path
    runtime: contents.Layer
    sources: contents.Layer
    lock: str

    @property
    def lower(self) -> Sequence[Path]:
        return sorted(self.guest.glob("*-layer.tar"))

    @cached_property
    def key(self) -> str:
        made = [(_HERE / f"{module}.py").read_bytes() for module in ("contents", "image")]
        ours = [part for name in sorted(self.sources) for part in (name, self.sources[name].content or b"")]
        return digest(self.guest.name, self.tools.name, self.lock, *contents.listing(self.runtime), *ours, *made)


def build(cache: Path) -> Path:
    """The OCI archive of pods. Quick where it is there.

    Raises CalledProcessError where a tool fails, JarError where set-up lacks a jar and cannot get it, SystemExit where
    a tool is missing and may not be installed.
    """
    parts = _gather(cache)
    folder = cache / FOLDER
    with locked(folder):
        archive = folder / f"{parts.key}.tar"
        if not archive.exists():
            _write_archive(archive, parts)
        os.utime(archive)
        for old in _old(folder.glob("*.tar")):
            old.unlink()
    return archive


def build_microvm(cache: Path) -> Path:
    """The folder of a microVM's image: `vmlinuz`, `initrd`, `root.erofs` and `bill.json`. Raises as `build` does."""
    parts = _gather(cache)
    folder = cache / FOLDER
    with locked(folder):
        image = guest.keep(folder / "microvms" / parts.key, lambda at: _write_microvm(at, parts))
        os.utime(image)
        for old in _old(image.parent.iterdir()):
            shutil.rmtree(old, ignore_errors=True)
        guest.point(folder / guest.CURRENT, image)
    return image


def _gather(cache: Path) -> _Parts:
    runtime = contents.runtime_layer(cache, set_up(cache))
    below = guest.build(cache)
    key = digest(SUITE, contents.TOOLS, *contents.PROGRAMS)
    with locked(cache / FOLDER):
        tools = guest.keep(cache / FOLDER / "tools" / key, _make_tools)
    return _Parts(below, tools, runtime, contents.source_layer(), export_lock(contents.GROUP))


def _make_tools(folder: Path) -> None:
    layer, packages = contents.tools_layer()
    tarball.write(folder / TOOLS, layer)
    (folder / PACKAGES).write_text(json.dumps([dataclasses.asdict(package) for package in packages]))


def _write_archive(archive: Path, parts: _Parts) -> None:
    """The largest layer comes before the ones that change most, and is written once more into the archive alone."""
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=archive.parent) as name:
        scratch = Path(name)
        small = _write_layers(scratch, parts)
        compiled, large = scratch / "compiled.tar", scratch / "java.tar"
        tarball.write(compiled, _unpack(scratch / "root", parts.lower, small))
        shutil.rmtree(scratch / "root")
        tarball.write(large, parts.runtime)
        layers = [*parts.lower, large, *small, compiled]
        write_oci(layers, scratch / "whole", name=NAME, entrypoint=ENTRYPOINT)
        (scratch / "whole").rename(archive)


def _write_microvm(folder: Path, parts: _Parts) -> None:
    with tempfile.TemporaryDirectory(prefix=".root-", dir=folder.parent) as name:
        root = Path(name) / "root"
        _unpack(root, parts.lower, _write_layers(Path(name), parts))
        for path in (root, *root.rglob("*")):
            os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)
        _link(root, parts.runtime)
        write_dated_erofs(root, folder / "root.erofs")
    for part in ("vmlinuz", "initrd"):
        shutil.copyfile(parts.guest / part, folder / part)
    below = (parts.guest / BILL).read_text()
    tools = (Package(**package) for package in json.loads((parts.tools / PACKAGES).read_text()))
    added = [*tools, *contents.packages(parts.lock)]
    (folder / BILL).write_text(extend_bill(below, added, parts.key, "lakegate-spark"))


def _write_layers(scratch: Path, parts: _Parts) -> Sequence[Path]:
    """The small ones, as tars, the one that changes least before the others."""
    python, sources = scratch / "python.tar", scratch / "ours.tar"
    tarball.write(python, contents.python_layer(parts.lock))
    tarball.write(sources, parts.sources)
    return parts.tools / TOOLS, python, sources


def _unpack(root: Path, lower: Sequence[Path], small: Sequence[Path]) -> contents.Layer:
    """Into that folder; what the guest has is compiled, the rest is compiled there. The bytecode of the rest."""
    root.mkdir()
    for tar in (*lower, *small):
        tarball.unpack(tar, root)
    return compile_modules(root, {name: entry for tar in small for name, entry in tarball.read(tar).items()})


def _link(root: Path, runtime: contents.Layer) -> None:
    """Files with their own times, which the AOT cache remembers, in folders with everybody's."""
    folders = sorted({parent for name in runtime for parent in Path(name).parents if parent != Path()})
    for folder in folders:
        (root / folder).mkdir(exist_ok=True)
    for name, entry in runtime.items():
        if entry.target is not None:
            (root / name).symlink_to(entry.target)
            os.utime(root / name, (EPOCH, EPOCH), follow_symlinks=False)
        else:
            assert entry.source is not None, "a file of the runtime"
            link_file(str(entry.source), str(root / name))
    for folder in reversed(folders):
        os.utime(root / folder, (EPOCH, EPOCH))


def _old(images: Iterable[Path]) -> Sequence[Path]:
    """All but those used last."""
    return sorted(images, key=lambda path: path.stat().st_mtime)[:-KEPT]
