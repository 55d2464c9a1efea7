"""Clients in other languages, each a small program in `clients`, built once into the cache and kept by its sources.

A program asks the server of libpq's environment variables and prints JSON. Each has a lock file for what it is made of.
"""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compute.spark.cache import cache_folder, locked
from tests.cluster.build import find_go
from tests.target import Target

CLIENTS = Path(__file__).with_name("clients")


@dataclass(frozen=True, slots=True)
class Program:
    """`build` runs once in a copy of the folder `name`, and `command` in that copy afterwards."""

    name: str
    build: tuple[str, ...]
    command: tuple[str, ...]

    def ask(self, target: Target, **more: str) -> Any:
        """What it prints, read as JSON. Raises AssertionError with what it complained of."""
        return json.loads(self.run(target, **more))

    def run(self, target: Target, *arguments: str, **more: str) -> str:
        """What it prints."""
        settings = {**target.environment, "PGSSLMODE": target.sslmode, "TZ": "UTC", **more}
        return run((*self.command, *arguments), built(self), settings)


def node() -> Program:
    return Program("node", ("npm", "ci", "--no-audit", "--no-fund"), ("node", "main.js"))


def go() -> Program:
    return Program("go", (*find_go(), "build", "-o", "client", "."), ("./client",))


def built(program: Program) -> Path:
    """The folder with the built program, made if its sources have changed."""
    source = CLIENTS / program.name
    digest = hashlib.sha256(repr(program).encode())
    for path in sorted(path for path in source.rglob("*") if path.is_file()):
        digest.update(f"\0{path.relative_to(source)}\0".encode() + path.read_bytes())
    place = cache_folder(os.environ) / "clients" / f"{program.name}-{digest.hexdigest()[:16]}"
    with locked(place.parent):
        if not place.exists():
            unfinished = place.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            shutil.copytree(source, unfinished)
            tools = str(Path(shutil.which(program.build[0]) or "").parent)
            run(program.build, unfinished, {"PATH": os.pathsep.join((tools, os.environ["PATH"]))})
            unfinished.rename(place)
    return place


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    """Its standard output. Raises AssertionError with all that it printed if it fails."""
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout
