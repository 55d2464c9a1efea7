"""What an operator writes, as the spawner takes it."""

import json
from typing import Any

import pytest
from click.testing import CliRunner

from compute.config import Placement
from compute.spawners import CannotStart
from compute.spawners.kubernetes.__main__ import main
from compute.spawners.kubernetes.config import KubernetesConfig, configure


def configured(**changes: Any) -> KubernetesConfig:
    settings = {
        "namespace": "machines",
        "gateway": "gw-0",
        "image": "guest:1",
        "kubeconfig": None,
        "node_types": "{}",
        "cpu_share": 1.0,
    }
    return configure(**(settings | changes))


def test_node_types_are_read_by_name() -> None:
    types = {"default": {"capacity": "spot-or-on-demand"}, "metal": {"runtime_class": "kata", "pool": "metal"}}
    config = configured(node_types=json.dumps(types))
    assert config.node_type(Placement()).capacity == "spot-or-on-demand"
    assert config.node_type(Placement("metal")).runtime_class == "kata"


@pytest.mark.parametrize(
    "node_types",
    ["[]", "{", '{"a": {"colour": "red"}}', '{"a": 1}', '{"a": {"spread": 1}}', '{"default": {"placed": true}}'],
)
def test_others_are_refused(node_types: str) -> None:
    with pytest.raises(CannotStart, match="node types are not understood"):
        configured(node_types=node_types)


@pytest.mark.parametrize("gateway", ["", "Gateway", "-a", "a_b", "x" * 41])
def test_a_gateways_name_becomes_part_of_its_pods(gateway: str) -> None:
    with pytest.raises(CannotStart, match="can't be called"):
        configured(gateway=gateway)


@pytest.mark.parametrize("share", [0.0, -1.0, 1.5, float("nan")])
def test_a_share_is_a_share(share: float) -> None:
    with pytest.raises(CannotStart, match="of its processors"):
        configured(cpu_share=share)


def test_an_administrator_says_where_drivers_find_the_api_server() -> None:
    done = CliRunner().invoke(main, ["--api-server", "10.0.0.0/24", "--api-server", "10.0.1.0/24"])
    policies = [each for each in json.loads(done.output)["items"] if each["kind"] == "NetworkPolicy"]
    (walls,) = (each["spec"]["egress"] for each in policies if each["metadata"]["name"] == "lakegate-spark")
    assert [to["ipBlock"]["cidr"] for to in walls[0]["to"]] == ["10.0.0.0/24", "10.0.1.0/24"]
    refused = CliRunner().invoke(main, [])
    assert "Missing option '--api-server'" in refused.output
