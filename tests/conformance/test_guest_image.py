"""The guest image: the same bytes from the same layers, nothing in it that a guest has no use for, and its bill."""

import hashlib
import json
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path

from deploy.guest.image import build, build_oci
from tests.fix_machines import CACHE

PARTS = ("root.erofs", "initrd", "vmlinuz", "bill.json", "3-layer.tar")


def test_the_same_layers_give_the_same_bytes(guest_image: Path, tmp_path: Path) -> None:
    """In another cache folder, at another time, where all modules are compiled again."""
    (tmp_path / "guest").mkdir()
    compiled = shutil.ignore_patterns("bytecode-*")
    shutil.copytree(CACHE / "guest" / "layers", tmp_path / "guest" / "layers", symlinks=True, ignore=compiled)
    again = build(tmp_path)
    assert again.name == guest_image.name
    assert sums(again) == sums(guest_image)


def sums(image: Path) -> Mapping[str, str]:
    return {name: hashlib.sha256((image / name).read_bytes()).hexdigest() for name in PARTS}


def test_the_bill_names_every_package_with_its_sum(guest_image: Path) -> None:
    bill = json.loads((guest_image / "bill.json").read_text())
    names = {component["name"] for component in bill["components"]}
    assert {"python3.11-minimal", "libc6", "busybox-static", "duckdb", "pyarrow", "fsspec"} <= names
    assert any(name.startswith("linux-image-") for name in names)
    assert all(len(component["hashes"][0]["content"]) == 64 for component in bill["components"])
    assert not {"deltalake", "sqlglot"} & names


def test_there_is_no_shell_and_no_package_tool(guest_image: Path) -> None:
    for layer in guest_image.glob("*-layer.tar"):
        with tarfile.open(layer) as tar:
            names = {Path(member.name).name for member in tar if not member.isdir()}
        assert not names & {"sh", "bash", "dash", "busybox", "dpkg", "apt-get", "perl"}


def test_pods_get_the_same_layers(guest_image: Path) -> None:
    archive = build_oci(CACHE, ["/usr/bin/python3", "-P", "-m", "compute.guest.pod"])
    with tarfile.open(archive) as tar:
        index = json.loads(content(tar, "index.json"))
        manifest = json.loads(content(tar, blob(index["manifests"][0])))
        config = json.loads(content(tar, blob(manifest["config"])))
        layers = [hashlib.sha256(content(tar, blob(layer))).hexdigest() for layer in manifest["layers"]]
    assert config["config"]["Entrypoint"][-1] == "compute.guest.pod"
    assert config["rootfs"]["diff_ids"] == [f"sha256:{layer}" for layer in layers]
    assert len(layers) == 4


def blob(descriptor: Mapping[str, str]) -> str:
    return "blobs/" + descriptor["digest"].replace(":", "/")


def content(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    assert file is not None
    return file.read()
