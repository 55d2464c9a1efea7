"""What the fleet hears of nodes of placed types."""

import time
from dataclasses import replace
from typing import Any

import pytest

from compute.config import MachineSpec, Placement
from compute.events import NodeDraining, NodeEvent, NodeJoined, NodeLost
from compute.spawners.kubernetes.config import KubernetesConfig, for_job
from compute.spawners.kubernetes.estate import Estate, footprint
from compute.spawners.kubernetes.manifests import DRAIN_SECONDS, guest_pod
from compute.spawners.kubernetes.nodes import NodeType
from compute.spawners.kubernetes.spawner import KubernetesSpawner

METAL = NodeType("metal", pool="metal", placed=True, daemon_memory=512, daemon_cpus=0.25, daemon_pods=4)
TYPES = (NodeType("spot", "spot"), METAL, NodeType("other", labels={"kind": "other"}, placed=True))
LEAVING = {"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}
UNREACHABLE = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}
NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
PRESSED = {"key": "node.kubernetes.io/memory-pressure", "effect": "NoSchedule"}
EVICTING = {"key": "team", "effect": "NoExecute"}
KEPT = {"key": "lakegate.dev/machines", "effect": "NoSchedule"}
JOINED = NodeJoined("n", "metal", (16 << 30) - (512 << 20), 7.66)


def node(*taints: Any, labels: Any = None, **resources: str) -> Any:
    metadata = {"name": "n", "labels": {"karpenter.sh/nodepool": "metal"} if labels is None else labels}
    allocatable = {"memory": "16Gi", "cpu": "7910m", **resources}
    return {"metadata": metadata, "spec": {"taints": list(taints)}, "status": {"allocatable": allocatable}}


@pytest.fixture
def heard() -> list[NodeEvent]:
    return []


@pytest.fixture
def estate(heard: list[NodeEvent]) -> Estate:
    made = Estate(TYPES, "gw-0")
    made.watch(heard.append)
    return made


def test_a_node_joins_once_with_the_room_that_daemons_leave(estate: Estate, heard: list[NodeEvent]) -> None:
    estate.see(node(NOT_READY, KEPT))
    assert heard == [], "no pod could be put there yet"
    for _ in range(2):
        estate.see(node(KEPT))
    assert heard == [JOINED]


def test_who_watches_later_hears_of_what_there_is(heard: list[NodeEvent]) -> None:
    estate = Estate(TYPES, "gw-0")
    estate.see(node())
    estate.see({**node(LEAVING), "metadata": {"name": "m", "labels": {"karpenter.sh/nodepool": "metal"}}})
    estate.watch(heard.append)
    assert heard == [JOINED]


def test_a_job_hears_of_no_node(heard: list[NodeEvent]) -> None:
    """Its fleet has no type that a node could join."""
    config = KubernetesConfig("machines", "gw-0", "guest:1", node_types={each.name: each for each in TYPES})
    for chosen, told in ((config, [JOINED]), (for_job(config, None), [])):
        heard.clear()
        spawner = KubernetesSpawner(chosen)
        spawner.watch_nodes(heard.append)
        spawner._estate.see(node())
        assert heard == told


def test_a_node_drains_comes_back_and_is_lost(estate: Estate, heard: list[NodeEvent]) -> None:
    before = time.monotonic()
    for seen in (node(), node(LEAVING), node(LEAVING), node(), node(LEAVING), node(UNREACHABLE), node(UNREACHABLE)):
        estate.see(seen)
    kinds = [type(each) for each in heard]
    assert kinds == [NodeJoined, NodeDraining, NodeJoined, NodeDraining, NodeLost]
    draining = heard[1]
    assert isinstance(draining, NodeDraining)
    assert before + DRAIN_SECONDS <= draining.until <= time.monotonic() + DRAIN_SECONDS
    estate.see(node())
    estate.lose("n")
    estate.lose("n")
    assert heard[5:] == [JOINED, NodeLost("n")]


def named(**labels: str) -> Any:
    return node(labels={"karpenter.sh/nodepool": "metal"} | labels)


@pytest.mark.parametrize("closed", [node(EVICTING), named(**{"lakegate.dev/gateway": "gw-1"}), node(labels={})])
def test_a_node_that_evicts_pods_or_is_not_ours_any_more_drains(
    estate: Estate, heard: list[NodeEvent], closed: Any
) -> None:
    for seen in (node(), closed, closed, node()):
        estate.see(seen)
    assert [type(each) for each in heard] == [NodeJoined, NodeDraining, NodeJoined]
    estate.see(closed)
    estate.lose("n")
    assert heard[4:] == [NodeLost("n")], "what is left there may be counted as gone"


def test_a_node_under_pressure_keeps_its_machines_and_takes_no_more(estate: Estate, heard: list[NodeEvent]) -> None:
    for seen in (node(), node(PRESSED), node(PRESSED, NOT_READY), node()):
        estate.see(seen)
    assert heard == [JOINED, replace(JOINED, most_machines=0), JOINED]
    for seen in (node(PRESSED), node(PRESSED, EVICTING)):
        estate.see(seen)
    assert isinstance(heard[-1], NodeDraining)


def test_a_node_of_another_size_or_type_joins_again(estate: Estate, heard: list[NodeEvent]) -> None:
    for seen in (node(), node(cpu="3910m"), node(labels={"kind": "other"})):
        estate.see(seen)
    assert heard == [JOINED, replace(JOINED, cpus=3.66), NodeJoined("n", "other", 16 << 30, 7.91)]


def test_no_more_machines_than_the_kubelet_takes_pods(estate: Estate, heard: list[NodeEvent]) -> None:
    estate.see(node(pods="110"))
    assert heard == [replace(JOINED, most_machines=106)]


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (node(labels={}), "of no placed type"),
        (node({"key": "team", "effect": "NoExecute"}), "machines would not tolerate it"),
        (node(labels={"karpenter.sh/nodepool": "metal", "lakegate.dev/gateway": "gw-1"}), "another gateway's"),
        ({**node(), "status": {}}, "its kubelet has not told what it can hold"),
    ],
)
def test_nodes_that_are_not_ours_to_pack(estate: Estate, heard: list[NodeEvent], seen: Any, why: str) -> None:
    estate.see(seen)
    estate.see(seen | {"spec": {"taints": [LEAVING]}})
    estate.lose("n")
    assert heard == [], why


def test_a_machine_takes_what_its_containers_ask_for() -> None:
    config = KubernetesConfig("machines", "gw-0", "guest:1", cpu_share=0.5, overhead_bytes=100 << 20)
    pod = guest_pod(config, "", MachineSpec("duckdb", "user", threads=3, memory_bytes=1 << 30), {}, {})
    assert footprint(pod) == ((1 << 30) + (100 << 20) + (96 << 20), 1.55)


def test_a_pod_on_a_node_requires_that_node() -> None:
    config = KubernetesConfig("machines", "gw-0", "guest:1", node_types={each.name: each for each in TYPES})
    for name, labels in (("metal", 0), ("spot", 1)):
        spec = MachineSpec("duckdb", "user", 1, 1 << 30, placement=Placement(name, "n"))
        affinity = guest_pod(config, "", spec, {}, {})["spec"]["affinity"]["nodeAffinity"]
        (rule,) = affinity.values()
        for term in rule["nodeSelectorTerms"]:
            assert term["matchFields"] == [{"key": "metadata.name", "operator": "In", "values": ["n"]}]
            assert len(term.get("matchExpressions", [])) == labels
