"""Debian's packages, unpacked and never run: no maintainer script, no shell, no package database."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from deploy.guest import tarball
from deploy.guest.recipe import EPOCH, SUITE, UNWANTED
from deploy.guest.tarball import Entry

ARCHIVE = "LAKEGATE_DEBIAN_ARCHIVE"
"""Of the environment: the URL of the archive that packages come from, or lines of sources.list(5), such as a snapshot
of one day: for images that are the same wherever and whenever they are built. Without it they come from where this host
has its own, as new as they are."""
_LIST_PACKAGES = 'cd "$1/var/cache/apt/archives" && sha256sum *.deb'
_AT_ANY_TIME = ('--aptopt=Acquire::Check-Valid-Until "false"',)
"""An archive of one day says until when it is to be believed, which is soon over."""
_LISTED = re.compile(r"^([0-9a-f]{64})  ([^_\n]+)_([^_\n]+)_([^_\n]+)\.deb$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Package:
    """One thing that somebody else made: `kind` is ``deb``, ``pypi`` or ``maven`` (of which the name begins with its
    organisation and a slash), `sha256` that of the file fetched."""

    kind: str
    name: str
    version: str
    sha256: str
    architecture: str = ""


def find_archive() -> str:
    """The one that was chosen, a part of what an image is made from; empty where none was."""
    return os.environ.get(ARCHIVE, "")


def unpack_packages(names: Sequence[str]) -> tuple[Mapping[str, Entry], Sequence[Package]]:
    """Those packages of the suite and all they depend on: their files, and which they are.

    Raises CalledProcessError, after mmdebstrap has said why.
    """
    with tempfile.TemporaryDirectory(prefix="lakegate-debian-") as folder:
        os.chmod(folder, 0o755)
        target = Path(folder, "root.tar")
        listing = _run_mmdebstrap(names, target)
        return tarball.read(target), _parse_listing(listing)


def root_layer(entries: Mapping[str, Entry]) -> Mapping[str, Entry]:
    """Without what a guest has no use for, with the folders that it mounts and the users that it knows."""
    kept = {name: entry for name, entry in entries.items() if not f"{name}/".startswith(UNWANTED)}
    mounts = {name: Entry(0o755) for name in ("dev", "proc", "sys", "tmp", "run", "scratch")}
    return (
        kept
        | mounts
        | {
            "etc/passwd": Entry(
                0o644, b"root:x:0:0::/:/sbin/nologin\nlakegate:x:64023:64023::/scratch:/sbin/nologin\n"
            ),
            "etc/group": Entry(0o644, b"root:x:0:\nlakegate:x:64023:\n"),
            "etc/hosts": Entry(0o644, b"127.0.0.1 localhost\n"),
        }
    )


def _run_mmdebstrap(names: Sequence[str], target: Path) -> str:
    """What it and its hook say: the packages among it."""
    options = ["--quiet", "--variant=extract", "--architectures=amd64", "--skip=output/dev,output/mknod"]
    command = ["mmdebstrap", *options, f"--include={','.join(names)}", f"--extract-hook={_LIST_PACKAGES}"]
    command += [*_AT_ANY_TIME, SUITE, str(target), *find_archive().splitlines()]
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(EPOCH)}
    done = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.stderr.write(f"{done.stderr}packages come from {find_archive() or 'where this host has its own'}\n")
        done.check_returncode()
    return done.stderr


def _parse_listing(text: str) -> Sequence[Package]:
    """Lines of sha256sum over name_version_architecture.deb."""
    found = _LISTED.findall(text)
    packages = (
        Package("deb", name, unquote(version), checksum, architecture)
        for checksum, name, version, architecture in found
    )
    return sorted(packages, key=lambda package: package.name)
