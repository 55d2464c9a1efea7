"""Our own modules that a guest imports."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from deploy.guest.recipe import CLONE, SITE, SOURCES
from deploy.guest.tarball import Entry


def source_layer(more: Sequence[str] = ()) -> Mapping[str, Entry]:
    """Where the guest's Python finds them."""
    found = files((*SOURCES, *more))
    return {f"{SITE}/{path.relative_to(CLONE).as_posix()}": Entry(0o644, path.read_bytes()) for path in found}


def files(names: Sequence[str]) -> Iterator[Path]:
    """Of modules and packages, from the clone's root."""
    for name in names:
        path = CLONE / name
        yield from sorted(path.rglob("*.py")) if path.is_dir() else [path]
