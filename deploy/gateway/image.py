"""Puts the image together out of its layers, each kept in the cache folder under a key of what it is made from."""

import dataclasses
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from compute.spark.cache import locked
from deploy.gateway import contents
from deploy.guest import host, tarball
from deploy.guest.bill import bill_of_materials
from deploy.guest.bytecode import compile_layers, compile_modules
from deploy.guest.debian import Package, find_archive
from deploy.guest.image import keep
from deploy.guest.oci import write_oci
from deploy.guest.recipe import digest
from deploy.guest.tarball import Entry
from deploy.guest.wheels import install_wheels

NAME = "lakegate.io/gateway:latest"
ENTRYPOINT = ("python3", "-P", "-m", "gateway")
ARCHIVE = "gateway.tar"
BILL = "bill.json"
_HERE = Path(__file__).parent
_MAKERS = (
    "gateway/contents",
    *(f"guest/{name}" for name in ("recipe", "debian", "wheels", "bytecode", "tarball", "oci")),
)
"""The modules that say what a layer holds."""
_LAYER = "layer.tar"
_PACKAGES = "packages.json"


def build(cache: Path) -> Path:
    """The OCI archive, with `bill.json` beside it. Quick where it is there.

    Raises CalledProcessError where a tool fails, SystemExit where one is missing and may not be installed.
    """
    host.require("mmdebstrap")
    folder = cache / "gateway"
    with locked(folder):
        return _assemble(folder) / ARCHIVE


def layers(image: Path) -> Sequence[Path]:
    """The layers beside an archive, the lowest first."""
    return sorted(image.glob("*-layer.tar"))


def _assemble(folder: Path) -> Path:
    lock = contents.export_lock()
    how = digest(*((_HERE.parent / f"{module}.py").read_bytes() for module in _MAKERS))
    debian = keep(
        folder / "layers" / f"debian-{digest(how, find_archive())}",
        lambda at: _write_layer(at, *contents.debian_layer()),
    )
    wheels = keep(folder / "layers" / f"wheels-{digest(how, lock)}", lambda at: _make_wheels(at, lock))
    compiled = keep(
        folder / "layers" / f"bytecode-{digest(debian.name, wheels.name)}",
        lambda at: tarball.write(at / _LAYER, compile_layers([debian / _LAYER, wheels / _LAYER])),
    )
    ours = contents.source_layer()
    content = (part for name in sorted(ours) for part in (name, ours[name].content or b""))
    key = digest(debian.name, wheels.name, (_HERE / "image.py").read_bytes(), *content)
    return keep(folder / "images" / key, lambda at: _make_image(at, (debian, wheels), ours, compiled, key))


def _make_wheels(folder: Path, lock: str) -> None:
    layer = install_wheels(lock)
    _write_layer(folder, layer, contents.list_wheels(lock, layer))


def _write_layer(folder: Path, layer: Mapping[str, Entry], packages: Sequence[Package]) -> None:
    tarball.write(folder / _LAYER, layer)
    (folder / _PACKAGES).write_text(json.dumps([dataclasses.asdict(package) for package in packages]))


def _make_image(folder: Path, parts: Sequence[Path], ours: Mapping[str, Entry], compiled: Path, key: str) -> None:
    """Only what is ours is compiled here, by the lowest layer's Python: the rest rarely changes."""
    for number, part in enumerate(parts):
        os.link(part / _LAYER, folder / f"{number}-layer.tar")
    own = folder / f"{len(parts)}-layer.tar"
    tarball.write(own, ours)
    with tempfile.TemporaryDirectory(prefix="lakegate-root-") as root:
        for tar in (parts[0] / _LAYER, own):
            tarball.unpack(tar, Path(root))
        bytecode = {**tarball.read(compiled / _LAYER), **compile_modules(Path(root), ours)}
    tarball.write(folder / f"{len(parts) + 1}-layer.tar", bytecode)
    write_oci(layers(folder), folder / ARCHIVE, name=NAME, entrypoint=ENTRYPOINT)
    (folder / BILL).write_text(_bill(parts, key))


def _bill(parts: Sequence[Path], key: str) -> str:
    listed = (package for part in parts for package in json.loads((part / _PACKAGES).read_text()))
    bill = json.loads(bill_of_materials([Package(**package) for package in listed], key))
    bill["metadata"]["component"]["name"] = "lakegate-gateway"
    return json.dumps(bill, indent=1) + "\n"
