"""A template's memory, sealed: a file that nobody can change any more, not even who may open it for writing.

QEMU before 8.2 opens the file that it maps privately for reading and writing, so a clone's user would need the right to
spoil every other clone. A sealed memfd may be opened so and mapped privately, and refuses each write.

References: memfd_create(2); fcntl(2), "File Sealing"; QEMU, "VM templating".
"""

import errno
import fcntl
import os
from pathlib import Path

_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
_COPY_BYTES = 64 << 20


def create_memory(size: int) -> int:
    """A file in memory of that many bytes, all holes."""
    memory = os.memfd_create("lakegate-template", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(memory, size)
    return memory


def write_memory(memory: int, path: Path) -> None:
    """Keeps it on disk. Raises OSError."""
    with open(path, "wb", buffering=0) as file:
        copy_content(memory, file.fileno())


def open_sealed(path: Path) -> int:
    """What was kept, in memory again, and sealed. Raises OSError."""
    with open(path, "rb", buffering=0) as file:
        memory = create_memory(0)
        copy_content(file.fileno(), memory)
    fcntl.fcntl(memory, fcntl.F_ADD_SEALS, _SEALS)
    return memory


def copy_content(source: int, target: int) -> None:
    """All of a file; holes stay holes. Raises OSError."""
    size = os.fstat(source).st_size
    os.ftruncate(target, size)
    start = 0
    while (start := _seek_content(source, start, size)) < size:
        end = os.lseek(source, start, os.SEEK_HOLE)
        os.lseek(target, start, os.SEEK_SET)
        while start < end:
            start += os.sendfile(target, source, start, min(_COPY_BYTES, end - start))


def _seek_content(file: int, start: int, size: int) -> int:
    """Where the next content begins; `size` where there is none."""
    try:
        return os.lseek(file, start, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return size
        raise
