"""Java and pyspark's jars at a place of their own in the cache folder, linked from the wheels.

An AOT cache is good for one set of paths only. Here they do not depend on where the virtual environment lies, so every
clone on a host uses the cache that the first one trained.
"""

import tempfile
from pathlib import Path

from catalog.links import link_tree
from compute.spark import java


def runtime_folder(cache: Path) -> Path:
    """Where the runtime of the installed wheels belongs."""
    return cache / f"{java.JDK}-{java.PYSPARK}"


def java_binary(cache: Path) -> Path:
    return runtime_folder(cache) / "java" / "bin" / java.JAVA.name


def spark_jars(cache: Path) -> list[Path]:
    """pyspark's own jars, in an order that never changes; none where the runtime is missing."""
    return sorted((runtime_folder(cache) / "jars").glob("*.jar"))


def link_runtime(cache: Path) -> None:
    """Makes the runtime's folder, if it is missing: whole or not at all. Call it with the cache locked."""
    folder = runtime_folder(cache)
    if folder.exists():
        return
    with tempfile.TemporaryDirectory(prefix=".runtime-", dir=cache) as name:
        staged = Path(name) / "runtime"
        link_tree(java.JAVA.parent.parent, staged / "java")
        link_tree(java.pyspark_jars(), staged / "jars")
        staged.rename(folder)
