"""What this host lacks to run Firecracker, in the operator's words."""

import fcntl
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from compute.guest.vsock import READY_PORT
from compute.spawners.firecracker.calls import VSOCK
from compute.spawners.firecracker.config import FirecrackerConfig
from compute.spawners.firecracker.jail import LONGEST_SOCKET, longest_socket

OLDEST_VERSION = (1, 16, 1)
"""The first whose restored guests can be reached at a vsock path of their own, with a clock that has moved on."""
KVM = Path("/dev/kvm")
KVM_GET_API_VERSION = 0xAE00
KVM_CREATE_VM = 0xAE01
KVM_API_VERSION = 12
VERSION_SECONDS = 10.0


def find_missing(config: FirecrackerConfig, kvm: Path = KVM) -> tuple[str, ...]:
    """All that is missing, one sentence each; empty if machines can be started here. Blocks for a moment."""
    return tuple(_missing(config, kvm))


def _missing(config: FirecrackerConfig, kvm: Path) -> Iterator[str]:
    if os.geteuid() != 0:
        yield "the jailer must be started by root"
    yield from _missing_kvm(kvm)
    yield from _missing_binaries(config)
    for path in (config.kernel, config.initrd, config.root_image):
        if not path.is_file():
            yield f"{path} is missing: build the guest image with python -m deploy.guest"
    if not (config.cgroup_root / "cgroup.controllers").is_file():
        yield f"no control groups of version 2 at {config.cgroup_root}: boot with systemd.unified_cgroup_hierarchy=1"
    if longest_socket(config, f"{VSOCK}_{READY_PORT}") > LONGEST_SOCKET:
        yield f"the path of {config.folder} is too long for the Unix sockets in it: choose a shorter folder"


def _missing_kvm(kvm: Path) -> Iterator[str]:
    """Opens it and makes a VM that is never run: the device may be there and refuse."""
    try:
        device = os.open(kvm, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        yield f"{kvm} cannot be opened ({error.strerror}): Firecracker needs a host with KVM, such as bare metal"
        return
    try:
        version = fcntl.ioctl(device, KVM_GET_API_VERSION)
        if version != KVM_API_VERSION:
            yield f"{kvm} has API version {version}, not {KVM_API_VERSION}"
        os.close(fcntl.ioctl(device, KVM_CREATE_VM, 0))
    except OSError as error:
        yield f"{kvm} makes no VM ({error.strerror})"
    finally:
        os.close(device)


def _missing_binaries(config: FirecrackerConfig) -> Iterator[str]:
    versions = set()
    for program in (config.firecracker, config.jailer):
        version = read_version(program)
        if version is None:
            yield f"{program} is missing or does not tell its version: install a release of Firecracker"
        elif version < OLDEST_VERSION:
            yield f"{program} has version {_text(version)}: {_text(OLDEST_VERSION)} or later is needed"
        versions.add(version)
    if len(versions - {None}) > 1:
        yield "firecracker and jailer are of different versions: install both from one release"
    if "firecracker" not in config.firecracker.name:
        yield f"{config.firecracker}: the jailer refuses a VMM whose file name does not have 'firecracker' in it"


def read_version(program: Path) -> tuple[int, ...] | None:
    """What ``--version`` says; None where it cannot be run."""
    try:
        told = subprocess.run([program, "--version"], capture_output=True, timeout=VERSION_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(rb"v(\d+)\.(\d+)\.(\d+)", told.stdout)
    return tuple(int(part) for part in found.groups()) if found else None


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
