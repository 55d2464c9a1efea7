"""Kernel and initrd: Debian's cloud kernel, the drivers that it has as modules, and one static program."""

import gzip
from collections.abc import Iterator, Mapping
from pathlib import Path

from deploy.guest.recipe import DRIVERS
from deploy.guest.tarball import Entry

INIT = Path(__file__).with_name("init")
_TRAILER = "TRAILER!!!"


def kernel(packages: Mapping[str, Entry]) -> bytes:
    """The packages' one kernel."""
    (name,) = (name for name in packages if name.startswith("boot/vmlinuz-"))
    return _content(packages[name])


def initrd(packages: Mapping[str, Entry]) -> bytes:
    """A compressed cpio archive whose `init` loads the drivers and runs the guest in the root image."""
    modules = [_module(packages, driver) for driver in DRIVERS]
    files = {f"lib/{number}.ko": Entry(0o644, content) for number, content in enumerate(modules)}
    folders = {name: Entry(0o755) for name in ("bin", "dev", "guest", "lib")}
    programs = {"bin/busybox": Entry(0o755, _content(packages["bin/busybox"])), "init": Entry(0o755, INIT.read_bytes())}
    return gzip.compress(b"".join(_archive(folders | files | programs)), mtime=0)


def _module(packages: Mapping[str, Entry], driver: str) -> bytes:
    (found,) = (name for name in packages if name.endswith(f"/kernel/{driver}.ko"))
    return _content(packages[found])


def _content(entry: Entry) -> bytes:
    assert entry.content is not None, "a file"
    return entry.content


def _archive(entries: Mapping[str, Entry]) -> Iterator[bytes]:
    """The "newc" format: headers of thirteen hexadecimal numbers, everything padded to four bytes (cpio(5))."""
    for number, name in enumerate(sorted(entries), 1):
        entry = entries[name]
        kind = 0o040000 if entry.content is None else 0o100000
        yield _member(number, kind | entry.mode, name, entry.content or b"")
    yield _member(0, 0, _TRAILER, b"")


def _member(inode: int, mode: int, name: str, content: bytes) -> bytes:
    numbers = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
    header = b"070701" + b"".join(b"%08X" % number for number in numbers)
    return _padded(header + name.encode() + b"\0") + _padded(content)


def _padded(content: bytes) -> bytes:
    return content + b"\0" * (-len(content) % 4)
