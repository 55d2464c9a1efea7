"""What an operator writes, as the spawner takes it."""

import json
from typing import Any

import pytest

from compute.config import Placement
from compute.spawners import CannotStart
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


@pytest.mark.parametrize("node_types", ["[]", "{", '{"a": {"colour": "red"}}', '{"a": 1}'])
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
