"""The disk that a machine spills to has room for many small files."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from compute.sandbox.disk import BYTES_PER_FILE, SYSTEM_FOLDERS, make_template

SIZE = 96 << 20
SHUFFLED = 64 + 2 * 200
"""Folders and files of one shuffle of Spark's, of as many tasks as it has by default."""


def test_a_small_disk_holds_what_a_shuffle_leaves(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    make_template(str(disk), None, SIZE)
    program = shutil.which("dumpe2fs", path=f"{os.defpath}:{SYSTEM_FOLDERS}")
    assert program is not None
    told = subprocess.run([program, "-h", disk], capture_output=True, text=True, check=True).stdout
    found = re.search(r"^Inode count: +(\d+)$", told, re.MULTILINE)
    assert found is not None
    assert int(found[1]) >= SIZE // BYTES_PER_FILE > SHUFFLED
