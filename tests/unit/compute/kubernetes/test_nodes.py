"""Node types as the scheduler's terms."""

from typing import Any

import pytest

from compute.spawners.kubernetes.nodes import NodeType, is_leaving


def test_on_demand_is_preferred_and_nothing_else_asked() -> None:
    affinity = NodeType().affinity()["nodeAffinity"]
    assert "requiredDuringSchedulingIgnoredDuringExecution" not in affinity
    preferred = affinity["preferredDuringSchedulingIgnoredDuringExecution"]
    assert [rule["preference"]["matchExpressions"][0]["values"] for rule in preferred] == [["on-demand"], ["ON_DEMAND"]]


def test_spot_is_required_under_either_label() -> None:
    affinity = NodeType("spot", "spot", instance_types=("m7i.large",)).affinity()["nodeAffinity"]
    terms = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert [[rule["key"] for rule in term["matchExpressions"]] for term in terms] == [
        ["karpenter.sh/capacity-type", "node.kubernetes.io/instance-type"],
        ["eks.amazonaws.com/capacityType", "node.kubernetes.io/instance-type"],
    ]
    assert "preferredDuringSchedulingIgnoredDuringExecution" not in affinity


def test_spot_falls_back() -> None:
    affinity = NodeType("cheap", "spot-or-on-demand").affinity()["nodeAffinity"]
    assert "requiredDuringSchedulingIgnoredDuringExecution" not in affinity
    assert affinity["preferredDuringSchedulingIgnoredDuringExecution"][0]["weight"] == 100


def test_gpu_nodes_are_tolerated_and_asked_for() -> None:
    node = NodeType("gpu", gpus=2)
    assert node.devices() == {"nvidia.com/gpu": "2"}
    assert "nvidia.com/gpu" in [toleration["key"] for toleration in node.tolerations()]
    assert NodeType().devices() == {}


def test_pool_and_architecture_are_selected() -> None:
    node = NodeType("metal", pool="metal", architecture="arm64", runtime_class="kata")
    assert node.node_selector() == {"karpenter.sh/nodepool": "metal", "kubernetes.io/arch": "arm64"}


@pytest.mark.parametrize("taint", ["karpenter.sh/disrupted", "ToBeDeletedByClusterAutoscaler"])
def test_a_tainted_node_is_leaving(taint: str) -> None:
    assert is_leaving({"metadata": {"name": "n"}, "spec": {"taints": [{"key": taint, "effect": "NoSchedule"}]}})


def test_a_node_that_is_deleted_is_leaving_and_one_kept_for_others_is_not() -> None:
    assert is_leaving({"metadata": {"name": "n", "deletionTimestamp": "2026-01-01T00:00:00Z"}, "spec": {}})
    assert not is_leaving({"metadata": {"name": "n"}, "spec": {"taints": [{"key": "nvidia.com/gpu"}]}})


@pytest.mark.parametrize(
    ("node_type", "labels", "admitted"),
    [
        (NodeType(), {}, True),
        (NodeType(capacity="spot"), {}, False),
        (NodeType(capacity="spot"), {"karpenter.sh/capacity-type": "spot"}, True),
        (NodeType(capacity="spot"), {"eks.amazonaws.com/capacityType": "SPOT"}, True),
        (NodeType(capacity="spot"), {"eks.amazonaws.com/capacityType": "ON_DEMAND"}, False),
        (NodeType(instance_types=("m7i.metal",)), {"node.kubernetes.io/instance-type": "m7i.metal"}, True),
        (NodeType(instance_types=("m7i.metal",)), {"node.kubernetes.io/instance-type": "m7i.large"}, False),
        (NodeType(zones=("a", "b")), {"topology.kubernetes.io/zone": "b"}, True),
        (NodeType(pool="metal", labels={"x": "y"}), {"karpenter.sh/nodepool": "metal"}, False),
        (NodeType(pool="metal", labels={"x": "y"}), {"karpenter.sh/nodepool": "metal", "x": "y"}, True),
    ],
)
def test_a_type_admits_nodes_that_the_scheduler_would_take(
    node_type: NodeType, labels: dict[str, str], admitted: bool
) -> None:
    assert node_type.admits({"metadata": {"name": "n", "labels": labels}, "spec": {}}) is admitted


@pytest.mark.parametrize(
    ("taint", "admitted"),
    [
        ({"key": "lakegate.dev/machines", "effect": "NoSchedule"}, True),
        ({"key": "team", "effect": "PreferNoSchedule"}, True),
        ({"key": "team", "effect": "NoSchedule"}, False),
        ({"key": "team", "effect": "NoExecute"}, False),
    ],
)
def test_a_type_admits_nodes_whose_taints_it_tolerates(taint: Any, admitted: bool) -> None:
    assert NodeType().admits({"metadata": {"name": "n"}, "spec": {"taints": [taint]}}) is admitted


@pytest.mark.parametrize(
    "fields",
    [{"placed": True, "gpus": 1}, {"spread": 2}, {"daemon_memory": 1}, {"daemon_cpus": 0.5}, {"daemon_pods": 1}],
)
def test_what_the_fleet_cannot_place_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="placed"):
        NodeType(**fields)
