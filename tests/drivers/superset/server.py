"""Apache Superset out of its package: installed once into the cache, with its own tables made; a copy of them a run.

What it is made of is `requirements.txt`, with digests, which comes from `requirements.in`:

    uv pip compile --generate-hashes --no-header --python-version 3.11 requirements.in -o requirements.txt
"""

import hashlib
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from compute.spark.cache import cache_folder, locked
from tests.daemon import running
from tests.fix_oracle import free_port

LOCK = Path(__file__).with_name("requirements.txt")
USER = "admin"
THREADS = 16
"""Of its one process: a statement that is stopped keeps one meanwhile, and its pages ask for many things at once."""
READY = "Listening at:"
LONGEST_SECONDS = 3600
"""For one command, of an installation over a slow line: far too long."""


@dataclass(frozen=True, slots=True)
class Superset:
    """Where to log in, as `USER`."""

    url: str
    password: str = field(repr=False)


def installed() -> Path:
    """The folder with the programs, in `venv`, and the tables that Superset keeps for itself, in `home`."""
    place = cache_folder(os.environ) / "clients" / f"superset-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]}"
    with locked(place.parent):
        if not place.exists():
            unfinished = place.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            _install(unfinished)
            unfinished.rename(place)
    return place


def _install(place: Path) -> None:
    """Nobody may log in yet. Each run has a key of its own for its tables' secrets, of which there are none here."""
    (place / "home").mkdir(parents=True)
    venv = place / "venv"
    run("uv", "venv", "--quiet", "--relocatable", "--python", sys.executable, venv)
    run("uv", "pip", "install", "--quiet", "--python", venv, "--require-hashes", "-r", LOCK)
    settings = environment(place / "home")
    run(venv / "bin" / "superset", "db", "upgrade", **settings)
    run(venv / "bin" / "superset", "init", **settings)


def environment(home: Path) -> dict[str, str]:
    """Superset's settings: all its own, but for the place of its tables and a key nobody knows."""
    return {
        "FLASK_APP": "superset.app:create_app()",
        "SCARF_ANALYTICS": "false",
        "SUPERSET_HOME": str(home),
        "SUPERSET_SECRET_KEY": secrets.token_urlsafe(42),
    }


@contextmanager
def running_superset(folder: Path) -> Iterator[Superset]:
    """Serves on a free port of the loopback, with its tables below `folder`."""
    place, home = installed(), folder / "home"
    shutil.copytree(place / "home", home)
    settings, programs = environment(home), place / "venv" / "bin"
    superset = Superset(f"http://127.0.0.1:{free_port()}", secrets.token_urlsafe())
    who = ("--username", USER, "--firstname", "Ada", "--lastname", "Admin", "--email", "admin@localhost")
    run(programs / "superset", "fab", "create-admin", *who, "--password", superset.password, **settings)
    bind = ("--bind", superset.url.removeprefix("http://"), "--worker-class", "gthread", "--threads", str(THREADS))
    command: list[str | Path] = [programs / "gunicorn", *bind, "--timeout", "0", settings["FLASK_APP"]]
    with running(command, lambda line: READY in line, environment={**os.environ, **settings}, cwd=folder):
        yield superset


def run(*command: str | Path, **settings: str) -> None:
    """Raises AssertionError with all that it printed if it fails, TimeoutExpired if it does not end."""
    environment = {**os.environ, **settings}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=LONGEST_SECONDS
    )
    assert done.returncode == 0, f"{command[0]}\n{done.stdout}{done.stderr}"
