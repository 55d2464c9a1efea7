"""A job's JAR, and `lakegate submit` as its users run it."""

import json
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from compute.spark.installation import Installation
from compute.spawners.process import GUEST_UID
from gateway.warehouse import give_to_machines
from tests.fix_gateway import LAKEGATE
from tests.masters.jars import compile_job

LONGEST_SECONDS = 900


@pytest.fixture(scope="module")
def job_folder() -> Iterator[Path]:
    """Where a job may write, on this host and on the cluster's nodes, which are this host too."""
    path = Path(tempfile.mkdtemp(prefix="lakegate-job-"))
    path.chmod(0o755)
    give_to_machines(path, GUEST_UID if os.geteuid() == 0 else None)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def job_jar(spark_installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_job(spark_installation, tmp_path_factory.mktemp("job"))


def command(
    place: Sequence[str], jar: Path, *arguments: str, options: Sequence[str] = (), main: str = "Job"
) -> list[str | Path]:
    """`place` are the options that say where executors are."""
    sized = ("--executors", "1:1", "--memory", "512", "--json", *options)
    return [LAKEGATE, "submit", "--class", main, *place, *sized, jar, *arguments]


def environment(**settings: str) -> dict[str, str]:
    """With a secret of the gateway's, which no job may see."""
    own = {"LAKEGATE_EXECUTOR_MEMORY": "512", "LAKEGATE_ADMIN_PASSWORD": secrets.token_urlsafe()}
    return {**os.environ, **own, **settings}


def submit(arguments: Sequence[str | Path], settings: Mapping[str, str]) -> tuple[int, dict[str, Any], str]:
    """Runs it to its end: the exit status, the summary, and all that was printed."""
    done = subprocess.run(
        arguments, env=settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LONGEST_SECONDS
    )
    return done.returncode, summary(done.stdout.splitlines()), done.stdout


def summary(lines: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(next((line for line in reversed(lines) if line.startswith("{")), "{}"))
    return found


def is_waiting(line: str) -> bool:
    return line.startswith("waiting, with")
