"""A kernel as it is shipped, and as Firecracker takes it."""

import gzip
import lzma
import struct

import pyarrow as pa
import pytest

from compute.spawners.firecracker.kernel import KernelError, uncompress_kernel

KERNEL = b"\x7fELF" + bytes(range(256)) * (9 << 12)


def bz_image(payload: bytes, length: int) -> bytes:
    """A boot sector, one sector of set-up, and a stub of 64 bytes before the payload."""
    sectors = bytearray(1024)
    sectors[0x1F1] = 1
    sectors[0x202:0x206] = b"HdrS"
    struct.pack_into("<II", sectors, 0x248, 64, len(payload) + 4)
    return bytes(sectors) + bytes(64) + payload + length.to_bytes(4, "little") + b"what follows"


def lz4(content: bytes) -> bytes:
    """In blocks of 8 MiB, each with its length."""
    blocks = [content[start : start + (8 << 20)] for start in range(0, len(content), 8 << 20)]
    packed = [pa.compress(block, codec="lz4_raw", asbytes=True) for block in blocks]
    return b"\x02\x21\x4c\x18" + b"".join(len(block).to_bytes(4, "little") + block for block in packed)


@pytest.mark.parametrize(
    "payload",
    [gzip.compress(KERNEL), lzma.compress(KERNEL), pa.compress(KERNEL, codec="zstd", asbytes=True), lz4(KERNEL)],
)
def test_an_elf_image_comes_out(payload: bytes) -> None:
    assert uncompress_kernel(bz_image(payload, len(KERNEL))) == KERNEL
    assert uncompress_kernel(KERNEL) is KERNEL


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (b"", "neither"),
        (b"MZ" + bytes(2000), "neither"),
        (bz_image(gzip.compress(b"no kernel"), 9), "no ELF image"),
        (bz_image(b"BZh9....", 9), "compression is unknown"),
        (bz_image(lz4(KERNEL)[:-9], len(KERNEL)), "damaged"),
        (bz_image(gzip.compress(KERNEL)[:-9], len(KERNEL)), "damaged"),
        (bz_image(gzip.compress(KERNEL), 1 << 31), "too many"),
    ],
)
def test_what_is_no_kernel_is_refused(image: bytes, reason: str) -> None:
    with pytest.raises(KernelError, match=reason):
        uncompress_kernel(image)
