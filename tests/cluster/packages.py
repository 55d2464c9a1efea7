"""Programs of the host that a real node needs."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.guest.host import install

PLUGINS = Path("/usr/lib/cni")
PACKAGES: Mapping[str, str] = {
    "containerd": "containerd",
    "crun": "crun",
    "ip": "iproute2",
    "busybox": "busybox-static",
    "iptables": "iptables",
    str(PLUGINS / "bridge"): "containernetworking-plugins",
}
"""Program -> the Debian or Ubuntu package that has it."""


def require() -> None:
    """Returns once all are there. Exits with what is missing where it may not install them itself."""
    if os.geteuid() != 0:
        sys.exit("a real node needs root: namespaces, mounts and control groups of its own")
    install([package for program, package in PACKAGES.items() if shutil.which(program) is None])
