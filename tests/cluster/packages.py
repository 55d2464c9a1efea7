"""Programs of the host that a real node needs: installed where we may, else named with the command that does."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

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
    """Returns once all are there. Exits with the command to run where it may not install them itself."""
    missing = sorted({package for program, package in PACKAGES.items() if shutil.which(program) is None})
    if os.geteuid() != 0:
        sys.exit("a real node needs root: namespaces, mounts and control groups of its own")
    if not missing:
        return
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *missing]
    if shutil.which("apt-get") is None:
        sys.exit(f"{', '.join(missing)} missing; install with this system's tools")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "--quiet"], check=True, stdout=sys.stderr)
    subprocess.run([*install, "--quiet"], check=True, stdout=sys.stderr, env=environment)
