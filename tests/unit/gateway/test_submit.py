"""`lakegate submit`: what it asks of its options, and the machine that it wants."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from compute import job as job_module
from compute.config import Executors
from compute.job import JARS_PROPERTY, Job, digest_of
from gateway.config import Warehouse, parse_master
from gateway.submit import new_run, submit
from gateway.warehouse import job_config

MASTER = "spark://127.0.0.1:7077"


@pytest.fixture
def jar(tmp_path: Path) -> Path:
    path = tmp_path / "app.jar"
    path.touch()
    return path


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ((), "say where executors are"),
        (("--spark-master", MASTER, "--spawner", "kubernetes"), "say where executors are"),
        (("--spark-master", MASTER, "--folder", "/nowhere/at/all"), "there is no folder /nowhere/at/all"),
    ],
)
def test_wrong_options_are_refused(jar: Path, options: tuple[str, ...], complaint: str) -> None:
    done = CliRunner().invoke(submit, ["--class", "Job", *options, str(jar)])
    assert (done.exit_code, complaint in done.output) == (2, True), done.output


def test_a_process_has_its_jars_and_a_pod_its_executors(jar: Path) -> None:
    executors = Executors(1, 2)
    beside = job_config(Warehouse(executors=executors, spark_master=parse_master(MASTER)), [jar])
    pod = job_config(Warehouse(executors=executors), [jar])
    assert (JARS_PROPERTY in beside.properties, beside.executors) == (True, None)
    assert (pod.properties, pod.executors) == ({}, executors)


def test_jars_are_bounded_where_they_travel(jar: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_module, "MOST_JAR_BYTES", 0)
    jar.write_bytes(b"classes")
    done = CliRunner().invoke(submit, ["--class", "Job", "--spawner", "kubernetes", str(jar)])
    assert (done.exit_code, "may have 0 MiB together" in done.output) == (2, True), done.output
    run = new_run("Job", ("x",), [jar], Warehouse(spark_master=parse_master(MASTER)))
    assert (run.job, run.jars) == (Job("Job", ("x",), digest_of(jar)), None)
