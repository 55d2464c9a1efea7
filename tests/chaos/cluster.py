"""A gateway whose machines are pods, and everything of their cluster that may be struck."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import psutil

from compute.spawners.kubernetes.config import KubernetesConfig
from tests.chaos.saboteur import DUCKDB, GATEWAY, Plot
from tests.chaos.storm import Setting
from tests.fix_cluster import Cluster
from tests.processes import children, command_line

PAUSE_SECONDS, COSTLY_PAUSE_SECONDS = 3.0, 6.0
COMMANDS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
PROGRAMS = {
    "the kubelet": "kubelet",
    "containerd": "containerd",
    "a pod's shim": "containerd-shim-runc-v2",
    "a pod's guest": "compute.guest.pod",
    "a pod's tunnel": "compute.guest.tunnel",
}
"""Of the node, by the program or the module that they run."""
CHEAP = ("a pod's guest", "a pod's tunnel")


def cluster_setting(cluster: Cluster, config: KubernetesConfig) -> Setting:
    """DuckDB's lane alone: Spark's machines are no pods."""
    environment = {
        "KUBECONFIG": str(config.kubeconfig),
        "LAKEGATE_KUBERNETES_NAMESPACE": config.namespace,
        "LAKEGATE_KUBERNETES_GATEWAY": config.gateway,
        "LAKEGATE_KUBERNETES_IMAGE": config.image,
        "LAKEGATE_KUBERNETES_CPU_SHARE": str(config.cpu_share),
    }
    options = ("--spawner", "kubernetes", "--memory", "512", "--max-machines", "6")
    return Setting(options, environment, plots(cluster), (DUCKDB,), PAUSE_SECONDS, COSTLY_PAUSE_SECONDS)


def plots(cluster: Cluster) -> Sequence[Plot]:
    control = [_control(cluster, command) for command in COMMANDS]
    node = [_of_node(cluster, name) for name in PROGRAMS]
    return (GATEWAY, *control, *node)


def _control(cluster: Cluster, command: str) -> Plot:
    """Nobody else starts it again: the saboteur does, with the same data."""

    def victims(_gateway: int) -> Sequence[psutil.Process]:
        return [psutil.Process(cluster.plane.processes[command].popen.pid)]

    revive: Callable[[], None] = partial(cluster.plane.revive, command)
    return Plot(command, victims, 1, (DUCKDB,), revive=revive)


def _of_node(cluster: Cluster, name: str) -> Plot:
    """Its own init starts it again, or the gateway starts another pod."""

    def victims(_gateway: int) -> Sequence[psutil.Process]:
        processes = children(psutil.Process(cluster.node.first), recursive=True)
        return [process for process in processes if _runs(command_line(process), PROGRAMS[name])]

    return Plot(name, victims, 1, (DUCKDB,), costly=name not in CHEAP, stops=name in CHEAP)


def _runs(line: Sequence[str], program: str) -> bool:
    return bool(line) and (Path(line[0]).name == program or program in line)
