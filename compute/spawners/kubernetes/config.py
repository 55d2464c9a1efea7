"""What the spawner is told. Frozen; nothing here reads files or the environment."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from catalog.locations import workspace_folder
from compute.config import ANY_NODES, GIB, Placement
from compute.spawners import CannotStart
from compute.spawners.kubernetes.nodes import NodeType

GUEST_PORT = 9443
API_SERVER = "https://$(KUBERNETES_SERVICE_HOST):$(KUBERNETES_SERVICE_PORT)"
"""As every pod is told by its variables."""
SPARK_IMAGE = "lakegate.io/spark:latest"
DRIVER_ACCOUNT = "lakegate-spark"
EXECUTOR_ACCOUNT = "lakegate-executor"
"""It may nothing, in the cluster and beside it: admission lets no token into an executor."""
JOB_ACCOUNT = "lakegate-job"
"""Of drivers that run somebody's code: admission keeps theirs from every volume claim but `JOB_CLAIM`."""
JOB_CLAIM = "lakegate-jobs"
JOB_CLASS = "lakegate-job"
"""The priority class of a job's pods, which their quota goes by."""
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class SparkPods:
    """What pods with Spark in them differ by.

    `service_account` is the drivers', who create their own executors. `api_server` is where they find the API server:
    by default as the cluster tells every pod. `claim` names the volume claim that holds the tables, None where no table
    lies in a file system; `folder` is where in it they are (empty: its root), and `warehouse` that folder's path, the
    same for gateways and pods. Pods see of it what is their workspace's; all, only where the volume is not `divided`.
    """

    image: str = SPARK_IMAGE
    service_account: str = DRIVER_ACCOUNT
    api_server: str = API_SERVER
    claim: str | None = None
    folder: str = ""
    warehouse: str = "/"
    divided: bool = True

    def folder_of(self, workspace: str) -> str:
        """Where in the volume a workspace's tables are."""
        return workspace_folder(self.folder, workspace).lstrip("/")


@dataclass(frozen=True, slots=True)
class KubernetesConfig:
    """`gateway` is this gateway's name, the same after a restart and no other's at the same time; a DNS label.

    `image` holds the guest. `kubeconfig` None means that the gateway is itself a pod. `node_types` are those that a
    placement may name, `default_node` is for one that names none. `cpu_share` is how much
    of its threads a machine is promised; the rest it has while others leave it. `heartbeat_seconds` is how long others
    wait for a sign of life. `packs_nodes` says that this gateway's fleet is to hear of the nodes of placed types.
    """

    namespace: str
    gateway: str
    image: str
    kubeconfig: Path | None = None
    service_account: str = "lakegate-machine"
    priority_class: str | None = "lakegate-machine"
    default_node: NodeType = field(default_factory=NodeType)
    node_types: Mapping[str, NodeType] = field(default_factory=dict)
    cpu_share: float = 1.0
    scratch_bytes: int = 8 * GIB
    overhead_bytes: int = 256 << 20
    heartbeat_seconds: float = 40.0
    packs_nodes: bool = True
    spark: SparkPods = field(default_factory=SparkPods)

    def node_type(self, placement: Placement) -> NodeType:
        """Raises CannotStart for a type that nobody has described."""
        if placement.node_type == ANY_NODES:
            return self.default_node
        if placement.node_type not in self.node_types:
            raise CannotStart(f"the configuration has no node type {placement.node_type!r}")
        return self.node_types[placement.node_type]


def parse_node_types(text: str) -> Mapping[str, NodeType]:
    """By name. Raises ValueError for what is not their JSON, or does not fit together."""
    try:
        types = {name: NodeType(name, **fields) for name, fields in json.loads(text).items()}
    except (TypeError, AttributeError) as error:
        raise ValueError(str(error)) from error
    if "default" in types and types["default"].placed:
        raise ValueError("the default is for machines that are placed nowhere, and cannot be placed itself")
    return types


def configure(
    namespace: str,
    gateway: str,
    image: str,
    kubeconfig: Path | None,
    node_types: str,
    cpu_share: float,
    spark_image: str = SPARK_IMAGE,
    api_server: str | None = None,
    warehouse_claim: str | None = None,
    warehouse_folder: str = "",
    warehouse: str = "/",
) -> KubernetesConfig:
    """What an operator wrote, checked. `node_types` is JSON. Raises CannotStart."""
    if NAME.fullmatch(gateway) is None:
        raise CannotStart(
            f"a gateway can't be called {gateway!r} here: set LAKEGATE_KUBERNETES_GATEWAY to a name of small letters, "
            "digits and dashes, at most 40, that no other gateway has"
        )
    if not 0 < cpu_share <= 1:
        raise CannotStart(
            f"a machine can't be promised {cpu_share:g} of its processors: "
            "LAKEGATE_KUBERNETES_CPU_SHARE is above 0, at most 1"
        )
    try:
        types = parse_node_types(node_types)
    except ValueError as error:
        raise CannotStart(f"the node types are not understood: {error}") from error
    return KubernetesConfig(
        namespace,
        gateway,
        image,
        kubeconfig,
        default_node=types.get("default", NodeType()),
        node_types=types,
        cpu_share=cpu_share,
        spark=SparkPods(
            spark_image,
            api_server=api_server or API_SERVER,
            claim=warehouse_claim,
            folder=warehouse_folder,
            warehouse=warehouse,
        ),
    )


def for_job(config: KubernetesConfig, folder: str | None) -> KubernetesConfig:
    """The same cluster for a job. Of all volumes its pods have at most the one that is kept for jobs, at that path.

    It packs no nodes: those of placed types are gateways' alone, who count all that is on them as their own.
    """
    spark = replace(
        config.spark,
        service_account=JOB_ACCOUNT,
        claim=None if folder is None else JOB_CLAIM,
        folder="",
        warehouse=folder or "/",
        divided=False,
    )
    return replace(config, packs_nodes=False, priority_class=JOB_CLASS, spark=spark)
