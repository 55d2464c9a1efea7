"""The commands that make a machine's network, by the real ip(8), in a network namespace that is the test's own."""

import os
import shutil
import subprocess
from collections.abc import Sequence

import pytest

from compute.spawners.firecracker.network import build_commands, remove_commands, uplink_name
from compute.spawners.firecracker.slots import Slot
from deploy.guest.host import install

SLOT = Slot(7, 64107 if os.geteuid() == 0 else 0, "lakegate-7")
ALONE = ("unshare", "--net", "--mount") if os.geteuid() == 0 else ("unshare", "--net", "--mount", "--map-root-user")


@pytest.fixture(scope="module")
def ip() -> str:
    """Installed where it is missing and we may."""
    if shutil.which("ip") is None:
        install(["iproute2"])
    return "ip"


def run_alone(lines: Sequence[str]) -> str:
    """What a shell says to these lines, with a /run and a network of its own."""
    script = "\n".join(["set -e", "mount -t tmpfs tmpfs /run", *lines])
    done = subprocess.run([*ALONE, "sh", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_slots_network_is_made_and_removed(ip: str) -> None:
    built = [f"{ip} {' '.join(command)}" for command in build_commands(SLOT)]
    removed = [f"{ip} {' '.join(command)}" for command in remove_commands(SLOT.namespace, uplink_name(SLOT))]
    seen = run_alone([*built, f"{ip} -n {SLOT.namespace} -brief address", f"{ip} -n {SLOT.namespace} route"])
    assert "172.30.0.1/30" in seen
    assert "default via 10.201.0.29 dev uplink" in seen
    left = run_alone([*built, *removed, f"{ip} -brief link", f"{ip} netns list"])
    assert [line.split()[0] for line in left.splitlines()] == ["lo"]
