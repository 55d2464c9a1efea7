"""The chart on a real API server: every document is taken, and a gateway with its rights gets machines."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import psycopg
import pytest
import yaml

from catalog.scans import Scan
from compute.spawners.kubernetes.api import Api, Refused
from compute.spawners.kubernetes.config import KubernetesConfig
from compute.spawners.kubernetes.manifests import pods_path, secrets_path
from compute.spawners.kubernetes.namespace import MACHINE, NamespaceSettings, priority_class
from tests.charts import API_SERVER, CHART, EVERYTHING, LEAST, RELEASE, SETS, Document, Values, only, render
from tests.cluster.control_plane import ControlPlane
from tests.cluster.crds import node_pool_definition
from tests.cluster.host_node import HostNode
from tests.fix_cluster import Machines, apply, eventually, gateway_token, pod_pool
from tests.fix_compute import ROWS, ask, duckdb_config
from tests.fix_gateway import running_gateway
from tests.target import Target


def dry_run(plane: ControlPlane, documents: Sequence[Document]) -> str:
    """The API server's every check of what an administrator applies, and nothing kept."""
    content = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(documents)})
    options = ("--server-side", "--dry-run=server", "--force-conflicts", "--validate=strict", "--warnings-as-errors")
    return plane.run("kubectl", "apply", *options, "-f", "-", stdin=content)


@pytest.fixture
def places(control_plane: ControlPlane) -> ControlPlane:
    """With the namespaces that a dry run can't make, the strictest there are, and Karpenter's kind of object."""
    enforced = {"pod-security.kubernetes.io/enforce": "restricted"}
    names = ("gateways", "gateways-machines", "elsewhere")
    namespaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": enforced}} for name in names
    ]
    apply(control_plane, [*namespaces, node_pool_definition()])
    control_plane.run("kubectl", "wait", "--for=condition=Established", "crd/nodepools.karpenter.sh")
    return control_plane


@pytest.mark.parametrize("values", SETS.values(), ids=SETS)
def test_the_api_server_takes_every_document(places: ControlPlane, values: Values) -> None:
    documents = render(values)
    assert dry_run(places, documents).count("serverside-applied") == len(documents)


def test_a_pod_of_a_gateway_is_admitted_where_restricted_is_enforced(places: ControlPlane) -> None:
    template = only(render(EVERYTHING), "StatefulSet")["spec"]["template"]
    account, priority = only(render(EVERYTHING), "ServiceAccount", "lakegate-gateway"), "lakegate-gateway"
    apply(places, [account, priority_class(priority, 100_000, "PreemptLowerPriority")])
    metadata = {"name": "lakegate-0", "namespace": "gateways", "labels": template["metadata"]["labels"]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
    assert "pod/lakegate-0 serverside-applied" in dry_run(places, [pod])


@pytest.fixture
async def installed(control_plane: ControlPlane) -> AsyncIterator[Machines]:
    """A release that Helm has installed, and a gateway's own token; nobody counts what the quota allows."""
    space = f"release-{secrets.token_hex(4)}"
    classes = [priority_class(MACHINE, 1000, "PreemptLowerPriority")]
    await asyncio.to_thread(apply, control_plane, classes)
    values = {**LEAST, "priorityClasses": {"create": False}}
    options = ("--namespace", space, "--create-namespace", "--values", "-")
    await asyncio.to_thread(
        control_plane.run, "helm", "install", RELEASE, str(CHART), *options, stdin=yaml.safe_dump(values)
    )
    settings = NamespaceSettings((API_SERVER,), namespace=f"{space}-machines", gateway_namespace=space)
    admin = await Api.connect(control_plane.kubeconfig("admin"))
    try:
        hard = dict(settings.quota)
        status = {"hard": hard, "used": dict.fromkeys(hard, "0")}
        path = f"/api/v1/namespaces/{settings.namespace}/resourcequotas/{MACHINE}/status"
        await admin.patch(path, [{"op": "add", "path": "/status", "value": status}])
        kubeconfig = control_plane.kubeconfig(space, await gateway_token(admin, settings))
        config = KubernetesConfig(settings.namespace, "lakegate-1", "lakegate-guest:tests", kubeconfig)
        yield Machines(control_plane, admin, settings, config)
    finally:
        await admin.close()


async def test_an_installed_gateways_rights_are_enough(installed: Machines, warehouse: Path, points: Scan) -> None:
    node = HostNode(installed.admin, installed.namespace)
    await node.start()
    try:
        async with pod_pool(installed.config, duckdb_config(), warehouse) as pool:
            lease = await pool.lease("duckdb", workspace="demo", principal="ada")
            assert await ask(lease, "SELECT max(id) AS id FROM scan_0", scans=[points]) == [{"id": ROWS - 1}]
            await lease.release()
        await eventually(installed.are_gone)
    finally:
        await node.stop()


async def test_a_gateway_without_executors_says_that_it_has_no_spark(
    installed: Machines, passable_folder: Path
) -> None:
    """By the command that the chart gives it: what runs beside it are pods alone."""
    path = f"/apis/apps/v1/namespaces/{installed.settings.gateway_namespace}/statefulsets/{RELEASE}"
    (container,) = (await installed.admin.read(path))["spec"]["template"]["spec"]["containers"]
    serve, *options = (each for each in container["args"] if not each.startswith(("--data", "--listen")))
    told = {
        each["name"]: each["value"] for each in container["env"] if "KUBERNETES" in each["name"] and "value" in each
    }
    assert serve == "serve"
    named = {"LAKEGATE_KUBERNETES_GATEWAY": installed.config.gateway, "KUBECONFIG": str(installed.config.kubeconfig)}
    password, node = secrets.token_urlsafe(), HostNode(installed.admin, installed.namespace)
    await node.start()
    try:
        with running_gateway(passable_folder / "chart", password, options, {**told, **named}) as target:
            refused = await asyncio.to_thread(_write, target)
    finally:
        await node.stop()
    assert refused.sqlstate == "0A000"
    assert "machines.spark.executors" in str(refused.diag.message_hint)


def _write(target: Target) -> psycopg.Error:
    """Why a statement that only Spark can do was refused, by a gateway that answers others."""
    with target.connect() as connection:
        assert connection.execute("SELECT 1").fetchall() == [(1,)]
        with pytest.raises(psycopg.Error) as raised:
            connection.execute("CREATE TABLE odd (id int) USING delta TBLPROPERTIES ('delta.appendOnly' = 'true')")
    return raised.value


async def test_an_installed_gateway_may_no_more_than_that(installed: Machines) -> None:
    gateway, machines = await Api.connect(installed.config.kubeconfig), installed.namespace
    forbidden = [
        gateway.list(secrets_path(machines)),
        gateway.read(secrets_path(machines, "lakegate-lakegate-7-guest")),
        gateway.read(secrets_path(installed.settings.gateway_namespace, "metastore")),
        gateway.list(pods_path(installed.settings.gateway_namespace)),
        gateway.create(pods_path(machines, "any") + "/exec?command=id", {}),
        gateway.create(f"/api/v1/namespaces/{machines}/serviceaccounts/lakegate-machine/token", {}),
        gateway.delete(f"/api/v1/namespaces/{machines}/resourcequotas/lakegate-machine"),
        gateway.patch("/api/v1/nodes/any", [{"op": "add", "path": "/metadata/labels/x", "value": "y"}]),
    ]
    try:
        outcomes = await asyncio.gather(*forbidden, return_exceptions=True)
    finally:
        await gateway.close()
    refused = [outcome.status if isinstance(outcome, Refused) else outcome for outcome in outcomes]
    assert refused == [403] * len(forbidden)


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("consolidateAfter", "soon", "spec.disruption.consolidateAfter"),
        ("consolidationPolicy", "Always", "supported values"),
    ],
)
def test_karpenters_own_schema_is_asked(places: ControlPlane, field: str, value: str, complaint: str) -> None:
    """What it would not take is refused: that it takes ours means something."""
    pool = json.loads(json.dumps(only(render(EVERYTHING), "NodePool", "lakegate-spot")))
    pool["spec"]["disruption"][field] = value
    with pytest.raises(AssertionError, match=complaint):
        dry_run(places, [pool])
