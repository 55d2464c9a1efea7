"""Jobs as pods of a real node: what a JAR may do there, what becomes of it, and that nothing is left."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from deltalake import DeltaTable

from compute.job import digest_of
from compute.spawners.kubernetes.config import JOB_CLAIM
from compute.spawners.kubernetes.driver import DRIVER, ROLE
from tests.daemon import running
from tests.fix_cluster import Machines, apply, eventually, local_volume, open_spawner
from tests.fix_jobs import command, environment, is_waiting, submit, summary

pytestmark = [pytest.mark.slow, pytest.mark.spark]
PODS = ("--spawner", "kubernetes")
SHARED = "/shared"
"""Where the job's pods see their volume."""
ROWS = 10_000
OURS = ("pods", "secrets", "networkpolicies", "leases")


@pytest.fixture
def job_volume(real: Machines, job_folder: Path) -> Iterator[Path]:
    """The volume that is kept for jobs, here."""
    apply(real.plane, local_volume(real.namespace, JOB_CLAIM, job_folder))
    yield job_folder
    real.plane.run("kubectl", "delete", "persistentvolume", real.namespace, "--wait=false")


def settings(machines: Machines) -> dict[str, str]:
    """A gateway's rights, which are enough."""
    return environment(
        KUBECONFIG=str(machines.config.kubeconfig),
        LAKEGATE_KUBERNETES_NAMESPACE=machines.namespace,
        LAKEGATE_KUBERNETES_CPU_SHARE=str(machines.config.cpu_share),
        LAKEGATE_KUBERNETES_API_SERVER=machines.plane.url,
    )


def present(machines: Machines) -> list[str]:
    """Kinds and names of what a submitter makes. The administrator's objects have no owners."""
    line = ("get", ",".join(OURS), "--namespace", machines.namespace, "--output=json")
    items = json.loads(machines.plane.run("kubectl", *line))["items"]
    made = [each for each in items if each["kind"] == "Lease" or "ownerReferences" in each["metadata"]]
    return [f"{each['kind']} {each['metadata']['name']}" for each in made]


async def executors(machines: Machines) -> list[str]:
    """Those that run, by the names of their pods."""
    pods = [pod for pod in await machines.pods() if pod["status"]["phase"] == "Running"]
    labels = {pod["metadata"]["name"]: pod["metadata"]["labels"] for pod in pods}
    return [name for name, label in labels.items() if DRIVER in label and ROLE not in label]


async def nothing_is_left(machines: Machines) -> None:
    await eventually(lambda: present(machines) == [])


@pytest.mark.soak
async def test_a_job_writes_a_table(real: Machines, job_jar: Path, job_volume: Path) -> None:
    """Its JAR comes over the channel and goes on to an executor, which writes."""
    options = ("--folder", SHARED)
    arguments = command(PODS, job_jar, "write", f"{SHARED}/numbers", str(ROWS), options=options)
    status, told, log = await asyncio.to_thread(submit, arguments, settings(real))
    assert status == 0, log
    assert (told["state"], told["status"], told["sha256"]) == ("succeeded", 0, digest_of(job_jar))
    assert f"wrote {ROWS} rows" in log
    assert DeltaTable(job_volume / "numbers").to_pyarrow_table().num_rows == ROWS
    await nothing_is_left(real)


async def test_an_interrupted_job(real: Machines, job_jar: Path) -> None:
    """It sees nothing of the submitter's environment, and its pods go."""
    with running(command(PODS, job_jar, "wait"), is_waiting, environment=settings(real)) as daemon:
        assert "LAKEGATE" not in daemon.ready_line

        async def has_its_executor() -> bool:
            return len(await executors(real)) == 1

        await eventually(has_its_executor)
        assert await asyncio.to_thread(daemon.stop) == 130, "".join(daemon.log)
    told = summary(daemon.log)
    assert (told["state"], told["reason"]) == ("canceled", "SIGINT was received")
    await nothing_is_left(real)


@pytest.mark.soak
async def test_a_killed_submitter(real: Machines, job_jar: Path) -> None:
    """The driver ends with its connection, executors with it; a gateway that lives takes the rest away."""
    with running(command(PODS, job_jar, "wait"), is_waiting, environment=settings(real)) as daemon:
        daemon.process.kill()

    async def is_over() -> bool:
        return all(pod["status"]["phase"] in ("Succeeded", "Failed") for pod in await real.pods())

    await eventually(is_over)
    assert present(real) != []
    async with open_spawner(real.config):
        await eventually(lambda: not any("job-" in each for each in present(real)))
