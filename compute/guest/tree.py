"""Files of a scan as an engine finds them by their paths: a tree of folders that holds nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from catalog.scans import DataFile


@dataclass(frozen=True, slots=True)
class TreeFile:
    """A file's place in its scan, its bytes, and when it was written in milliseconds since 1970 (0: not told)."""

    number: int
    size: int
    modified: int


class Tree:
    """Absolute paths only; every folder above a file is there."""

    def __init__(self, files: Sequence[DataFile]) -> None:
        self._files = {file.path: TreeFile(n, file.size, file.modified) for n, file in enumerate(files)}
        self._folders: dict[str, set[str]] = {}
        for path in self._files:
            self._add(path)

    def find(self, path: str) -> TreeFile | None:
        return self._files.get(path)

    def children(self, folder: str) -> Mapping[str, TreeFile | None] | None:
        """What a folder holds by name, None for a folder in it; None where there is no such folder."""
        names = self._folders.get(folder)
        if names is None:
            return None
        above = folder.rstrip("/")
        return {name: self._files.get(f"{above}/{name}") for name in names}

    def _add(self, path: str) -> None:
        """To its folder, and that to its own, as far up as nobody did before."""
        while path != "/":
            above, _, name = path.rpartition("/")
            folder = above or "/"
            known = self._folders.get(folder)
            if known is not None:
                known.add(name)
                return
            self._folders[folder] = {name}
            path = folder
