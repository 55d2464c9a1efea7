"""The guest's kernel as Firecracker takes it: an uncompressed ELF image, while distributions ship it compressed.

A bzImage is a boot loader's stub, and in it the ELF image, compressed, its length in the last four bytes. The header
says where it lies.

References: the kernel's ``Documentation/arch/x86/boot.rst``, ``payload_offset`` and ``payload_length``; lz4's
``doc/lz4_Frame_format.md``.
"""

import gzip
import lzma
import struct
import zlib
from collections.abc import Iterator

import pyarrow as pa

ELF = b"\x7fELF"
MAX_KERNEL = 256 << 20
_BOOT_FLAG = slice(0x202, 0x206)
_SETUP_SECTORS = 0x1F1
_PAYLOAD = struct.Struct("<II")
_PAYLOAD_AT = 0x248
_SECTOR = 512
_GZIP = b"\x1f\x8b"
_XZ = b"\xfd7zXZ\0"
_ZSTD = b"\x28\xb5\x2f\xfd"
_LZ4 = b"\x02\x21\x4c\x18"
_LZ4_BLOCK = 8 << 20
"""What each block holds but the last, in the frame format that kernels are compressed with (lz4's "legacy" one)."""


class KernelError(Exception):
    """The file is no kernel that Firecracker could boot."""


def uncompress_kernel(image: bytes) -> bytes:
    """The ELF image in a bzImage; an ELF image as it is. Raises KernelError."""
    if image.startswith(ELF):
        return image
    if image[_BOOT_FLAG] != b"HdrS":
        raise KernelError("it is neither an ELF image nor a bzImage")
    offset, length = _PAYLOAD.unpack_from(image, _PAYLOAD_AT)
    start = (image[_SETUP_SECTORS] + 1) * _SECTOR + offset
    payload = image[start : start + length]
    try:
        kernel = _uncompress(payload[:-4], int.from_bytes(payload[-4:], "little"))
    except (EOFError, OSError, lzma.LZMAError, zlib.error) as error:
        raise KernelError("what is compressed in it is damaged") from error
    if not kernel.startswith(ELF):
        raise KernelError("what is compressed in it is no ELF image")
    return kernel


def _uncompress(payload: bytes, length: int) -> bytes:
    if length > MAX_KERNEL:
        raise KernelError(f"{length} bytes are too many for a kernel")
    if payload.startswith(_GZIP):
        return gzip.decompress(payload)
    if payload.startswith(_XZ):
        return lzma.decompress(payload)
    if payload.startswith(_ZSTD):
        return bytes(pa.decompress(payload, length, codec="zstd", asbytes=True))
    if payload.startswith(_LZ4):
        return b"".join(_lz4_blocks(payload[len(_LZ4) :], length))
    raise KernelError(f"its compression is unknown: {payload[:6].hex()}")


def _lz4_blocks(blocks: bytes, length: int) -> Iterator[bytes]:
    """Each is preceded by its compressed length."""
    while length > 0:
        size = int.from_bytes(blocks[:4], "little")
        whole = min(length, _LZ4_BLOCK)
        yield bytes(pa.decompress(blocks[4 : 4 + size], whole, codec="lz4_raw", asbytes=True))
        blocks, length = blocks[4 + size :], length - whole
