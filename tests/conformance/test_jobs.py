"""Jobs out of JARs on real clusters: what becomes of them, and what they leave."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from deltalake import DeltaTable

from compute.job import digest_of
from compute.spark.installation import Installation
from compute.spawners.process import GUEST_UID
from gateway.warehouse import give_to_machines
from tests.daemon import running
from tests.fix_gateway import LAKEGATE
from tests.masters.jars import compile_job
from tests.masters.standalone import Standalone
from tests.masters.yarn import Yarn
from tests.processes import until

pytestmark = [pytest.mark.slow, pytest.mark.spark]
ROWS = 10_000
LONGEST_SECONDS = 900


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Where a job may write, on this host and on the cluster's nodes, which are this host too."""
    path = Path(tempfile.mkdtemp(prefix="lakegate-job-"))
    path.chmod(0o755)
    give_to_machines(path, GUEST_UID if os.geteuid() == 0 else None)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def jar(spark_installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_job(spark_installation, tmp_path_factory.mktemp("job"))


def command(url: str, jar: Path, *arguments: str, options: Sequence[str] = (), main: str = "Job") -> list[str | Path]:
    sized = ("--executors", "1:1", "--memory", "512", "--json", *options)
    return [LAKEGATE, "submit", "--class", main, "--spark-master", url, *sized, jar, *arguments]


def environment(**settings: str) -> dict[str, str]:
    """With a secret of the gateway's, which no job may see."""
    own = {"LAKEGATE_EXECUTOR_MEMORY": "512", "LAKEGATE_ADMIN_PASSWORD": secrets.token_urlsafe()}
    return {**os.environ, **own, **settings}


def standalone_settings(cluster: Standalone) -> dict[str, str]:
    return environment(LAKEGATE_SPARK_SECRET_FILE=str(cluster.secret))


def submit(arguments: Sequence[str | Path], settings: dict[str, str]) -> tuple[int, dict[str, Any], str]:
    """Runs it to its end: the exit status, the summary, and all that was printed."""
    done = subprocess.run(
        arguments, env=settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LONGEST_SECONDS
    )
    return done.returncode, summary(done.stdout.splitlines()), done.stdout


def summary(lines: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(next((line for line in reversed(lines) if line.startswith("{")), "{}"))
    return found


def test_a_job_writes_a_table(standalone: Standalone, jar: Path, folder: Path) -> None:
    options = ("--folder", str(folder))
    arguments = command(standalone.url, jar, "write", str(folder / "numbers"), str(ROWS), options=options)
    status, told, log = submit(arguments, standalone_settings(standalone))
    assert status == 0, log
    assert (told["state"], told["status"], told["sha256"]) == ("succeeded", 0, digest_of(jar))
    assert f"wrote {ROWS} rows" in log
    assert DeltaTable(folder / "numbers").to_pyarrow_table().num_rows == ROWS
    until(lambda: not standalone.executors())


def test_a_job_that_fails_says_with_what_status(standalone: Standalone, jar: Path) -> None:
    status, told, log = submit(command(standalone.url, jar, "fail", "3"), standalone_settings(standalone))
    assert (status, told["state"], told["status"]) == (1, "failed", 3), log
    assert told["reason"] == "its JVM ended with status 3"


def test_a_class_that_is_not_there(standalone: Standalone, jar: Path) -> None:
    arguments = command(standalone.url, jar, main="com.example.Missing")
    status, told, log = submit(arguments, standalone_settings(standalone))
    assert (status, told["state"]) == (1, "failed"), log
    assert any("com.example.Missing" in line for line in told["tail"])


@pytest.mark.soak
def test_an_interrupted_job_gives_its_executors_back(standalone: Standalone, jar: Path) -> None:
    """It sees nothing of the submitter's environment, and its cluster hears of its end."""
    settings = standalone_settings(standalone)
    with running(command(standalone.url, jar, "wait"), is_waiting, environment=settings) as daemon:
        assert "LAKEGATE" not in daemon.ready_line
        until(lambda: len(standalone.executors()) == 1)
        assert daemon.stop() == 130, "".join(daemon.log)
    told = summary(daemon.log)
    assert (told["state"], told["reason"]) == ("canceled", "SIGINT was received")
    until(lambda: not standalone.executors() and not standalone.applications())


@pytest.mark.soak
def test_a_job_that_takes_too_long(standalone: Standalone, jar: Path) -> None:
    arguments = command(standalone.url, jar, "wait", options=("--timeout", "1"))
    status, told, log = submit(arguments, standalone_settings(standalone))
    assert (status, told["state"], told["reason"]) == (130, "canceled", "it took longer than 1 s"), log


@pytest.mark.soak
def test_a_killed_submitter_leaves_nothing(standalone: Standalone, jar: Path) -> None:
    settings = standalone_settings(standalone)
    with running(command(standalone.url, jar, "wait"), is_waiting, environment=settings) as daemon:
        family = psutil.Process(daemon.process.pid).children(recursive=True)
        daemon.process.send_signal(signal.SIGKILL)
        daemon.process.wait()
        until(lambda: not any(process.is_running() for process in family))
    until(lambda: not standalone.executors() and not standalone.applications())


@pytest.mark.soak
def test_a_job_on_yarn(yarn: Yarn, jar: Path, folder: Path) -> None:
    settings = environment(
        HADOOP_CONF_DIR=str(yarn.hadoop), LAKEGATE_YARN_JARS=yarn.jars, LAKEGATE_YARN_STAGING=str(folder / "staging")
    )
    arguments = command("yarn", jar, "write", str(folder / "more"), str(ROWS), options=("--folder", str(folder)))
    status, told, log = submit(arguments, settings)
    assert (status, told["state"]) == (0, "succeeded"), log
    assert DeltaTable(folder / "more").to_pyarrow_table().num_rows == ROWS
    until(lambda: not yarn.containers())


def test_a_master_that_is_not_there(jar: Path) -> None:
    status, _, log = submit(command("spark://127.0.0.1:1", jar), environment())
    assert status == 1
    assert "see that it runs there" in log


def is_waiting(line: str) -> bool:
    return line.startswith("waiting, with")
