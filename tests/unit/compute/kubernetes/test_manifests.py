"""Pods as values."""

import json
from dataclasses import replace
from typing import Any

import pytest

from compute.config import MachineSpec, Placement
from compute.spawners import CannotStart
from compute.spawners.kubernetes import ownership
from compute.spawners.kubernetes.config import KubernetesConfig
from compute.spawners.kubernetes.manifests import guest_pod
from compute.spawners.kubernetes.namespace import NamespaceSettings, namespace_objects, service_account
from compute.spawners.kubernetes.nodes import NodeType

SPEC = MachineSpec("duckdb", "user", threads=2, memory_bytes=1 << 30)
CONFIG = KubernetesConfig("machines", "gw-0", "lakegate-guest:1")
SETTINGS = NamespaceSettings(("10.0.0.0/24",))
OWNER = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "name": "lakegate-gw-0", "uid": "1"}


def pod(config: KubernetesConfig = CONFIG, spec: MachineSpec = SPEC) -> Any:
    return guest_pod(config, "gw-0-duckdb-1", spec, ownership.labels("gw-0", "i", "t"), OWNER)


def test_no_container_gets_a_token_a_privilege_or_a_writable_root() -> None:
    spec = pod()["spec"]
    assert spec["automountServiceAccountToken"] is False
    for container in (*spec["initContainers"], *spec["containers"]):
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"]
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert not security["allowPrivilegeEscalation"]


def test_only_the_channel_sees_the_private_key() -> None:
    spec = pod()["spec"]
    (secret,) = [volume["name"] for volume in spec["volumes"] if "secret" in volume]
    holders = [
        container["name"]
        for container in (*spec["initContainers"], *spec["containers"])
        if secret in [mount["name"] for mount in container["volumeMounts"]]
    ]
    assert holders == ["channel"]


def test_what_is_held_is_promised_in_full_and_processors_in_part() -> None:
    config = replace(CONFIG, cpu_share=0.25)
    for container in (*pod(config)["spec"]["initContainers"], *pod(config)["spec"]["containers"]):
        requests, limits = container["resources"]["requests"], container["resources"]["limits"]
        assert {name for name in limits if requests[name] != limits[name]} == {"cpu"}
    assert requests["cpu"] == "0.5"
    assert limits["cpu"] == "2"


def test_memory_is_the_engines_and_what_surrounds_it() -> None:
    limits = pod()["spec"]["containers"][0]["resources"]["limits"]
    assert int(limits["memory"]) == SPEC.memory_bytes + CONFIG.overhead_bytes
    assert int(limits["ephemeral-storage"]) == CONFIG.scratch_bytes


def test_the_order_reaches_the_guest_as_one_argument() -> None:
    order = json.loads(pod()["spec"]["containers"][0]["command"][-1])
    assert (order["engine"], order["mode"], order["options"]["threads"]) == ("duckdb", "user", 2)


def test_a_machine_goes_to_the_nodes_that_it_is_placed_on() -> None:
    config = replace(CONFIG, node_types={"metal": NodeType("metal", pool="metal", runtime_class="kata")})
    assert "runtimeClassName" not in pod(config)["spec"]
    placed = pod(config, replace(SPEC, placement=Placement("metal")))["spec"]
    assert (placed["runtimeClassName"], placed["nodeSelector"]) == ("kata", {"karpenter.sh/nodepool": "metal"})
    with pytest.raises(CannotStart, match="no node type 'moon'"):
        pod(config, replace(SPEC, placement=Placement("moon")))


def test_the_template_tells_what_makes_machines_equal() -> None:
    key = ownership.template_key(SPEC, CONFIG)
    assert key == ownership.template_key(replace(SPEC), replace(CONFIG, gateway="gw-1"))
    assert key != ownership.template_key(replace(SPEC, threads=4), CONFIG)
    assert key != ownership.template_key(SPEC, replace(CONFIG, image="lakegate-guest:2"))
    assert key != ownership.template_key(SPEC, replace(CONFIG, default_node=NodeType("spot", "spot")))


def test_an_iam_role_is_annotated_for_eks() -> None:
    annotated = service_account("lakegate", "gateway", "arn:aws:iam::123456789012:role/lakegate")
    assert annotated["metadata"]["annotations"] == {
        "eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/lakegate"
    }
    assert service_account("lakegate", "gateway")["metadata"]["annotations"] == {}


def test_nothing_leaves_the_namespace() -> None:
    policy, drivers = [o for o in namespace_objects(SETTINGS) if o["kind"] == "NetworkPolicy"]
    assert drivers["spec"]["podSelector"]["matchLabels"] == {"lakegate.dev/role": "driver"}
    assert policy["spec"]["egress"] == []
    assert policy["spec"]["podSelector"] == {}
    assert sorted(policy["spec"]["policyTypes"]) == ["Egress", "Ingress"]


def test_a_gateway_may_read_no_secret_but_its_own() -> None:
    driver, role = [o for o in namespace_objects(SETTINGS) if o["kind"] == "Role"]
    assert "secrets" not in json.dumps(driver["rules"])
    named = [
        rule.get("resourceNames") for rule in role["rules"] if "get" in rule["verbs"] if "secrets" in rule["resources"]
    ]
    assert named == [["lakegate-lakegate-0-guest", "lakegate-lakegate-0-gateway"]]
