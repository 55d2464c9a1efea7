"""The disk that a machine spills to: a file system of its own in a sparse file, so that it ends where its bound is.

Quotas would do the same but need a file system that was made for them, and a tmpfs would take memory for what is
spilled because memory is short. The file is formatted once, copied for each machine (a few hundred kilobytes), attached
to a loop device and unlinked: device and space are free again when the machine's last process ends, however it does.

References: loop(4), ext4(5), mke2fs(8).
"""

import errno
import fcntl
import os
import shutil
import stat
import struct
import subprocess
from contextlib import suppress
from pathlib import Path

from compute.sandbox import namespaces

SHARE = 4
"""One machine may fill that part of what is free when the run begins, unless its bound is given."""
LEAST_BYTES = 32 << 20
BLOCK_BYTES = 4096
BYTES_PER_FILE = 64 << 10
"""How many files there may be: Spark shuffles into two for each task, in 64 folders."""
FORMAT = (
    *("-q", "-F", "-b", str(BLOCK_BYTES), "-m", "0", "-i", str(BYTES_PER_FILE), "-G", "4096"),
    *("-O", "^has_journal,^resize_inode,^dir_index,sparse_super2,uninit_bg"),
)
"""Nothing in it outlives a crash, so no journal; metadata is packed and written when it is used."""
SYSTEM_FOLDERS = "/usr/sbin:/sbin"
_LOOP_CTL_GET_FREE = 0x4C82
_LOOP_CONFIGURE = 0x4C0A
_LO_FLAGS = 4 | 16
"""LO_FLAGS_AUTOCLEAR: detached when unmounted. LO_FLAGS_DIRECT_IO: cached once, as the machine's own."""


def make_template(path: str, uid: int | None, size: int | None) -> None:
    """Formats the disk that machines get copies of, its root folder that user's. Raises OSError."""
    program = shutil.which("mkfs.ext4", path=f"{os.defpath}:{SYSTEM_FOLDERS}")
    if program is None:
        raise OSError("mkfs.ext4 is missing: install e2fsprogs")
    if size is None:
        free = os.statvfs(os.path.dirname(path))
        size = free.f_bavail * free.f_frsize // SHARE >> 20 << 20
    if size < LEAST_BYTES:
        raise OSError(f"{os.path.dirname(path)} has too little free space, or the bound is too low")
    with open(path, "wb") as file:
        file.truncate(size)
    owner = os.geteuid() if uid is None else uid
    extended = f"lazy_itable_init=1,nodiscard,packed_meta_blocks=1,root_owner={owner}:{owner}"
    done = subprocess.run([program, *FORMAT, "-E", extended, path], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"mkfs.ext4: {done.stderr.strip()}")


def mount_copy(template: str, image: str, target: str, *, programs: bool) -> None:
    """Mounts a copy of the disk in this mount namespace. `programs` may be run from it. Raises OSError."""
    file = _copy(template, image)
    try:
        os.unlink(image)
        device, path = _attach(file)
    finally:
        os.close(file)
    try:
        namespaces.mount_disk(path, target, programs=programs)
    finally:
        os.close(device)


def _copy(template: str, image: str) -> int:
    """The copy, open; it has holes where the template has."""
    source = os.open(template, os.O_RDONLY | os.O_CLOEXEC)
    copy = os.open(image, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    size = os.fstat(source).st_size
    os.ftruncate(copy, size)
    end = 0
    while (start := _next_data(source, end)) is not None:
        end = os.lseek(source, start, os.SEEK_HOLE)
        os.lseek(copy, start, os.SEEK_SET)
        while start < end:
            start += os.sendfile(copy, source, start, end - start)
    os.close(source)
    return copy


def _next_data(file: int, offset: int) -> int | None:
    try:
        return os.lseek(file, offset, os.SEEK_DATA)
    except OSError:
        return None


def _attach(file: int) -> tuple[int, str]:
    """A loop device on that file, open, and its path. Another process may take the free one first: then the next."""
    control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    try:
        while True:
            path = f"/dev/loop{fcntl.ioctl(control, _LOOP_CTL_GET_FREE)}"
            _make_node(path)
            device = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.ioctl(device, _LOOP_CONFIGURE, _configuration(file))
                return device, path
            except OSError as error:
                os.close(device)
                if error.errno != errno.EBUSY:
                    raise
    finally:
        os.close(control)


def _make_node(path: str) -> None:
    """In a container only the devices that there were when it began have nodes."""
    if not os.path.exists(path):
        number = Path("/sys/block", os.path.basename(path), "dev").read_text()
        with suppress(FileExistsError):
            os.mknod(path, stat.S_IFBLK | 0o600, os.makedev(*map(int, number.split(":"))))


def _configuration(file: int) -> bytes:
    """``struct loop_config``: the file, the size of a block, and a ``loop_info64`` with nothing but flags."""
    return struct.pack("=II52xI176x64x", file, BLOCK_BYTES, _LO_FLAGS)
