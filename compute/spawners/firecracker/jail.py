"""A VMM's jail: the jailer's command line, and the files that lie in it.

The jailer makes ``BASE/NAME OF THE VMM/IDENTIFIER/root`` the VMM's root folder and gives it to the machine's user.
What the VMM shall find is linked into it before: the same names in every jail.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from compute.spawners.firecracker.calls import API_SOCKET, Hardware
from compute.spawners.firecracker.config import FirecrackerConfig
from compute.spawners.firecracker.slots import Slot
from compute.spawners.folders import PREFIX

OPEN_FILES = 256
VMM_BYTES = 128 << 20
"""What a VMM takes beside the guest's memory, page tables and the pages of its sockets included."""
VMM_THREADS = 16
"""Those of a VMM beside its vCPUs' own."""
CPU_PERIOD = 100_000
LONGEST_IDENTIFIER = 16
LONGEST_SOCKET = 107
"""Bytes of a Unix socket's path (unix(7))."""


@dataclass(frozen=True, slots=True)
class Jail:
    """`identifier` has letters, digits and hyphens, at most 64; it also names the control group."""

    base: Path
    executable: str
    identifier: str

    @property
    def folder(self) -> Path:
        return self.base / self.executable / self.identifier

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def api_socket(self) -> Path:
        return self.root / API_SOCKET

    @property
    def pid_file(self) -> Path:
        """Where the jailer notes the VMM's process id."""
        return self.root / f"{self.executable}.pid"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one VMM may take of the host. `file_bytes` is the longest file that it may write."""

    memory_bytes: int
    vcpus: int
    file_bytes: int


def clone_bounds(machine: Hardware) -> Bounds:
    return Bounds(machine.memory_bytes + VMM_BYTES, machine.vcpus, machine.memory_bytes)


def template_bounds(machine: Hardware) -> Bounds:
    """A template's VMM writes the guest's memory out: as pages of the cache, these count as its own."""
    return Bounds(2 * machine.memory_bytes + VMM_BYTES, machine.vcpus, machine.memory_bytes)


def jailer_command(config: FirecrackerConfig, jail: Jail, slot: Slot, bounds: Bounds) -> Sequence[str]:
    """The jailer's arguments. All limits are set before the VMM runs a first instruction."""
    groups = {
        "memory.max": str(bounds.memory_bytes),
        "memory.swap.max": "0",
        "cpu.max": f"{bounds.vcpus * CPU_PERIOD} {CPU_PERIOD}",
        "pids.max": str(bounds.vcpus + VMM_THREADS),
    }
    limits = {"no-file": OPEN_FILES, "fsize": bounds.file_bytes}
    return (
        str(config.jailer),
        *("--id", jail.identifier),
        *("--exec-file", str(config.firecracker)),
        *("--uid", str(slot.uid)),
        *("--gid", str(slot.uid)),
        *("--chroot-base-dir", str(jail.base)),
        *("--netns", slot.namespace_path),
        *("--cgroup-version", "2"),
        *("--parent-cgroup", config.parent_cgroup),
        *(word for name, value in groups.items() for word in ("--cgroup", f"{name}={value}")),
        *(word for name, value in limits.items() for word in ("--resource-limit", f"{name}={value}")),
        "--new-pid-ns",
        "--daemonize",
        "--",
        *("--api-sock", API_SOCKET),
    )


def fill(jail: Jail, slot: Slot, files: Mapping[str, Path]) -> None:
    """Lays the jail out: `files` by their names in it.

    A link costs nothing and shares the page cache; the files belong to root and are read-only, so a VMM can't change
    them through it.
    """
    jail.folder.mkdir(mode=0o711, parents=True)
    jail.root.mkdir(mode=0o700)
    for name, source in files.items():
        os.link(source, jail.root / name)
    give(jail.root, slot.uid)


def give(path: Path, uid: int) -> None:
    """Makes the machine's user the owner. Only root can, and only root can run the jailer."""
    if os.geteuid() == 0:
        os.chown(path, uid, uid)


def remove(jail: Jail, control_group: Path) -> None:
    """Takes the jail and the control group away, once no process is left in them. Raises OSError."""
    with suppress(FileNotFoundError):
        shutil.rmtree(jail.folder)
    with suppress(FileNotFoundError):
        os.rmdir(control_group)


def control_group(config: FirecrackerConfig, jail: Jail) -> Path:
    """Where the jailer makes it."""
    return config.cgroup_root / config.parent_cgroup / jail.identifier


def longest_socket(config: FirecrackerConfig, longest_name: str) -> int:
    """Bytes of the longest socket path of any jail."""
    jail = Jail(config.own_folder / (PREFIX + "x" * 8), config.firecracker.name, "x" * LONGEST_IDENTIFIER)
    return len(os.fsencode(jail.root / longest_name))
