"""Jobs out of JARs on real clusters: what becomes of them, and what they leave."""

import signal
from pathlib import Path

import psutil
import pytest
from deltalake import DeltaTable

from compute.job import digest_of
from tests.daemon import running
from tests.fix_jobs import command, environment, is_waiting, submit, summary
from tests.masters.standalone import Standalone
from tests.masters.yarn import Yarn
from tests.processes import until

pytestmark = [pytest.mark.slow, pytest.mark.spark]
ROWS = 10_000


def at(url: str) -> tuple[str, str]:
    return "--spark-master", url


def standalone_settings(cluster: Standalone) -> dict[str, str]:
    return environment(LAKEGATE_SPARK_SECRET_FILE=str(cluster.secret))


def test_a_job_writes_a_table(standalone: Standalone, job_jar: Path, job_folder: Path) -> None:
    options = ("--folder", str(job_folder))
    arguments = command(at(standalone.url), job_jar, "write", str(job_folder / "numbers"), str(ROWS), options=options)
    status, told, log = submit(arguments, standalone_settings(standalone))
    assert status == 0, log
    assert (told["state"], told["status"], told["sha256"]) == ("succeeded", 0, digest_of(job_jar))
    assert f"wrote {ROWS} rows" in log
    assert DeltaTable(job_folder / "numbers").to_pyarrow_table().num_rows == ROWS
    until(lambda: not standalone.executors())


def test_a_job_that_fails_says_with_what_status(standalone: Standalone, job_jar: Path) -> None:
    status, told, log = submit(command(at(standalone.url), job_jar, "fail", "3"), standalone_settings(standalone))
    assert (status, told["state"], told["status"]) == (1, "failed", 3), log
    assert told["reason"] == "its JVM ended with status 3"


def test_a_class_that_is_not_there(standalone: Standalone, job_jar: Path) -> None:
    arguments = command(at(standalone.url), job_jar, main="com.example.Missing")
    status, told, log = submit(arguments, standalone_settings(standalone))
    assert (status, told["state"]) == (1, "failed"), log
    assert any("com.example.Missing" in line for line in told["tail"])


@pytest.mark.soak
def test_an_interrupted_job_gives_its_executors_back(standalone: Standalone, job_jar: Path) -> None:
    """It sees nothing of the submitter's environment, and its cluster hears of its end."""
    settings = standalone_settings(standalone)
    with running(command(at(standalone.url), job_jar, "wait"), is_waiting, environment=settings) as daemon:
        assert "LAKEGATE" not in daemon.ready_line
        until(lambda: len(standalone.executors()) == 1)
        assert daemon.stop() == 130, "".join(daemon.log)
    told = summary(daemon.log)
    assert (told["state"], told["reason"]) == ("canceled", "SIGINT was received")
    until(lambda: not standalone.executors() and not standalone.applications())


@pytest.mark.soak
def test_a_job_that_takes_too_long(standalone: Standalone, job_jar: Path) -> None:
    arguments = command(at(standalone.url), job_jar, "wait", options=("--timeout", "1"))
    status, told, log = submit(arguments, standalone_settings(standalone))
    assert (status, told["state"], told["reason"]) == (130, "canceled", "it took longer than 1 s"), log


@pytest.mark.soak
def test_a_killed_submitter_leaves_nothing(standalone: Standalone, job_jar: Path) -> None:
    settings = standalone_settings(standalone)
    with running(command(at(standalone.url), job_jar, "wait"), is_waiting, environment=settings) as daemon:
        family = psutil.Process(daemon.process.pid).children(recursive=True)
        daemon.process.send_signal(signal.SIGKILL)
        daemon.process.wait()
        until(lambda: not any(process.is_running() for process in family))
    until(lambda: not standalone.executors() and not standalone.applications())


@pytest.mark.soak
def test_a_job_on_yarn(yarn: Yarn, job_jar: Path, job_folder: Path) -> None:
    settings = environment(
        HADOOP_CONF_DIR=str(yarn.hadoop),
        LAKEGATE_YARN_JARS=yarn.jars,
        LAKEGATE_YARN_STAGING=str(job_folder / "staging"),
    )
    arguments = command(
        at("yarn"), job_jar, "write", str(job_folder / "more"), str(ROWS), options=("--folder", str(job_folder))
    )
    status, told, log = submit(arguments, settings)
    assert (status, told["state"]) == (0, "succeeded"), log
    assert DeltaTable(job_folder / "more").to_pyarrow_table().num_rows == ROWS
    until(lambda: not yarn.containers())


def test_a_master_that_is_not_there(job_jar: Path) -> None:
    status, _, log = submit(command(at("spark://127.0.0.1:1"), job_jar), environment())
    assert status == 1
    assert "see that it runs there" in log
