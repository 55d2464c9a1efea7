"""Copies of folders that cost nothing: hard links where the file system allows them."""

import os
import shutil
from pathlib import Path


def link_tree(source: Path, target: Path) -> None:
    """Makes `target` with the files of `source`, times and modes kept; links in `source` stay links."""
    shutil.copytree(source, target, copy_function=link_file, symlinks=True)


def link_file(source: str, target: str) -> str:
    """Makes one file another's; another file system needs a copy. Returns `target`."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target
