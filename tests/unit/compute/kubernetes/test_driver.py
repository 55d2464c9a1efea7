"""A driver's pod and its executors', as values."""

import json
from dataclasses import replace
from typing import Any

import pytest

from compute.config import Executors, MachineSpec, Placement
from compute.spawners import CannotStart
from compute.spawners.kubernetes import ownership
from compute.spawners.kubernetes.config import (
    EXECUTOR_ACCOUNT,
    JOB_ACCOUNT,
    JOB_CLAIM,
    KubernetesConfig,
    SparkPods,
    for_job,
)
from compute.spawners.kubernetes.driver import TEMPLATE, companions, driver_pod, executor_template
from compute.spawners.kubernetes.nodes import NodeType

EXECUTORS = Executors(least=2, most=8, threads=4, memory_bytes=1 << 30, node_type="spot")
PLACE = Placement(workspace="sales")
SPEC = MachineSpec("spark", "shared", threads=2, memory_bytes=1 << 30, placement=PLACE, executors=EXECUTORS)
CONFIG = KubernetesConfig(
    "machines",
    "gw-0",
    "lakegate-guest:1",
    node_types={"spot": NodeType("spot", "spot")},
    spark=SparkPods(claim="tables", folder="lake", warehouse="/data/warehouse"),
)
OWNER = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "name": "lakegate-gw-0", "uid": "1"}
NAME = f"{'g' * 40}-spark-0123456789"


def pod(config: KubernetesConfig = CONFIG, spec: MachineSpec = SPEC) -> Any:
    return driver_pod(config, NAME, spec, ownership.labels("gw-0", "i", "t"), OWNER)


def settings() -> dict[str, str]:
    found: dict[str, str] = json.loads(pod()["spec"]["containers"][0]["command"][-1])["options"]["properties"]
    return found


def template(config: KubernetesConfig = CONFIG) -> Any:
    return executor_template(config, NAME, SPEC)


def test_only_the_guest_of_a_driver_has_a_token() -> None:
    spec = pod()["spec"]
    assert spec["automountServiceAccountToken"] is False
    (channel,), (guest,) = spec["initContainers"], spec["containers"]
    assert "token" in [mount["name"] for mount in guest["volumeMounts"]]
    assert "token" not in [mount["name"] for mount in channel["volumeMounts"]]


def test_executors_have_none_and_no_other_right() -> None:
    spec = template()["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert [volume["secret"]["secretName"] for volume in spec["volumes"] if "secret" in volume] == [NAME]
    assert not any("projected" in volume for volume in spec["volumes"])
    (container,) = spec["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert settings()["spark.kubernetes.authenticate.executor.serviceAccountName"] == EXECUTOR_ACCOUNT


def test_the_driver_reads_what_an_executor_looks_like() -> None:
    assert json.loads(pod()["metadata"]["annotations"][TEMPLATE]) == template()
    (volume,) = (each for each in pod()["spec"]["volumes"] if each["name"] == "executor")
    assert TEMPLATE in volume["downwardAPI"]["items"][0]["fieldRef"]["fieldPath"]


def test_a_workspaces_tables_lie_at_the_same_path_everywhere() -> None:
    """Of the volume nothing else is mounted: what that is only the Secret says, which no driver writes."""
    mounted = {"name": "warehouse", "mountPath": "/data/warehouse/sales", "subPathExpr": "$(LAKEGATE_FOLDER)"}
    said = {"name": "LAKEGATE_FOLDER", "valueFrom": {"secretKeyRef": {"name": NAME, "key": "folder"}}}
    for container in (pod()["spec"]["containers"][0], template()["spec"]["containers"][0]):
        assert [mount for mount in container["volumeMounts"] if mount["name"] == "warehouse"] == [mounted]
        assert said in container["env"]
    (_, secret), _ = companions(CONFIG, {"metadata": {"name": NAME, "uid": "1"}}, "sales")
    assert (secret["metadata"]["name"], secret["stringData"]["folder"]) == (NAME, "lake/sales")
    without = replace(CONFIG, spark=SparkPods())
    assert "warehouse" not in json.dumps([pod(without), template(without)])


def test_nobody_has_the_tables_of_all() -> None:
    anybodys = replace(SPEC, placement=Placement())
    with pytest.raises(CannotStart, match="for one workspace"):
        pod(spec=anybodys)
    pod(replace(CONFIG, spark=SparkPods()), anybodys)


def test_a_job_has_the_volume_for_jobs_or_none() -> None:
    shared, alone = pod(for_job(CONFIG, "/shared")), pod(for_job(CONFIG, None))
    assert shared["spec"]["serviceAccountName"] == alone["spec"]["serviceAccountName"] == JOB_ACCOUNT
    claims = [volume.get("persistentVolumeClaim") for volume in shared["spec"]["volumes"]]
    assert [claim["claimName"] for claim in claims if claim] == [JOB_CLAIM]
    assert {"name": "warehouse", "mountPath": "/shared"} in shared["spec"]["containers"][0]["volumeMounts"]
    assert "LAKEGATE_FOLDER" not in json.dumps(shared)
    assert "persistentVolumeClaim" not in json.dumps([alone, template(for_job(CONFIG, None))])


def test_executors_come_and_go_within_their_bounds() -> None:
    chosen = settings()
    prefix = "spark.dynamicAllocation"
    assert (chosen[f"{prefix}.minExecutors"], chosen[f"{prefix}.maxExecutors"]) == ("2", "8")
    assert chosen["spark.executor.cores"] == "4"
    assert chosen["spark.sql.shuffle.partitions"] == "64"


def test_a_cluster_is_shut_and_its_executors_names_are_labels() -> None:
    chosen = settings()
    assert chosen["spark.authenticate"] == chosen["spark.network.crypto.enabled"] == "true"
    prefix = chosen["spark.kubernetes.executor.podNamePrefix"]
    assert prefix.endswith("-spark-0123456789")
    assert len(prefix) <= 47


def test_executors_go_to_nodes_of_their_own_type() -> None:
    required = template()["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert "spot" in json.dumps(required)
    assert "requiredDuringSchedulingIgnoredDuringExecution" not in pod()["spec"]["affinity"]["nodeAffinity"]
    with pytest.raises(CannotStart, match="no node type 'spot'"):
        pod(replace(CONFIG, node_types={}))
    with pytest.raises(CannotStart, match="executors cannot come to 'spot'"):
        pod(replace(CONFIG, node_types={"spot": NodeType("spot", "spot", placed=True)}))


def test_drivers_with_other_executors_do_not_stand_for_each_other() -> None:
    other = replace(SPEC, executors=replace(EXECUTORS, most=9))
    elsewhere = replace(SPEC, placement=Placement(workspace="other"))
    assert len({ownership.template_key(each, CONFIG) for each in (SPEC, other, elsewhere)}) == 3
