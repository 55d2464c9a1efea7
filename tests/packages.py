"""Debian's and Ubuntu's packages: installed where we may, else named."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable


def install(names: Iterable[str]) -> None:
    """Exits with what is missing where it may not install them itself."""
    missing = sorted(set(names))
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        sys.exit(f"{', '.join(missing)} missing; install with this system's tools")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *missing]):
        subprocess.run(["apt-get", *command, "--quiet"], check=True, stdout=sys.stderr, env=environment)
