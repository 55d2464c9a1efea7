"""What an operator says of Firecracker on this host."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from compute.spawners import CannotStart

MemoryBackend = Literal["File", "Uffd"]
Network = Literal["none", "tap"]


GUEST = Path("guest", "current")
"""Below the cache folder: where `deploy.guest` leaves the image that was built last."""


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


def configure(program: Path, cache: Path, *, memory: str, network: str) -> FirecrackerConfig:
    """The guest image of the cache folder, in which templates lie too. The jailer is beside the VMM.

    Raises CannotStart for a `memory` or `network` that there is not.
    """
    for word, choice in ((memory, MemoryBackend), (network, Network)):
        if word not in get_args(choice):
            raise CannotStart(f"Firecracker has no {word!r} here: choose one of {', '.join(get_args(choice))}")
    image = cache / GUEST
    return FirecrackerConfig(
        firecracker=program,
        jailer=program.with_name(program.name.replace("firecracker", "jailer")),
        kernel=image / "vmlinuz",
        initrd=image / "initrd",
        root_image=image / "root.erofs",
        folder=cache / "firecracker",
        memory_backend=memory,  # type: ignore[arg-type]
        network=network,  # type: ignore[arg-type]
    )
