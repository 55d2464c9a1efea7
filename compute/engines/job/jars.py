"""A job's JARs in its machine: read over the channel where they are not there from the start, and given to the JVM."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from catalog.errors import ObjectNotInPrerequisiteState
from catalog.scans import Scan
from compute.spark.jvm import JvmOptions

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

PIECE_BYTES = 4 << 20


def fetch_jars(scans: Sequence[Scan], files: "AbstractFileSystem", folder: Path) -> Sequence[str]:
    """Copies what a statement offers into that folder, by number: names of the submitter's host stay there.

    Raises SqlError.
    """
    folder.mkdir(exist_ok=True)
    offered = [file.path for scan in scans for file in scan.files]
    copies = [folder / f"{number}.jar" for number in range(len(offered))]
    try:
        for path, copy in zip(offered, copies, strict=True):
            with files.open(path, "rb") as source, copy.open("wb") as target:
                shutil.copyfileobj(source, target, PIECE_BYTES)
    except OSError as error:
        raise ObjectNotInPrerequisiteState(f"the job's JARs could not be read: {error}") from error
    return [str(copy) for copy in copies]


def with_jars(options: JvmOptions, jars: Sequence[str]) -> JvmOptions:
    """The driver finds their classes, and executors get them of it."""
    shipped = ",".join(filter(None, (options.settings.get("spark.jars"), *jars)))
    return replace(
        options,
        class_path=(*options.class_path, *jars),
        settings={**options.settings, "spark.jars": shipped},
    )
