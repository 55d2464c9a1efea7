"""Clients in other languages, each a small program in `clients`, built once into the cache and kept by its sources.

A program asks the server of libpq's environment variables and prints JSON: subject -> answer. Each has a lock file for
what it is made of.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compute.spark.cache import cache_folder, locked
from native.build import find_cargo
from tests.cluster.build import find_go
from tests.target import Target

CLIENTS = Path(__file__).with_name("clients")


@dataclass(frozen=True, slots=True)
class Program:
    """The commands of `build` run once in a copy of the folder `name`, and `command` in that copy afterwards."""

    name: str
    build: tuple[tuple[str, ...], ...]
    command: tuple[str, ...]

    def ask(self, target: Target, **more: str) -> Any:
        """What it prints, read as JSON. Raises AssertionError with what it complained of."""
        return json.loads(self.run(target, **more))

    def run(self, target: Target, *arguments: str, **more: str) -> str:
        """What it prints."""
        settings = {**target.environment, **target.encryption, "TZ": "UTC", **more}
        return run((*self.command, *arguments), built(self), settings)


def node() -> Program:
    return Program("node", (("npm", "ci", "--no-audit", "--no-fund"),), ("node", "main.js"))


def go() -> Program:
    return Program("go", ((*find_go(), "build", "-o", "client", "."),), ("./client",))


def rust() -> Program:
    """What its crates were compiled to lies beside it and serves the next build."""
    cargo = find_cargo()
    assert cargo is not None, "cargo is missing: make setup installs it"
    install = (cargo, "install", "--quiet", "--locked", "--path", ".", "--root", ".", "--target-dir", "../target")
    return Program("rust", (install,), ("bin/lakegate-test-rust-clients",))


def odbc() -> Program:
    return in_python("odbc")


def dbt() -> Program:
    return in_python("dbt")


def in_python(name: str) -> Program:
    """In a virtual environment of its own, of what `requirements.txt` pins."""
    make = ("uv", "venv", "--quiet", "--relocatable", "--python", sys.executable, "venv")
    fill = ("uv", "pip", "install", "--quiet", "--python", "venv", "--require-hashes", "-r", "requirements.txt")
    return Program(name, (make, fill), ("venv/bin/python", "main.py"))


def built(program: Program) -> Path:
    """The folder with the built program, made if its sources have changed."""
    source = CLIENTS / program.name
    digest = hashlib.sha256(repr(program).encode())
    for path in sorted(path for path in source.rglob("*") if path.is_file()):
        digest.update(f"\0{path.relative_to(source)}\0".encode() + path.read_bytes())
    place = cache_folder(os.environ) / "clients" / program.name / digest.hexdigest()[:16]
    with locked(place.parent):
        if not place.exists():
            unfinished = place.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            shutil.copytree(source, unfinished)
            for step in program.build:
                tools = str(Path(shutil.which(step[0]) or "").parent)
                run(step, unfinished, {"PATH": os.pathsep.join((tools, os.environ["PATH"]))})
            unfinished.rename(place)
    return place


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    """Its standard output. Raises AssertionError with all that it printed if it fails."""
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout
