"""A template's memory: kept whole, with its holes, and sealed against everybody."""

import mmap
import os
from pathlib import Path

import pytest

from compute.spawners.qemu.memory import create_memory, open_sealed, write_memory

SIZE = 64 << 20


@pytest.fixture
def sealed(tmp_path: Path) -> int:
    """Of a machine that wrote in two places."""
    memory = create_memory(SIZE)
    os.pwrite(memory, b"first", 0)
    os.pwrite(memory, b"last", SIZE - 4)
    write_memory(memory, tmp_path / "memory")
    os.close(memory)
    return open_sealed(tmp_path / "memory")


def test_content_and_holes_are_kept(sealed: int) -> None:
    status = os.fstat(sealed)
    assert (os.pread(sealed, 5, 0), os.pread(sealed, 4, SIZE - 4), status.st_size) == (b"first", b"last", SIZE)
    assert status.st_blocks * 512 < SIZE // 2
    os.close(sealed)


def test_nobody_writes_to_it(sealed: int) -> None:
    """Though everybody may open it for that, as QEMU does."""
    again = os.open(f"/proc/self/fd/{sealed}", os.O_RDWR)
    with pytest.raises(PermissionError):
        os.pwrite(again, b"x", 0)
    with pytest.raises(PermissionError):
        os.ftruncate(again, 0)
    with pytest.raises(PermissionError):
        mmap.mmap(again, SIZE, mmap.MAP_SHARED)
    os.close(again)
    os.close(sealed)


def test_a_private_mapping_is_ones_own(sealed: int) -> None:
    with mmap.mmap(sealed, SIZE, mmap.MAP_PRIVATE) as mapped:
        mapped[:5] = b"other"
        assert os.pread(sealed, 5, 0) == b"first"
    os.close(sealed)
