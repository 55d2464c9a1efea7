"""A file of a spool: encrypted Arrow frames, appended by one thread at a time, read from any.

It has no name (O_TMPFILE, or unlinked at once where the file system lacks it) and goes with its object: a thread that
still writes keeps it open, so that its descriptor can never be another file's meanwhile.
"""

import errno
import os
import tempfile
import threading
import weakref
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PIECE = 1 << 20
"""Bytes that are sealed at once: encryption holds the interpreter's lock."""
_SEAL = 16
_NO_TMPFILE = (errno.EOPNOTSUPP, errno.EISDIR)
"""What file systems say that do not know files without a name."""


class Cipher:
    """AES-256-GCM with a key that is nowhere else. Nonces are counted, so that none comes twice; used by any thread."""

    def __init__(self) -> None:
        self._cipher: AESGCM | None = None
        self._next = 0
        self._lock = threading.Lock()

    def seal(self, plain: memoryview) -> tuple[int, bytes]:
        """The sealed bytes, and their number."""
        with self._lock:
            if self._cipher is None:
                self._cipher = AESGCM(AESGCM.generate_key(256))
            number, self._next = self._next, self._next + 1
        return number, self._cipher.encrypt(_nonce(number), plain, None)

    def unseal(self, number: int, sealed: memoryview) -> bytes:
        """Raises cryptography's InvalidTag for anything but what `seal` gave under that number."""
        assert self._cipher is not None, "nothing was sealed yet"
        return self._cipher.decrypt(_nonce(number), sealed, None)


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")


class Place(NamedTuple):
    """Where a frame lies: bytes of the file, and the numbers of its pieces."""

    offset: int
    size: int
    numbers: tuple[int, ...]


class Segment:
    """`size` are the bytes written. Methods block: they are for threads."""

    def __init__(self, folder: Path, cipher: Cipher) -> None:
        self.size = 0
        self._folder = folder
        self._cipher = cipher
        self._descriptor: int | None = None

    def append(self, batch: pa.RecordBatch) -> Place:
        """Writes one frame. Raises OSError."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as stream:
            stream.write_batch(batch)
        plain = memoryview(sink.getvalue()).cast("B")
        pieces = [self._cipher.seal(plain[start : start + PIECE]) for start in range(0, len(plain), PIECE)]
        offset = self.size
        for _, sealed in pieces:
            self._write(sealed)
        return Place(offset, self.size - offset, tuple(number for number, _ in pieces))

    def read(self, place: Place) -> pa.RecordBatch:
        """The frame that `append` wrote there. Raises OSError; what was tampered with is not decrypted."""
        sealed = memoryview(self._read(place.offset, place.size))
        plain = b"".join(
            self._cipher.unseal(number, sealed[start : start + PIECE + _SEAL])
            for number, start in zip(place.numbers, range(0, place.size, PIECE + _SEAL), strict=True)
        )
        with pa.ipc.open_stream(pa.py_buffer(plain)) as stream:
            return stream.read_next_batch()

    def _write(self, content: bytes) -> None:
        left = memoryview(content)
        while left:
            written = os.pwrite(self._open(), left, self.size)
            self.size += written
            left = left[written:]

    def _read(self, offset: int, size: int) -> bytearray:
        content = bytearray(size)
        at = 0
        while at < size:
            found = os.preadv(self._open(), [memoryview(content)[at:]], offset + at)
            if not found:
                raise OSError("a file of the spool is shorter than it was")
            at += found
        return content

    def _open(self) -> int:
        if self._descriptor is None:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._descriptor = _open_unnamed(self._folder)
            weakref.finalize(self, os.close, self._descriptor)
        return self._descriptor


def _open_unnamed(folder: Path) -> int:
    try:
        return os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o600)
    except OSError as error:
        if error.errno not in _NO_TMPFILE:
            raise
    descriptor, path = tempfile.mkstemp(dir=folder)
    os.unlink(path)
    return descriptor
