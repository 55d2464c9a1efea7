"""Builds the object store's program, kept in the cache folder outside the clone and keyed by what it is made of.

python -m tests.objectstore.build
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from compute.spark.cache import cache_folder, locked
from tests.cluster.build import build_environment, find_go

MODULE = Path(__file__).resolve().parent
SOURCES = ("go.mod", "go.sum", "main.go")


def main() -> None:
    """Leaves the program in the cache; takes milliseconds where it is already."""
    print(find_program())


def find_program() -> Path:
    """Its path, built if it must be."""
    caches = cache_folder(os.environ) / "objectstore"
    folder = caches / _fingerprint()
    with locked(caches):
        if not folder.exists():
            _build(folder)
    return folder / "objectstore"


def _fingerprint() -> str:
    digest = hashlib.sha256(os.uname().machine.encode())
    for name in SOURCES:
        digest.update(f"\0{name}\0".encode() + (MODULE / name).read_bytes())
    return digest.hexdigest()[:32]


def _build(folder: Path) -> None:
    """Builds beside the final place, so that what is in the cache is always whole. Go's own caches go afterwards."""
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    unfinished.mkdir(parents=True, exist_ok=True)
    print("building an S3 server for tests (some minutes the first time)", file=sys.stderr)
    go, environment = find_go(), build_environment(unfinished)
    target = ["-ldflags", "-s -w", "-o", str(unfinished / "objectstore"), "."]
    subprocess.run([*go, "build", *target], check=True, cwd=MODULE, env=environment)
    subprocess.run([*go, "clean", "-cache", "-modcache"], check=True, cwd=MODULE, env=environment)
    shutil.rmtree(unfinished / "go")
    unfinished.rename(folder)


if __name__ == "__main__":
    main()
