"""The pinned jars: the list, where the cache keeps them, and whether they are what the list says."""

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path

PINNED = Path(__file__).with_name("jars.toml")


@dataclass(frozen=True, slots=True)
class Jar:
    """One pinned artifact of a Maven repository."""

    organisation: str
    name: str
    revision: str
    sha256: str
    classifier: str = ""

    @property
    def file_name(self) -> str:
        suffix = f"-{self.classifier}" if self.classifier else ""
        return f"{self.name}-{self.revision}{suffix}.jar"


def pinned_jars(path: Path = PINNED) -> tuple[Jar, ...]:
    """The list, in its order, which is the order of the class path."""
    return tuple(Jar(**entry) for entry in tomllib.loads(path.read_text())["jar"])


def jar_folder(cache: Path, jars: tuple[Jar, ...]) -> Path:
    """Where the cache holds exactly these jars: the name is made of their sums."""
    digest = hashlib.sha256("".join(f"{jar.file_name} {jar.sha256}\n" for jar in jars).encode())
    return cache / f"jars-{digest.hexdigest()[:16]}"


def verify(folder: Path, jars: tuple[Jar, ...]) -> list[str]:
    """What is wrong with the folder, a line each: jars that are missing or whose sum differs."""
    return [problem for jar in jars if (problem := _verify_jar(folder / jar.file_name, jar))]


def _verify_jar(path: Path, jar: Jar) -> str | None:
    if not path.is_file():
        return f"{jar.file_name} is missing"
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return None if digest == jar.sha256 else f"{jar.file_name} has SHA-256 {digest}, the list says {jar.sha256}"
