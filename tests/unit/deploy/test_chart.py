"""What the chart says, as Helm renders it, against what gateways and their spawner are written for."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from catalog.credentials import Role
from compute.config import Placement
from compute.spawners.kubernetes.admission import ExecutorWalls
from compute.spawners.kubernetes.config import KubernetesConfig, configure
from compute.spawners.kubernetes.manifests import GUEST_UID
from compute.spawners.kubernetes.namespace import RUNTIMES, NamespaceSettings, namespace_objects, runtime_class
from compute.spawners.kubernetes.nodes import CAPACITY_LABELS, MACHINES_TAINT
from compute.spawners.kubernetes.spawner import KubernetesSpawner
from gateway.cli import serve_command
from gateway.config import Config, Warehouse
from gateway.declaration import read_declaration
from gateway.spawners import make_spawner
from gateway.warehouse import present_engines
from tests.charts import (
    API_SERVER,
    CHART,
    EVERYTHING,
    LEAST,
    ROLE,
    SECRETS,
    SETS,
    SHARED,
    WAREHOUSE,
    Values,
    environment,
    only,
    refusal,
    render,
)
from tests.charts import run_helm as helm

MACHINES = "gateways-machines"


@pytest.mark.parametrize("values", SETS.values(), ids=SETS)
def test_helm_finds_nothing_to_complain_of(values: Values) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART), values=values)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({}, "'/metastore': missing property 'secretName'"),
        ({"admin": {"password": "hunter2"}}, "'/admin': additional properties 'password' not allowed"),
        ({"metastore": {"dsn": "postgresql://u:p@h/d"}}, "'/metastore': additional properties 'dsn' not allowed"),
        ({"tls": {"secretName": "Not A Name"}}, "'/tls/secretName': 'Not A Name' does not match pattern"),
        ({"gateway": {"replicas": 0}}, "'/gateway/replicas': minimum: got 0, want 1"),
        ({"gateway": {"roleArn": "admin"}}, "'/gateway/roleArn': 'admin' does not match pattern"),
        ({"machines": {"cpuShare": 2}}, "'/machines/cpuShare': maximum: got 2, want 1"),
        ({"machines": {"nodeTypes": {"x": {"capacity": "free"}}}}, "value must be one of 'on-demand', 'spot'"),
        ({"machines": {"nodeTypes": {"x": {"capacty": "spot"}}}}, "additional properties 'capacty' not allowed"),
        ({"warehouse": {"engines": {}}}, "'/warehouse': got object, want string"),
        ({"service": {"type": "Public"}}, "value must be one of 'ClusterIP', 'NodePort', 'LoadBalancer'"),
        ({"networkPolicy": {"clientCidrs": ["everyone"]}}, "'/networkPolicy/clientCidrs/0': 'everyone' does not"),
        ({"replicas": 2}, "additional properties 'replicas' not allowed"),
    ],
)
def test_wrong_values_are_refused_by_name(values: Values, complaint: str) -> None:
    assert complaint in refusal(values if not values else {**SECRETS, **values})


def test_who_puts_up_walls_says_where_the_api_server_is() -> None:
    complaint = refusal(SECRETS)
    assert "networkPolicy.apiServerCidrs must say where the API server is" in complaint
    assert "kubectl get endpointslices" in complaint
    assert render({**SECRETS, "networkPolicy": {"enabled": False}})


def test_drivers_reach_the_api_server_alone() -> None:
    (way,) = only(render(LEAST), "NetworkPolicy", "lakegate-spark")["spec"]["egress"]
    assert way["to"] == [{"ipBlock": {"cidr": API_SERVER}}]
    assert way in only(render(LEAST), "NetworkPolicy", "lakegate")["spec"]["egress"]


@pytest.mark.parametrize("values", SETS.values(), ids=SETS)
def test_no_secret_is_written(values: Values) -> None:
    assert [each["kind"] for each in render(values) if each["kind"] == "Secret"] == []
    (container,) = only(render(values), "StatefulSet")["spec"]["template"]["spec"]["containers"]
    named = {each["name"]: each["valueFrom"].get("secretKeyRef") for each in container["env"] if "valueFrom" in each}
    assert named["LAKEGATE_METASTORE_DSN"] == {"name": "metastore", "key": "dsn"}
    assert named["LAKEGATE_ADMIN_PASSWORD"] == {"name": "admin", "key": "password"}


def gateway_config(monkeypatch: pytest.MonkeyPatch, values: Values) -> KubernetesConfig:
    """As the gateway's container makes it of what the chart tells it."""
    for name, value in environment(render(values)).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LAKEGATE_KUBERNETES_GATEWAY", "lakegate-0")
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return configure(**asdict(Config.load(Path("/data"), "0.0.0.0:5439", Warehouse()).kubernetes))


def test_a_gateway_understands_what_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    config = gateway_config(monkeypatch, EVERYTHING)
    assert (config.namespace, config.kubeconfig, config.cpu_share) == (MACHINES, None, 0.25)
    metal = config.node_types["metal"]
    assert (metal.runtime_class, metal.placed, metal.spread) == ("kata", True, 2)
    assert (metal.daemon_memory, metal.daemon_cpus, metal.daemon_pods) == (512, 0.5, 8)
    (container,) = only(render(EVERYTHING), "StatefulSet")["spec"]["template"]["spec"]["containers"]
    command, *arguments = container["args"]
    options = serve_command.make_context(command, arguments).params
    assert (command, options["spawner"], options["listen"]) == ("serve", "kubernetes", "0.0.0.0:5439")
    assert (options["executors"], config.spark.claim, config.spark.folder) == ("2:20", "tables", "warehouse")


def test_without_executors_machines_are_pods_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway's pod has no Java, and processes in it could not be kept apart."""
    gateway_config(monkeypatch, LEAST)
    (container,) = only(render(LEAST), "StatefulSet")["spec"]["template"]["spec"]["containers"]
    command, *arguments = container["args"]
    most = serve_command.make_context(command, arguments).params["max_spark_machines"]
    config = Config.load(Path("/data"), "0.0.0.0:5439", Warehouse(spawner="kubernetes", spark_warm=0, spark_most=most))
    assert present_engines(config) == {"duckdb"}
    assert isinstance(make_spawner(config), KubernetesSpawner)


def test_the_warehouse_file_is_mounted_to_be_read(tmp_path: Path) -> None:
    documents, file = render(EVERYTHING), tmp_path / "warehouse.toml"
    (name, content), *others = only(documents, "ConfigMap")["data"].items()
    assert (name, content, others) == (file.name, WAREHOUSE, [])
    file.write_text(content)
    assert read_declaration(file).roles == {"analytics": Role(ROLE)}
    template = only(documents, "StatefulSet")["spec"]["template"]
    (container,) = template["spec"]["containers"]
    (mount,) = (each for each in container["volumeMounts"] if each["name"] == "warehouse")
    (volume,) = (each for each in template["spec"]["volumes"] if each["name"] == "warehouse")
    assert mount["readOnly"]
    assert f"--warehouse={mount['mountPath']}/{name}" in container["args"]
    assert volume["configMap"] == {"name": only(documents, "ConfigMap")["metadata"]["name"]}


def test_gateways_roll_when_the_warehouse_file_changes() -> None:
    texts = (WAREHOUSE, f"{WAREHOUSE}# another\n")
    pods = [only(render({**EVERYTHING, "warehouse": text}), "StatefulSet")["spec"]["template"] for text in texts]
    first, second = (pod["metadata"]["annotations"] for pod in pods)
    assert first.pop("checksum/warehouse") != second.pop("checksum/warehouse")
    assert first == second == EVERYTHING["gateway"]["podAnnotations"]


def test_without_a_warehouse_file_nothing_is_said_of_one() -> None:
    assert "warehouse.toml" not in str(render(LEAST))
    assert "annotations" not in only(render(LEAST), "StatefulSet")["spec"]["template"]["metadata"]


def written_by_code() -> dict[tuple[str, str], Any]:
    """What `python -m compute.spawners.kubernetes` prints for such gateways, without names of its own."""
    settings = NamespaceSettings(
        (API_SERVER,),
        namespace=MACHINES,
        gateway_namespace="gateways",
        gateway_names=tuple(f"lakegate-{number}" for number in range(3)),
        machine_role_arn=ROLE,
        executors=ExecutorWalls(claim="tables"),
        placeholders=3,
        runtimes=("kata", "gvisor"),
    )
    return {
        (each["kind"], each["metadata"]["name"]): json.loads(json.dumps(each)) for each in namespace_objects(settings)
    }


@pytest.mark.parametrize(
    ("kind", "name", "fields"),
    [
        ("Role", "lakegate-gateway", ("rules",)),
        ("RoleBinding", "lakegate-gateway", ("subjects", "roleRef")),
        ("ResourceQuota", "lakegate-machine", ("spec",)),
        ("ResourceQuota", "lakegate-job", ("spec",)),
        ("PriorityClass", "lakegate-job", ("value", "preemptionPolicy", "globalDefault")),
        ("PriorityClass", "lakegate-machine", ("value", "preemptionPolicy", "globalDefault")),
        ("PriorityClass", "lakegate-placeholder", ("value", "preemptionPolicy", "globalDefault")),
        ("RuntimeClass", "kata", ("handler", "scheduling")),
        ("RuntimeClass", "gvisor", ("handler", "scheduling")),
        ("ServiceAccount", "lakegate-machine", ("automountServiceAccountToken",)),
        ("ServiceAccount", "lakegate-spark", ("automountServiceAccountToken",)),
        ("ServiceAccount", "lakegate-executor", ("automountServiceAccountToken",)),
        ("ServiceAccount", "lakegate-job", ("automountServiceAccountToken",)),
        ("Role", "lakegate-spark", ("rules",)),
        ("RoleBinding", "lakegate-spark", ("subjects", "roleRef")),
        ("NetworkPolicy", "lakegate-spark", ("spec",)),
        ("ValidatingAdmissionPolicy", f"lakegate-spark-{MACHINES}", ("spec",)),
        ("ValidatingAdmissionPolicyBinding", f"lakegate-spark-{MACHINES}", ("spec",)),
    ],
)
def test_the_chart_says_what_the_spawner_expects(kind: str, name: str, fields: tuple[str, ...]) -> None:
    ours, expected = only(render(EVERYTHING), kind, name), written_by_code()[kind, name]
    assert {field: ours[field] for field in fields} == {field: expected[field] for field in fields}
    assert ours["metadata"].get("namespace") == expected["metadata"].get("namespace")


def test_runtime_classes_are_those_that_the_spawner_knows() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert set(schema["properties"]["runtimeClasses"]["items"]["enum"]) == set(RUNTIMES) - {"crun"}
    assert runtime_class("kata")["scheduling"] == {"nodeSelector": {"lakegate.dev/kata": "true"}}


def test_the_machines_namespace_is_walled() -> None:
    documents, expected = render(EVERYTHING), written_by_code()
    enforced = expected["Namespace", MACHINES]["metadata"]["labels"].items()
    assert enforced <= only(documents, "Namespace")["metadata"]["labels"].items()
    wall = only(documents, "NetworkPolicy", "lakegate-machine")["spec"]
    (allowed,) = wall["ingress"]
    (peer,) = allowed["from"]
    (written,) = expected["NetworkPolicy", "lakegate-machine"]["spec"]["ingress"]
    assert (wall["egress"], wall["podSelector"], wall["policyTypes"]) == ([], {}, ["Ingress", "Egress"])
    assert allowed["ports"] == written["ports"]
    assert peer["namespaceSelector"] == written["from"][0]["namespaceSelector"]
    pods = only(documents, "StatefulSet")["spec"]["template"]["metadata"]["labels"].items()
    assert written["from"][0]["podSelector"]["matchLabels"].items() <= pods
    assert peer["podSelector"]["matchLabels"].items() <= pods


def test_a_gateway_reaches_machines_and_never_a_nodes_credentials() -> None:
    policy = only(render(EVERYTHING), "NetworkPolicy", "lakegate")["spec"]
    blocks = [peer["ipBlock"] for rule in policy["egress"] for peer in rule["to"] if "ipBlock" in peer]
    anywhere = [block for block in blocks if block["cidr"] == "0.0.0.0/0"]
    assert {tuple(block["except"]) for block in anywhere} == {("169.254.169.254/32",)}
    assert [block for block in blocks if block not in anywhere] == [{"cidr": API_SERVER}]
    machines = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": MACHINES}}}
    assert {"to": [machines], "ports": [{"protocol": "TCP", "port": 9443}]} in policy["egress"]


@pytest.mark.parametrize(("values", "most"), [(LEAST, 2), (EVERYTHING, 3)], ids=["fixed", "scaled"])
def test_every_gateway_that_there_can_be_has_its_secrets(values: Values, most: int) -> None:
    (named,) = (rule for rule in only(render(values), "Role", "lakegate-gateway")["rules"] if "resourceNames" in rule)
    expected = {f"lakegate-lakegate-{number}-{holder}" for number in range(most) for holder in ("guest", "gateway")}
    assert set(named["resourceNames"]) == expected


@pytest.mark.parametrize("release", ["x", "l" * 53, "production-lakegate-of-the-analysts-in-frankfurt-am"])
def test_gateways_names_are_short_enough_whatever_the_release(release: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = only(render(LEAST, release), "StatefulSet")["metadata"]["name"]
    assert configure("machines", f"{name}-99999", "image", None, "{}", 1.0).gateway == f"{name}-99999"


def test_sessions_decide_how_many_gateways() -> None:
    documents = render(EVERYTHING)
    scaler = only(documents, "HorizontalPodAutoscaler")["spec"]
    assert scaler["metrics"][0]["pods"]["metric"] == {"name": "lakegate_sessions"}
    assert scaler["scaleTargetRef"]["name"] == only(documents, "StatefulSet")["metadata"]["name"]
    assert "replicas" not in only(documents, "StatefulSet")["spec"]
    assert only(documents, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_numbers_are_told_to_who_collects_them_alone() -> None:
    documents = render(EVERYTHING)
    (container,) = only(documents, "StatefulSet")["spec"]["template"]["spec"]["containers"]
    assert {"name": "LAKEGATE_METRICS", "value": "0.0.0.0:9464"} in container["env"]
    (wall,) = (
        each for each in documents if each["kind"] == "NetworkPolicy" and len(each["spec"].get("ingress", [])) == 2
    )
    collectors = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    assert wall["spec"]["ingress"][1] == {"from": collectors, "ports": [{"protocol": "TCP", "port": "metrics"}]}
    assert "LAKEGATE_METRICS" not in str(render(LEAST))


@pytest.mark.parametrize("values", SETS.values(), ids=SETS)
def test_pods_are_restricted_and_their_roots_read_only(values: Values) -> None:
    workloads = [each for each in render(values) if each["kind"] in ("StatefulSet", "Deployment")]
    for pod in (workload["spec"]["template"]["spec"] for workload in workloads):
        assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsNonRoot"]) == (GUEST_UID, True)
        assert [container["securityContext"]["readOnlyRootFilesystem"] for container in pod["containers"]] == [True]


def test_iam_roles_are_the_accounts() -> None:
    accounts = {each["metadata"]["name"]: each for each in render(EVERYTHING) if each["kind"] == "ServiceAccount"}
    roles = {name: each["metadata"].get("annotations") for name, each in accounts.items()}
    annotated = {"eks.amazonaws.com/role-arn": ROLE}
    sparks = dict.fromkeys(("lakegate-spark", "lakegate-executor", "lakegate-job"))
    assert roles == {"lakegate-gateway": annotated, "lakegate-machine": annotated, **sparks}
    assert all("annotations" not in each["metadata"] for each in render(LEAST) if each["kind"] == "ServiceAccount")


def test_what_others_own_is_left_alone() -> None:
    kinds = {each["kind"] for each in render(SHARED)}
    assert kinds.isdisjoint({"Namespace", "PriorityClass", "RuntimeClass", "NetworkPolicy", "NodePool"})
    assert "PersistentVolumeClaim" not in kinds
    assert only(render(SHARED), "Role", "lakegate-gateway")["metadata"]["namespace"] == "elsewhere"


@pytest.mark.parametrize(
    ("node_type", "pools"),
    [
        ("default", {"lakegate-on-demand", "lakegate-metal"}),
        ("spot", {"lakegate-spot"}),
        ("metal", {"lakegate-metal"}),
    ],
)
def test_machines_come_to_nodes_of_their_type(node_type: str, pools: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A pod fits a pool whose taints it tolerates, whose labels it selects and whose capacity it accepts."""
    config = gateway_config(monkeypatch, EVERYTHING)
    node = config.node_type(Placement(node_type=node_type))
    tolerated = {each["key"] for each in node.tolerations()}
    selected = {
        **node.node_selector(),
        **({f"lakegate.dev/{node.runtime_class}": "true"} if node.runtime_class else {}),
    }
    fitting = set()
    for pool in (each for each in render(EVERYTHING) if each["kind"] == "NodePool"):
        template = pool["spec"]["template"]
        (capacity,) = capacities(template)
        taints = {taint["key"] for taint in template["spec"]["taints"]}
        assert MACHINES_TAINT in taints
        labels = template.get("metadata", {}).get("labels", {})
        if taints <= tolerated and selected.items() <= labels.items() and node.capacity == capacity:
            fitting.add(pool["metadata"]["name"])
    assert fitting == pools


def capacities(template: Any) -> list[str]:
    (requirement,) = (each for each in template["spec"]["requirements"] if each["key"] in CAPACITY_LABELS)
    return list(requirement["values"])
