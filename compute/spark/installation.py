"""What set-up left in the cache folder, found quickly: machines and every later set-up look here first."""

from dataclasses import dataclass
from pathlib import Path

from compute.spark import aot, jars, runtime


class NotSetUp(Exception):
    """The cache folder lacks what a Spark machine needs; the message says the command."""


@dataclass(frozen=True, slots=True)
class Installation:
    """A ready Spark: Java, its class path, and the AOT cache that belongs to them."""

    java: Path
    class_path: tuple[str, ...]
    archive: Path

    @property
    def folders(self) -> tuple[str, ...]:
        """What a machine must see of the cache folder."""
        return (str(Path(self.class_path[0]).parent), str(self.java.parent.parent.parent))


def class_path(cache: Path) -> tuple[str, ...]:
    """Delta's jars, then pyspark's, in an order that never changes (the AOT cache depends on it)."""
    pinned = jars.pinned_jars()
    folder = jars.jar_folder(cache, pinned)
    own = (str(folder / jar.file_name) for jar in pinned)
    return (*own, *map(str, runtime.spark_jars(cache)))


def find_installation(cache: Path) -> Installation:
    """What set-up left in the cache. Raises NotSetUp where anything is missing or differs from the list of jars."""
    pinned = jars.pinned_jars()
    if problems := jars.verify(jars.jar_folder(cache, pinned), pinned):
        raise NotSetUp(f"{'; '.join(problems)}: run python -m compute.spark.setup")
    if not runtime.java_binary(cache).exists():
        raise NotSetUp(f"no Java in {runtime.runtime_folder(cache)}: run python -m compute.spark.setup")
    path = class_path(cache)
    archive = aot.archive_path(cache, path)
    if not archive.exists():
        raise NotSetUp(f"no AOT cache at {archive}: run python -m compute.spark.setup")
    return Installation(runtime.java_binary(cache), path, archive)
