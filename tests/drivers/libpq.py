"""A libpq with TLS for PostgreSQL's own programs: psycopg's, as that of the wheel that they come in has none."""

import os
from collections.abc import Mapping, Sequence
from importlib.metadata import files
from pathlib import Path

from tests.target import Target, of_waiting

_NOTICE = "NOTICE:  "


def libraries() -> Sequence[Path]:
    """It, and what it needs, which lie beside it."""
    return [Path(str(path.locate())) for path in files("psycopg-binary") or () if "psycopg_binary.libs" in path.parts]


def preloaded(found: Sequence[Path]) -> Mapping[str, str]:
    """The environment of a program that is to use the one among these libraries."""
    (libpq,) = (path for path in found if path.name.startswith("libpq"))
    return {"LD_PRELOAD": str(libpq)}


def environment(target: Target) -> Mapping[str, str]:
    """For a program that logs in there: at the gateway by TLS."""
    return {**os.environ, **target.environment, **target.encryption, **preloaded(libraries())}


def complaints(stderr: str) -> str:
    """What such a program has said, but for waits."""
    lines = stderr.splitlines(keepends=True)
    return "".join(line for line in lines if not of_waiting(line.removeprefix(_NOTICE)))
