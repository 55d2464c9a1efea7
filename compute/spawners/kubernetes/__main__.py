"""``python -m compute.spawners.kubernetes``: what an administrator applies once, as a list for kubectl."""

import json

import click

from compute.spawners.kubernetes.admission import ExecutorWalls
from compute.spawners.kubernetes.config import SPARK_IMAGE
from compute.spawners.kubernetes.namespace import RUNTIMES, NamespaceSettings, namespace_objects

WHERE = """CIDR of the API server: of its subnets, or ADDRESS/32 of each that `kubectl get endpointslices --namespace
default --selector kubernetes.io/service-name=kubernetes` tells."""


@click.command()
@click.option("--namespace", default="lakegate-machines", show_default=True, help="Where machines will be.")
@click.option("--gateway-namespace", default="lakegate", show_default=True, help="Where gateways are.")
@click.option("--gateway-account", default="lakegate-gateway", show_default=True, help="Their service account.")
@click.option("--gateway", "gateways", multiple=True, default=("lakegate-0",), show_default=True, help="Their names.")
@click.option("--max-pods", default=2000, show_default=True, help="Machines at most, of all gateways together.")
@click.option("--max-job-pods", default=200, show_default=True, help="Pods at most, of all jobs together.")
@click.option("--warehouse-claim", default="", help="The volume claim with the tables, if there is one, for executors.")
@click.option("--spark-image", default=SPARK_IMAGE, show_default=True, help="The only one that executors may run.")
@click.option(
    "--executor-runtime",
    "executor_runtimes",
    multiple=True,
    default=("",),
    help="RuntimeClass that executors must have.  [default: the nodes' usual one]",
)
@click.option("--executor-label", "executor_labels", multiple=True, help="Label of nodes that executors may ask for.")
@click.option("--executor-cpu", default="16", show_default=True, help="Processors of an executor at most.")
@click.option("--executor-memory", default="64Gi", show_default=True, help="Its memory at most.")
@click.option("--executor-storage", default="64Gi", show_default=True, help="Its disk at most.")
@click.option("--runtime", "runtimes", multiple=True, type=click.Choice(sorted(RUNTIMES)), help="RuntimeClass to make.")
@click.option("--placeholders", default=0, show_default=True, help="Pods that keep room for machines to come.")
@click.option("--api-server", "api_servers", multiple=True, required=True, help=WHERE)
def main(
    namespace: str,
    gateway_namespace: str,
    gateway_account: str,
    gateways: tuple[str, ...],
    max_pods: int,
    max_job_pods: int,
    warehouse_claim: str,
    spark_image: str,
    executor_runtimes: tuple[str, ...],
    executor_labels: tuple[str, ...],
    executor_cpu: str,
    executor_memory: str,
    executor_storage: str,
    runtimes: tuple[str, ...],
    placeholders: int,
    api_servers: tuple[str, ...],
) -> None:
    """Print the machines' namespace with its rights, bounds and walls, for `kubectl apply --server-side -f -`."""
    limits = {"cpu": executor_cpu, "memory": executor_memory, "ephemeral-storage": executor_storage}
    settings = NamespaceSettings(
        api_servers,
        namespace=namespace,
        gateway_namespace=gateway_namespace,
        gateway_account=gateway_account,
        gateway_names=gateways,
        quota={"pods": str(max_pods)},
        job_quota={"pods": str(max_job_pods)},
        executors=ExecutorWalls(spark_image, executor_runtimes, warehouse_claim, limits, executor_labels),
        runtimes=runtimes,
        placeholders=placeholders,
    )
    click.echo(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(namespace_objects(settings))}, indent=2))


if __name__ == "__main__":
    main()
