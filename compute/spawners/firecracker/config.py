"""What an operator says of Firecracker on this host."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

MemoryBackend = Literal["File", "Uffd"]
Network = Literal["none", "tap"]


@dataclass(frozen=True, slots=True)
class FirecrackerConfig:
    """Binaries, what a guest boots from, and what machines may hold.

    `folder` is one gateway's alone: templates and jails lie in it, on one file system, so that files are linked and not
    copied. At most `machines` run at once, each as a user of its own from `first_uid` on, which must own nothing else.
    `network` ``tap`` gives each a device in a namespace of its own; the host's firewall says what may leave it.
    """

    firecracker: Path
    jailer: Path
    kernel: Path
    initrd: Path
    root_image: Path
    folder: Path
    memory_backend: MemoryBackend = "File"
    network: Network = "none"
    machines: int = 256
    first_uid: int = 64100
    parent_cgroup: str = "lakegate"
    cgroup_root: Path = Path("/sys/fs/cgroup")
    ip: str = "ip"
    boot_seconds: float = 120.0
    call_seconds: float = 10.0

    @property
    def images(self) -> Path:
        """What guests boot from, by content."""
        return self.folder / "images"

    @property
    def templates(self) -> Path:
        return self.folder / "templates"
