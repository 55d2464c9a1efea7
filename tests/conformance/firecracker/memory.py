"""A stand-in's guest memory: written out for a snapshot, and read back as Firecracker would map it.

With Uffd, this is the VMM's half of the real thing: an anonymous mapping registered with a real userfaultfd, handed
over a Unix socket; each page is then brought by the pager when it is touched.
"""

import ctypes
import fcntl
import json
import mmap
import os
import random
import socket
import struct
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

PAGE = 4096
SYS_USERFAULTFD = {"x86_64": 323, "aarch64": 282}
USER_MODE_ONLY = 1
UFFD_API = 0xAA
UFFDIO_API = 0xC018AA3F
UFFDIO_REGISTER = 0xC020AA00
MODE_MISSING = 1


def write_memory(path: Path, size: int) -> None:
    """A memory file of that size, all holes but for some pages at both ends of both halves."""
    generator = random.Random(size)
    with open(path, "wb") as file:
        file.truncate(size)
        for offset in _sampled(size):
            file.seek(offset)
            file.write(generator.randbytes(PAGE))


def check_memory(found: mmap.mmap, size: int) -> bool:
    """Whether those pages are what `write_memory` wrote, and one beside them is empty."""
    generator = random.Random(size)
    written = all(found[offset : offset + PAGE] == generator.randbytes(PAGE) for offset in _sampled(size))
    return written and found[size // 4 : size // 4 + PAGE] == bytes(PAGE)


def _sampled(size: int) -> Sequence[int]:
    return (0, PAGE, size // 2 - PAGE, size // 2, size - PAGE)


def map_file(path: Path) -> mmap.mmap:
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)


class PagedMemory:
    """Memory whose pages the pager at `path` brings. Two regions, as there are beside a machine's hole below 4 GiB."""

    def __init__(self, path: Path, size: int, manner: str = "honest") -> None:
        """Other manners hand over what a pager must not believe."""
        self.map = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.map))
        self.userfault = _open_userfault()
        _register(self.userfault, self.address, size)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(os.fspath(path))
        descriptors = [] if manner == "nothing" else [self.userfault]
        socket.send_fds(self.socket, [self._greeting(size, manner)], descriptors)

    def _greeting(self, size: int, manner: str) -> bytes:
        half = size // 2
        upper, lower = _mapping(self.address + half, half, half), _mapping(self.address, half, 0)
        mappings: Mapping[str, list[dict[str, int]]] = {
            "honest": [upper, lower],
            "partial": [lower],
            "beyond": [_mapping(self.address, half, size), upper],
        }
        return b"\xff{" if manner == "garbage" else json.dumps(mappings.get(manner, mappings["honest"])).encode()


def _mapping(address: int, size: int, offset: int) -> dict[str, int]:
    return {
        "base_host_virt_addr": address,
        "size": size,
        "offset": offset,
        "page_size": PAGE,
        "page_size_kib": PAGE,
    }


def _open_userfault() -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    number = SYS_USERFAULTFD[os.uname().machine]
    descriptor = int(libc.syscall(number, os.O_CLOEXEC | os.O_NONBLOCK | USER_MODE_ONLY))
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), "userfaultfd")
    fcntl.ioctl(descriptor, UFFDIO_API, bytearray(struct.pack("=QQQ", UFFD_API, 0, 0)))
    return descriptor


def _register(userfault: int, address: int, size: int) -> None:
    fcntl.ioctl(userfault, UFFDIO_REGISTER, bytearray(struct.pack("=QQQQ", address, size, MODE_MISSING, 0)))


def main(path: Path, size: int, manner: str) -> None:
    """A VMM that only has memory. It ends with 0 if every page was right, and is killed where it is not honest."""
    memory = PagedMemory(path, size, manner)
    sys.exit(0 if check_memory(memory.map, size) else 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
