"""Network policies on a real node, where packets meet them: who reaches whom, and that it is the policies that decide.

Pods with the labels of a gateway, of machines, and of Spark's drivers and executors stand in the namespaces of a chart.
All have the same ports open, so what one does not reach is behind a wall: once the policies are gone, all is open.
"""

import asyncio
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from compute.spawners.kubernetes.api import Object
from compute.spawners.kubernetes.config import GUEST_PORT, KubernetesConfig
from compute.spawners.kubernetes.driver import BLOCK_PORT, DRIVER, DRIVER_PORT, ROLE, companions
from compute.spawners.kubernetes.manifests import container_security, pod_security
from compute.spawners.kubernetes.namespace import service_account
from tests.charts import SECRETS, Values, only, render
from tests.cluster.control_plane import PORT as API_PORT
from tests.cluster.kubelet import PORT as KUBELET_PORT
from tests.daemon import running
from tests.fix_cluster import HOSTILE_IMAGE, Cluster, apply, eventually
from tests.probe import command, reach

pytestmark = [pytest.mark.slow, pytest.mark.soak]

POSTGRESQL, METRICS, HTTPS, METASTORE, OTHER = 5439, 9464, 443, 5432, 8080
PORTS = (GUEST_PORT, DRIVER_PORT, BLOCK_PORT, POSTGRESQL, METRICS, OTHER)
SPARK_PORTS = (DRIVER_PORT, BLOCK_PORT)
METADATA = "169.254.169.254"
LABEL = "tests/release"
MACHINES: Mapping[str, Mapping[str, str]] = {
    "machine": {},
    "driver": {DRIVER: "driver", ROLE: "driver"},
    "executor": {DRIVER: "driver"},
    "sibling": {DRIVER: "driver"},
    "foreigner": {DRIVER: "another"},
}
"""Pods of the machines' namespace, by what tells them apart: the last is an executor of another driver."""
FREE = ("stranger", "names")
"""Pods that no policy is about: one where metrics are gathered, one that answers as name servers do."""
Reached = Mapping[str, set[str]]
"""By who calls: what it reaches, itself aside."""


def on(ports: Sequence[int], *pods: str) -> set[str]:
    return {f"{pod} {port}" for pod in pods for port in ports}


OUTER = {"API server", "internet", "metastore", "metadata", "kubelet", "host"}
ALLOWED: Reached = {
    "gateway": {*on([GUEST_PORT], *MACHINES), "API server", "internet", "metastore", "DNS"},
    "machine": set(),
    "driver": {*on(SPARK_PORTS, "executor", "sibling"), "API server", "internet"},
    "executor": on(SPARK_PORTS, "driver", "sibling"),
    "sibling": on(SPARK_PORTS, "driver", "executor"),
    "foreigner": set(),
    "stranger": {*on([METRICS], "gateway"), *on(PORTS, "names"), "DNS", *OUTER},
    "client": {*on([POSTGRESQL], "gateway"), *on(PORTS, *FREE), "DNS"},
}
"""The client is no pod, and its address is one that the chart was told of."""


@dataclass(frozen=True, slots=True)
class Scene:
    """`pods` has the pods' namespaces, `places` the names of all that may be reached."""

    cluster: Cluster
    pods: Mapping[str, str]
    places: Mapping[str, str]

    def reached(self, caller: str) -> set[str]:
        """What a pod reaches."""
        places = [place for place, name in self.places.items() if not name.startswith(f"{caller} ")]
        line = ("exec", caller, "--namespace", self.pods[caller], "--", *command("reach", places))
        return self._named(json.loads(self.cluster.plane.run("kubectl", *line)))

    def reached_by_client(self) -> set[str]:
        return self._named(reach([place for place, name in self.places.items() if name not in OUTER]))

    def _named(self, outcomes: Mapping[str, str]) -> set[str]:
        """Fails where a wall says that it is one."""
        assert "refused" not in outcomes.values(), outcomes
        return {self.places[place] for place, outcome in outcomes.items() if outcome == "open"}

    async def survey(self) -> Reached:
        callers = [caller for caller in ALLOWED if caller != "client"]
        asked = [asyncio.to_thread(self.reached, caller) for caller in callers]
        *answers, client = await asyncio.gather(*asked, asyncio.to_thread(self.reached_by_client))
        return {**dict(zip(callers, answers, strict=True)), "client": client}


@pytest.fixture(scope="module")
def scene(cluster: Cluster) -> Iterator[Scene]:
    """The chart's policies, and pods that were found ready by the kubelet, through them."""
    release = f"walls-{secrets.token_hex(4)}"
    spaces = {"gateway": release, "stranger": f"{release}-metrics", "names": "kube-system"}
    pods = {**dict.fromkeys(MACHINES, f"{release}-machines"), **spaces}
    rendered = render(values(cluster, spaces["stranger"]), namespace=release)
    labels = only(rendered, "StatefulSet")["spec"]["template"]["metadata"]["labels"]
    walls = [each for each in rendered if each["kind"] == "NetworkPolicy"]
    made = {pods[pod] for pod in pods} - {"kube-system"}
    namespaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in sorted(made)]
    accounts = [service_account(name, "probe") for name in {*made, "kube-system"}]
    apply(cluster.plane, [*namespaces, *accounts, *walls, *spark_walls(pods["driver"])])
    apply(cluster.plane, [probe(release, pod, pods[pod], {"gateway": labels, **MACHINES}.get(pod, {})) for pod in pods])
    selected = ("--all-namespaces", f"--selector={LABEL}={release}")
    try:
        with surroundings(cluster) as outer:
            cluster.plane.run("kubectl", "wait", "pod", *selected, "--for=condition=Ready", "--timeout=600s")
            listed = json.loads(cluster.plane.run("kubectl", "get", "pod", *selected, "--output=json"))["items"]
            yield Scene(cluster, pods, {**places(listed), **outer})
    finally:
        cluster.plane.run("kubectl", "delete", "pod", *selected, "--grace-period=0", "--force")
        cluster.plane.run("kubectl", "delete", "namespace", *made, "--wait=false")


def values(cluster: Cluster, metrics: str) -> Values:
    host = [f"{cluster.wire.host}/32"]
    return {
        **SECRETS,
        "metastore": {"secretName": "metastore", "cidrs": host},
        "networkPolicy": {"clientCidrs": host},
        "metrics": {"enabled": True, "namespace": metrics},
    }


def spark_walls(namespace: str) -> Iterator[Object]:
    """Those that a gateway puts up for two drivers."""
    config = KubernetesConfig(namespace, "gw-0", HOSTILE_IMAGE)
    for driver in ("driver", "another"):
        for _, companion in companions(config, {"metadata": {"name": driver, "uid": ""}}):
            if companion["kind"] == "NetworkPolicy":
                yield {**companion, "metadata": {"name": driver, "namespace": namespace}}


def probe(release: str, name: str, namespace: str, labels: Mapping[str, str]) -> Object:
    """A pod that listens on every port, as nobody; the one that answers on a name server's port is root."""
    ports = [f"0.0.0.0:{port}" for port in PORTS] + (["udp:0.0.0.0:53"] if name == "names" else [])
    container = {
        "name": "probe",
        "image": HOSTILE_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": command("listen", ports),
        "ports": [{"name": "postgresql", "containerPort": POSTGRESQL}, {"name": "metrics", "containerPort": METRICS}],
        "readinessProbe": {"tcpSocket": {"port": POSTGRESQL}, "periodSeconds": 1},
        **({} if name == "names" else {"securityContext": container_security()}),
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {**labels, LABEL: release}},
        "spec": {
            "containers": [container],
            "serviceAccountName": "probe",
            "terminationGracePeriodSeconds": 0,
            **({} if name == "names" else {"securityContext": pod_security()}),
        },
    }


def places(pods: Sequence[Object]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for pod in pods:
        name, address = pod["metadata"]["name"], pod["status"]["podIP"]
        found |= {f"{address}:{port}": f"{name} {port}" for port in PORTS}
        if name == "names":
            found[f"udp:{address}:53"] = "DNS"
    return found


@contextmanager
def surroundings(cluster: Cluster) -> Iterator[Mapping[str, str]]:
    """Places around the pods, where something listens: on the node, on the host, and far away."""
    wire = cluster.wire
    on_node = ("nsenter", "--net", "--target", str(cluster.node.first))
    served = {f"{wire.host}:{API_PORT}": "API server", f"{wire.node}:{KUBELET_PORT}": "kubelet"}
    on_host = {
        f"{wire.internet}:{HTTPS}": "internet",
        f"{wire.host}:{METASTORE}": "metastore",
        f"{wire.host}:{OTHER}": "host",
    }
    with ExitStack() as stack:
        stack.enter_context(running(command("listen", list(on_host)), lambda line: line == "listening\n"))
        give = f"ip address replace {METADATA}/32 dev lo"
        listen = command("listen", [f"{METADATA}:{HTTPS}"])
        line = [*on_node, "sh", "-c", f'{give} && exec "$@"', "sh", *listen]
        stack.enter_context(running(line, lambda line: line == "listening\n"))
        yield {**served, **on_host, f"{METADATA}:{HTTPS}": "metadata"}


async def test_who_reaches_whom(scene: Scene) -> None:
    assert await scene.survey() == ALLOWED
    for namespace in {scene.pods["gateway"], scene.pods["machine"]}:
        scene.cluster.plane.run("kubectl", "delete", "networkpolicies", "--all", "--namespace", namespace)
    everything = {*on(PORTS, *scene.pods), "DNS", *OUTER}
    open_to = {caller: everything - on(PORTS, caller) for caller in ALLOWED}
    open_to["client"] -= OUTER

    async def are_open() -> bool:
        return await scene.survey() == open_to

    await eventually(are_open)
