"""Spark in pods of a real node: a gateway that has it, and its executors."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from compute.spawners.kubernetes import ownership
from compute.spawners.kubernetes.driver import EXECUTOR
from tests.fix_cluster import CLAIM, Machines, apply, local_volume
from tests.fix_gateway import running_gateway
from tests.target import Target


@contextmanager
def running_spark_gateway(machines: Machines, data: Path, password: str, *options: str) -> Iterator[Target]:
    """`lakegate serve` whose Spark is a pod with executors, over a volume that holds the gateway's tables."""
    config = machines.config
    settings = {
        "KUBECONFIG": str(config.kubeconfig),
        "LAKEGATE_KUBERNETES_NAMESPACE": config.namespace,
        "LAKEGATE_KUBERNETES_GATEWAY": config.gateway,
        "LAKEGATE_KUBERNETES_CPU_SHARE": str(config.cpu_share),
        "LAKEGATE_KUBERNETES_API_SERVER": machines.plane.url,
        "LAKEGATE_KUBERNETES_WAREHOUSE_CLAIM": CLAIM,
        "LAKEGATE_EXECUTOR_MEMORY": "512",
    }
    pods = ("--spawner", "kubernetes", "--min-machines", "1", "--memory", "512", *options)
    apply(machines.plane, local_volume(machines.namespace, CLAIM, data / "warehouse"))
    try:
        with running_gateway(data, password, pods, settings) as target:
            yield target
    finally:
        machines.plane.run("kubectl", "delete", "persistentvolume", machines.namespace, "--wait=false")


async def executors(machines: Machines) -> list[str]:
    """Those that run, by the names of their pods."""
    return [
        pod["metadata"]["name"]
        for pod in await machines.pods()
        if pod["metadata"]["labels"].get(ownership.APPLICATION) == EXECUTOR and pod["status"]["phase"] == "Running"
    ]
