"""The AOT cache: a training run's classes, profiles and heap objects, mapped by every later JVM of the same make.

Java takes a cache only with the same runtime, class path and collector; so the file's name is made of them, and what is
looked for under a name is either right or absent. The heap's size may differ.

References: JEP 483 (ahead-of-time class loading and linking), JEP 514 (one-step creation), JEP 515 (method profiles).
"""

import hashlib
import subprocess
from collections.abc import Sequence
from pathlib import Path

from compute.spark import java, runtime

KEPT_ARCHIVES = 3
TRAINING_GRACE_SECONDS = 300
"""How long a trained JVM may take to write its cache when it is asked to end."""


def archive_path(cache: Path, class_path: Sequence[str]) -> Path:
    """Where the cache for this JDK, these flags and these jar files belongs; Java compares their times and sizes.

    It does not compare where they lie, as long as it is below one folder: an image has the same archive elsewhere.
    """
    digest = hashlib.sha256(str(runtime.java_binary(cache).relative_to(cache)).encode())
    digest.update("\n".join((*java.COLLECTOR_FLAGS, *java.MODULE_FLAGS)).encode())
    for name in class_path:
        status = Path(name).stat()
        digest.update(f"{Path(name).relative_to(cache)} {status.st_size} {int(status.st_mtime)}\n".encode())
    return cache / f"spark-{digest.hexdigest()[:16]}.aot"


def training_flags(archive: Path) -> tuple[str, ...]:
    """Makes the JVM write the cache when it ends."""
    return (f"-XX:AOTCacheOutput={archive}",)


def use_flags(archive: Path) -> tuple[str, ...]:
    """Makes the JVM use the cache; one that it rejects only costs the time that it would have saved."""
    return (f"-XX:AOTCache={archive}",)


def rejection(program: Path, archive: Path, class_path: Sequence[str]) -> str | None:
    """Why Java would not take the cache with production's flags, None if it does."""
    flags = (*java.COLLECTOR_FLAGS, *java.MODULE_FLAGS, f"-XX:AOTCache={archive}", "-XX:AOTMode=on", "-Xlog:aot")
    command: list[str | Path] = [program, *flags, "-cp", ":".join(class_path), "-version"]
    run = subprocess.run(command, capture_output=True, text=True, env=java.environment({}), check=False)
    return None if run.returncode == 0 else (run.stdout + run.stderr)[-2000:]


def drop_old_archives(cache: Path) -> None:
    """Keeps the newest few: each is a quarter of a gigabyte, and jars change rarely."""
    archives = sorted(cache.glob("spark-*.aot"), key=lambda path: path.stat().st_mtime, reverse=True)
    for archive in archives[KEPT_ARCHIVES:]:
        archive.unlink()
