"""Builds the image out of its layers, each kept in the cache folder under a key of what it is made from."""

import dataclasses
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from compute.spark.cache import locked
from deploy.guest import host, recipe, tarball
from deploy.guest.bill import bill_of_materials
from deploy.guest.boot import INIT, initrd, kernel
from deploy.guest.bytecode import compile_layers, compile_modules
from deploy.guest.debian import Package, find_archive, root_layer, unpack_packages
from deploy.guest.erofs import write_erofs
from deploy.guest.oci import write_oci
from deploy.guest.recipe import digest
from deploy.guest.sources import source_layer
from deploy.guest.tarball import Entry
from deploy.guest.wheels import export_lock, install_wheels, list_wheels

CURRENT = "current"
"""A link to the image that was built last; where a gateway looks."""
KEPT = 8
"""Images in the cache folder: they are large, and every change of the guest makes another."""
NAME = "lakegate.io/guest:latest"
_HERE = Path(__file__).parent
_LAYER = "layer.tar"
_PACKAGES = "packages.json"


def build(cache: Path, more: Sequence[str] = ()) -> Path:
    """The folder with `vmlinuz`, `initrd`, `root.erofs`, the layers' tars and `bill.json`. Quick where it is there.

    `more` are further modules of the clone, for an image that is not the one where gateways look.
    Raises CalledProcessError where a tool fails, SystemExit where one is missing and may not be installed.
    """
    host.require("mmdebstrap", "mkfs.erofs")
    guest = cache / "guest"
    with locked(guest):
        image = _assemble(guest, source_layer(more))
        os.utime(image)
        _remove_old(image.parent)
        if not more:
            point(guest / CURRENT, image)
    return image


def build_oci(cache: Path, entrypoint: Sequence[str], *, name: str = NAME, more: Sequence[str] = ()) -> Path:
    """An OCI archive of the image that runs `entrypoint`, with `more` modules. Raises as `build` does."""
    image = build(cache, more)
    with locked(cache / "guest"):
        target = image / f"oci-{digest(name, *entrypoint)[:12]}.tar"
        if not target.exists():
            unfinished = target.with_suffix(".unfinished")
            write_oci(sorted(image.glob("*-layer.tar")), unfinished, name=name, entrypoint=entrypoint)
            unfinished.rename(target)
    return target


def _assemble(guest: Path, sources: Mapping[str, Entry]) -> Path:
    lock, archive = export_lock(), find_archive()
    layers = guest / "layers"
    debian = keep(layers / f"debian-{_key('recipe', 'debian', 'tarball', more=archive)}", _make_debian)
    boot = keep(layers / f"boot-{_key('recipe', 'debian', 'tarball', 'boot', more=archive)}", _make_boot)
    wheels = keep(
        layers / f"wheels-{_key('recipe', 'wheels', 'tarball', more=lock)}", lambda at: _make_wheels(at, lock)
    )
    compiled = keep(
        layers / f"bytecode-{digest(debian.name, wheels.name, _key('bytecode', 'tarball'))}",
        lambda at: tarball.write(at / _LAYER, compile_layers([debian / _LAYER, wheels / _LAYER])),
    )
    ours = guest / f"ours-{os.getpid()}.tar"
    tarball.write(ours, sources)
    parts = [debian / _LAYER, wheels / _LAYER, ours, boot / "vmlinuz", boot / "initrd"]
    key = digest(*(part.read_bytes() for part in parts), _key("image", "bytecode", "erofs", "bill"))
    try:
        return keep(guest / "images" / key, lambda at: _make_image(at, (debian, wheels, boot), ours, compiled))
    finally:
        ours.unlink()


def _key(*modules: str, more: str = "") -> str:
    """Of how a part is made: the modules that make it."""
    return digest(*((_HERE / f"{module}.py").read_bytes() for module in modules), INIT.read_bytes(), more)


def keep(folder: Path, make: Callable[[Path], None]) -> Path:
    """The folder, made beside its place and moved there, so that what is there is whole."""
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
        try:
            make(unfinished)
            unfinished.chmod(0o755)
            unfinished.rename(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _make_debian(folder: Path) -> None:
    entries, packages = unpack_packages(recipe.ROOT_PACKAGES)
    tarball.write(folder / _LAYER, root_layer(entries))
    _write_packages(folder, packages)


def _make_boot(folder: Path) -> None:
    entries, packages = unpack_packages(recipe.BOOT_PACKAGES)
    (folder / "vmlinuz").write_bytes(kernel(entries))
    (folder / "initrd").write_bytes(initrd(entries))
    _write_packages(folder, [package for package in packages if package.name.startswith(("linux-image", "busybox"))])


def _make_wheels(folder: Path, lock: str) -> None:
    tarball.write(folder / _LAYER, install_wheels(lock))
    _write_packages(folder, list_wheels(lock))


def _make_image(folder: Path, parts: Sequence[Path], ours: Path, compiled: Path) -> None:
    """Only what is ours is compiled here: the rest rarely changes."""
    debian, wheels, boot = parts
    sources = [debian / _LAYER, wheels / _LAYER, ours]
    tars = [folder / f"{number}-layer.tar" for number in range(len(sources))]
    with tempfile.TemporaryDirectory(prefix="lakegate-root-") as root:
        for source, tar in zip(sources, tars, strict=True):
            shutil.copyfile(source, tar)
            tarball.unpack(tar, Path(root))
        tarball.unpack(compiled / _LAYER, Path(root))
        bytecode = {**tarball.read(compiled / _LAYER), **compile_modules(Path(root), tarball.read(ours))}
        tarball.write(folder / f"{len(sources)}-layer.tar", bytecode)
        write_erofs(Path(root), folder / "root.erofs")
    for name in ("vmlinuz", "initrd"):
        shutil.copyfile(boot / name, folder / name)
    packages = [package for part in parts for package in _read_packages(part)]
    (folder / "bill.json").write_text(bill_of_materials(packages, folder.name.partition(".")[0]))


def _write_packages(folder: Path, packages: Sequence[Package]) -> None:
    (folder / _PACKAGES).write_text(json.dumps([dataclasses.asdict(package) for package in packages]))


def _read_packages(folder: Path) -> Sequence[Package]:
    return [Package(**package) for package in json.loads((folder / _PACKAGES).read_text())]


def _remove_old(images: Path) -> None:
    """All but those used last. A machine that runs keeps what it has open."""
    for image in sorted(images.iterdir(), key=lambda path: path.stat().st_mtime)[:-KEPT]:
        shutil.rmtree(image, ignore_errors=True)


def point(link: Path, target: Path) -> None:
    unfinished = link.with_name(f"{link.name}.{os.getpid()}")
    unfinished.symlink_to(target)
    unfinished.replace(link)
