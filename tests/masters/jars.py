"""Jars that tests alone need, fetched into the cache folder as Spark's are; and a job's JAR, which is compiled."""

import os
import subprocess
import zipfile
from pathlib import Path

from compute.spark import ivy
from compute.spark.cache import cache_folder, locked
from compute.spark.installation import Installation
from compute.spark.jars import jar_folder, pinned_jars, verify

HERE = Path(__file__).parent
JOB = HERE / "Job.java"


def fetched(listed: Path) -> list[str]:
    """The paths of the jars on a list, in its order."""
    cache, pinned = cache_folder(os.environ), pinned_jars(listed)
    folder = jar_folder(cache, pinned)
    with locked(cache):
        if verify(folder, pinned):
            ivy.fetch_jars(cache, pinned, lambda: None)
    return [str(folder / jar.file_name) for jar in pinned]


def compile_job(installation: Installation, folder: Path) -> Path:
    """`JOB` as a JAR in that folder."""
    (compiler,) = fetched(HERE / "compiler.toml")
    options = ("-source", "17", "-target", "17", "-nowarn", "-cp", ":".join(installation.class_path))
    command: list[str | Path] = [installation.java, "-jar", compiler, *options, "-d", folder / "classes", JOB]
    subprocess.run(command, check=True, text=True)
    jar = folder / "job.jar"
    with zipfile.ZipFile(jar, "w") as archive:
        archive.write(folder / "classes" / "Job.class", "Job.class")
    return jar
