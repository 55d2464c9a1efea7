"""What an operator says of Firecracker on this host."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from compute.spawners import CannotStart
from compute.spawners.shares import FOLDER, MOST_UIDS

MemoryBackend = Literal["File", "Uffd"]
Network = Literal["none", "tap"]


GUEST = Path("guest", "current")
"""Below the cache folder: where `deploy.guest` leaves the image that was built last."""


@dataclass(frozen=True, slots=True)
class FirecrackerConfig:
    """Binaries, what a guest boots from, and what machines may hold.

    `folder` has a folder for each gateway of the host, by the number of its `share`: templates and jails lie in it, on
    one file system, so that files are linked and not copied. At most `machines` run at once, each as a user of its own.
    `shares` is where the host's gateways agree who has which. `network` ``tap`` gives each machine a device in a
    namespace of its own; the host's firewall says what may leave it.
    """

    firecracker: Path
    jailer: Path
    kernel: Path
    initrd: Path
    root_image: Path
    folder: Path
    memory_backend: MemoryBackend = "File"
    network: Network = "none"
    machines: int = MOST_UIDS
    share: int = 0
    shares: Path = FOLDER
    parent_cgroup: str = "lakegate"
    cgroup_root: Path = Path("/sys/fs/cgroup")
    ip: str = "ip"
    boot_seconds: float = 120.0
    call_seconds: float = 10.0

    @property
    def own_folder(self) -> Path:
        """This gateway's."""
        return self.folder / str(self.share)

    @property
    def images(self) -> Path:
        """What guests boot from, by content."""
        return self.own_folder / "images"

    @property
    def templates(self) -> Path:
        return self.own_folder / "templates"


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
