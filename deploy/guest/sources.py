"""Our own modules that a guest imports."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from deploy.guest.recipe import CLONE, SITE, SOURCES
from deploy.guest.tarball import Entry


def source_layer() -> Mapping[str, Entry]:
    """Where the guest's Python finds them."""
    return {f"{SITE}/{path.relative_to(CLONE).as_posix()}": Entry(0o644, path.read_bytes()) for path in _files()}


def _files() -> Iterator[Path]:
    for name in SOURCES:
        path = CLONE / name
        yield from sorted(path.rglob("*.py")) if path.is_dir() else [path]
