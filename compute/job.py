"""What to run, as the submitter says it and as the machine hears it."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa

from catalog.scans import DataFile, Scan

JARS_PROPERTY = "jars"
"""The engine's property that lists the JARs' paths, the job's own first, as JSON: they are there before the seal. A
machine elsewhere has none of them, and reads them over its channel (`jar_scan`)."""
MOST_JAR_BYTES = 1 << 30
OUTPUT = pa.schema([("line", pa.string()), ("status", pa.int32())])
"""A row a printed line; the last has the exit status instead, negative where a signal ended the JVM."""


@dataclass(frozen=True, slots=True)
class Job:
    """`digest` is the SHA-256 of the JAR that holds the class `main`: no other is run."""

    main: str
    arguments: tuple[str, ...]
    digest: str

    @classmethod
    def load(cls, text: str) -> "Job":
        """From what `dump` wrote."""
        fields = json.loads(text)
        return cls(fields["main"], tuple(fields["arguments"]), fields["digest"])

    def dump(self) -> str:
        """As JSON: the statement that starts it."""
        return json.dumps(asdict(self))


def digest_of(jar: Path) -> str:
    """SHA-256, in hexadecimal digits. Raises OSError."""
    with jar.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def jar_scan(jars: Sequence[Path]) -> Scan:
    """The JARs, the job's own first, as files that a statement offers to its machine; `location` is a folder that they
    lie below. Raises OSError, and ValueError where they are more than a machine takes."""
    files = tuple(DataFile(str(jar), jar.stat().st_size, ()) for jar in jars)
    if sum(file.size for file in files) > MOST_JAR_BYTES:
        raise ValueError(f"a job's JARs may have {MOST_JAR_BYTES >> 20} MiB together")
    folder = os.path.commonpath([jar.parent for jar in jars])
    return Scan("jars", folder, 0, (), files, uniform=True, digest="jars")
