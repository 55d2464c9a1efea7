"""Network policies on a real node, where packets meet them: who reaches whom, and that it is the policies that decide.

Pods with the labels of a gateway, of machines, and of Spark's drivers and executors stand in the namespaces of a chart.
All have the same ports open, so what one does not reach is behind a wall: once the policies are gone, all is open.
"""

import json
import secrets
import subprocess
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
from tests.fix_cluster import HOSTILE_IMAGE, Cluster, apply
from tests.probe import command, reach
from tests.processes import until

pytestmark = pytest.mark.slow

POSTGRESQL, METRICS, HTTPS, METASTORE, OTHER = 5439, 9464, 443, 5432, 8080
PORTS = (GUEST_PORT, DRIVER_PORT, BLOCK_PORT, POSTGRESQL, METRICS, OTHER)
SPARK_PORTS = (DRIVER_PORT, BLOCK_PORT)
METADATA = "169.254.169.254"
LABEL = "tests/release"
ANY_PORT = {"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}
"""Lets a name server listen that is not root."""
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
    "driver": {*on(SPARK_PORTS, "executor", "sibling"), "API server"},
    "executor": on(SPARK_PORTS, "driver", "sibling"),
    "sibling": on(SPARK_PORTS, "driver", "executor"),
    "foreigner": set(),
    "stranger": {*on([METRICS], "gateway"), *on(PORTS, "names"), "DNS", *OUTER},
    "client": {*on([POSTGRESQL], "gateway"), *on(PORTS, *FREE), "DNS"},
}
"""The client is no pod, and its address is one that the chart was told of."""
CALLERS = [caller for caller in ALLOWED if caller != "client"]


Probe = subprocess.Popen[str]
"""In a pod: for each line that it gets, it says what becomes of each place."""


@dataclass(frozen=True, slots=True)
class Scene:
    """`pods` has the pods' namespaces, `places` the names of all that may be reached, `probes` who asks for them."""

    cluster: Cluster
    pods: Mapping[str, str]
    places: Mapping[str, str]
    probes: Mapping[str, Probe]

    def survey(self) -> Reached:
        """By everybody at once."""
        for probe in self.probes.values():
            print(file=probe.stdin, flush=True)
        client = reach([place for place, name in self.places.items() if name not in OUTER])
        answers = {caller: json.loads(_read_line(probe)) for caller, probe in self.probes.items()}
        return {caller: self._named(found) for caller, found in {**answers, "client": client}.items()}

    def _named(self, outcomes: Mapping[str, str]) -> set[str]:
        """Fails where a wall says that it is one."""
        assert "refused" not in outcomes.values(), outcomes
        return {self.places[place] for place, outcome in outcomes.items() if outcome == "open"}


def _read_line(probe: Probe) -> str:
    assert probe.stdout is not None
    return probe.stdout.readline()


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
    apply(
        cluster.plane, [listener(release, pod, pods[pod], {"gateway": labels, **MACHINES}.get(pod, {})) for pod in pods]
    )
    selected = ("--all-namespaces", f"--selector={LABEL}={release}")
    try:
        with surroundings(cluster) as outer:
            cluster.plane.run("kubectl", "wait", "pod", *selected, "--for=condition=Ready", "--timeout=600s")
            listed = json.loads(cluster.plane.run("kubectl", "get", "pod", *selected, "--output=json"))["items"]
            found = {**places(listed), **outer}
            with ExitStack() as stack:
                probes = {name: stack.enter_context(probing(cluster, name, pods[name], found)) for name in CALLERS}
                yield Scene(cluster, pods, found, probes)
    finally:
        cluster.plane.run("kubectl", "delete", "pod", *selected, "--grace-period=0", "--force")
        cluster.plane.run("kubectl", "delete", "namespace", *made, "--wait=false")


@contextmanager
def probing(cluster: Cluster, pod: str, namespace: str, found: Mapping[str, str]) -> Iterator[Probe]:
    """One for everything but the pod itself."""
    asked = [place for place, name in found.items() if not name.startswith(f"{pod} ")]
    kubectl = [str(cluster.plane.commands / "kubectl"), "exec", "--stdin", pod, "--namespace", namespace]
    line, pipe = [*kubectl, "--", *command("reach", asked)], subprocess.PIPE
    with subprocess.Popen(line, env=cluster.plane.environment, stdin=pipe, stdout=pipe, text=True) as probe:
        try:
            yield probe
        finally:
            probe.kill()


def values(cluster: Cluster, metrics: str) -> Values:
    host = [f"{cluster.wire.host}/32"]
    return {
        **SECRETS,
        "metastore": {"secretName": "metastore", "cidrs": host},
        "networkPolicy": {"clientCidrs": host, "apiServerCidrs": host},
        "metrics": {"enabled": True, "namespace": metrics},
    }


def spark_walls(namespace: str) -> Iterator[Object]:
    """Those that a gateway puts up for two drivers."""
    config = KubernetesConfig(namespace, "gw-0", HOSTILE_IMAGE)
    for driver in ("driver", "another"):
        for _, companion in companions(config, {"metadata": {"name": driver, "uid": ""}}, "demo"):
            if companion["kind"] == "NetworkPolicy":
                yield {**companion, "metadata": {"name": driver, "namespace": namespace}}


def listener(release: str, name: str, namespace: str, labels: Mapping[str, str]) -> Object:
    """A pod that listens on every port, one as a name server too."""
    ports = [f"0.0.0.0:{port}" for port in PORTS] + (["udp:0.0.0.0:53"] if name == "names" else [])
    container = {
        "name": "probe",
        "image": HOSTILE_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": command("listen", ports),
        "ports": [{"name": "postgresql", "containerPort": POSTGRESQL}, {"name": "metrics", "containerPort": METRICS}],
        "readinessProbe": {"tcpSocket": {"port": POSTGRESQL}, "periodSeconds": 1},
        "securityContext": container_security(),
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {**labels, LABEL: release}},
        "spec": {
            "containers": [container],
            "serviceAccountName": "probe",
            "terminationGracePeriodSeconds": 0,
            "securityContext": {**pod_security(), "sysctls": [ANY_PORT]},
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


def test_who_reaches_whom(scene: Scene) -> None:
    def is_as_allowed() -> bool:
        """Nobody ever gets further; what is on its way may need another try."""
        reached = scene.survey()
        beyond = {caller: reached[caller] - ALLOWED[caller] for caller in ALLOWED}
        assert not any(beyond.values()), beyond
        return reached == ALLOWED

    until(is_as_allowed)
    for namespace in {scene.pods["gateway"], scene.pods["machine"]}:
        scene.cluster.plane.run("kubectl", "delete", "networkpolicies", "--all", "--namespace", namespace)
    everything = {*on(PORTS, *scene.pods), "DNS", *OUTER}
    open_to = {caller: everything - on(PORTS, caller) for caller in ALLOWED}
    open_to["client"] -= OUTER
    until(lambda: scene.survey() == open_to)
