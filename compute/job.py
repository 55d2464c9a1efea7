"""What to run, as the submitter says it and as the machine hears it."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa

JARS_PROPERTY = "jars"
"""The engine's property that lists the JARs' paths, the job's own first, as JSON: they are there before the seal."""
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
