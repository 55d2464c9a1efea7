"""What of our modules goes into the images: all that a guest imports, from nowhere else."""

import os
import subprocess
import sys
from pathlib import Path

from deploy.guest.recipe import SITE
from deploy.guest.sources import source_layer
from deploy.spark import contents

DUCKDB = ("compute.guest.virtual", "compute.guest.pod", "compute.engines.duckdb")
SPARK = ("compute.engines.job", "compute.engines.spark", "compute.spark.executor", "compute.spark.decommission")


def test_a_guest_finds_what_it_imports(tmp_path: Path) -> None:
    """DuckDB's in its own image, which Spark's is made on top of."""
    unpack(tmp_path, source_layer())
    import_all(tmp_path, DUCKDB)
    unpack(tmp_path, contents.source_layer())
    import_all(tmp_path, (*DUCKDB, *SPARK))


def unpack(root: Path, layer: contents.Layer) -> None:
    for name, entry in layer.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(entry.content or b"")


def import_all(root: Path, modules: tuple[str, ...]) -> None:
    environment = {"PATH": os.defpath, "PYTHONPATH": str(root / SITE)}
    subprocess.run([sys.executable, "-c", f"import {', '.join(modules)}"], cwd=root, env=environment, check=True)
