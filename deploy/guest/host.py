"""The programs of the host that a build needs: installed where we may, else named with the command that does."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence

from compute.spark.cache import cache_folder, locked

PACKAGES: Mapping[str, str] = {
    "mmdebstrap": "mmdebstrap",
    "mkfs.erofs": "erofs-utils",
    "qemu-system-x86_64": "qemu-system-x86",
}
"""Program -> the Debian or Ubuntu package that has it."""
KEYRING = ("/usr/share/keyrings/debian-archive-keyring.gpg", "debian-archive-keyring")


def require(*programs: str) -> None:
    """Returns once the programs are there. Exits with the command to run where it may not install them itself."""
    missing = [PACKAGES[program] for program in programs if shutil.which(program) is None]
    if not os.path.exists(KEYRING[0]):
        missing.append(KEYRING[1])
    install(missing)


def install(packages: Sequence[str]) -> None:
    """These packages, by one process at a time: apt-get does not wait for another. Exits with the command to run where
    it may not."""
    if not packages:
        return
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        sys.exit(f"{', '.join(packages)} missing; install with: sudo {' '.join(command)}")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    with locked(cache_folder(os.environ) / "packages"):
        for line in (["apt-get", "update"], command):
            subprocess.run([*line, "--quiet"], check=True, stdout=sys.stderr, env=environment)
