"""Every setting of a gateway, in one frozen value that is made once and passed down.

The only module that reads the environment. Command-line options arrive as arguments of `Config.load`.
"""

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from catalog.credentials import ObjectStore, Role
from compute.config import ANY_NODES, Executors, WorkspacePolicy
from compute.events import Priority
from compute.spark.configuration import COMPILERS
from compute.spark.master import YARN, Master, executor_properties, parse_addresses
from gateway.access import Access

N = TypeVar("N", int, float)
MEBIBYTE = 1024 * 1024
LEAST_MEMORY = 64
"""MiB of a machine: with less its engine does not start, or does nothing."""
USUAL_EXECUTORS = "1:8"
"""Of a master's cluster, unless the operator says otherwise."""


class IsolationLevel(StrEnum):
    """What the operator asks of machines: the strongest that works here, or none at all."""

    AUTO = "auto"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one gateway. Seconds, bytes, counts.

    The last `reserved_connections` are for admins. Rows on their way to clients may take `spool_bytes` of memory and
    `spool_disk_bytes` of disk in each session, and those `…gateway…` in all.
    """

    connections: int = 1000
    reserved_connections: int = 3
    drain_seconds: float = 10.0
    spool_bytes: int = 32 * MEBIBYTE
    spool_disk_bytes: int = 4096 * MEBIBYTE
    spool_gateway_bytes: int = 512 * MEBIBYTE
    spool_gateway_disk_bytes: int = 32768 * MEBIBYTE
    prepared_statements: int = 4096
    portals: int = 1024
    lease_idle_seconds: float = 20.0


@dataclass(frozen=True, slots=True)
class Preference:
    """What somebody's leases are: of a size of machines, with a priority. None says nothing of it."""

    size: str | None = None
    priority: Priority | None = None


@dataclass(frozen=True, slots=True)
class Declaration:
    """What the warehouse file says, as `gateway.declaration` reads it.

    `queue` are fields of PoolConfig; `engines` and `sizes`, which are by engine and name, fields of EngineConfig.
    `connections` are fields of Quota, `workspace_connections` how many sessions these workspaces may have on a gateway;
    `metastore` are fields of RelayLimits, `tables` of Reserve.
    `roles` read the tables of these workspaces in S3; others are read as `shares_role` says, by the gateway's role or
    not at all.
    """

    queue: Mapping[str, Any] = field(default_factory=dict)
    engines: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sizes: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    policies: Mapping[str, WorkspacePolicy] = field(default_factory=dict)
    workspaces: Mapping[str, Preference] = field(default_factory=dict)
    principals: Mapping[str, Preference] = field(default_factory=dict)
    connections: Mapping[str, Any] = field(default_factory=dict)
    workspace_connections: Mapping[str, int] = field(default_factory=dict)
    metastore: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, Any] = field(default_factory=dict)
    roles: Mapping[str, Role] = field(default_factory=dict)
    shares_role: bool = True

    def preference(self, engine: str, workspace: str, principal: str, asked: str | None = None) -> tuple[str, Priority]:
        """Size and priority of a lease: the size that the client asked for, the principal's, else the workspace's. A
        size that the engine lacks is none."""
        own, shared = self.principals.get(principal, Preference()), self.workspaces.get(workspace, Preference())
        size = asked if asked and (engine, asked) in self.sizes else own.size or shared.size or ""
        priority = shared.priority if own.priority is None else own.priority
        return size if (engine, size) in self.sizes else "", Priority.INTERACTIVE if priority is None else priority


@dataclass(frozen=True, slots=True)
class Warehouse:
    """Declared compute of the default warehouse: how many machines are kept warm and how large they are.

    A Spark machine serves many sessions of a workspace, so a host needs few: one for two cores, and at least a second
    one, which stands by warm for the moment when the first is lost. `spawner` names how machines come to be, as in
    `gateway.spawners`; `spark_spawner` Spark's where there is a choice: ``process``, or ``qemu`` for microVMs that only
    read. `spill` bounds each one's disk, in bytes; None: by what is free. `executors` are a Spark
    machine's, None where it computes by itself. `spark_remote` is the URL of a Spark that somebody else runs,
    `spark_token` the file of its token; `spark_master` is the master of somebody else's cluster, where executors are.
    `spark_compiler` is the last of Java's compilers that its JVMs use. `declaration` goes before all these.
    """

    duckdb_warm: int = 1
    duckdb_most: int = 16
    duckdb_threads: int = field(default_factory=lambda: os.cpu_count() or 2)
    duckdb_memory: int = 4096 * MEBIBYTE
    spark_warm: int = 1
    spark_most: int = field(default_factory=lambda: max(2, (os.cpu_count() or 2) // 2))
    spark_memory: int = 2048 * MEBIBYTE
    isolation: IsolationLevel = IsolationLevel.AUTO
    spawner: str = "process"
    spark_spawner: str = "process"
    spill: int | None = None
    executors: Executors | None = None
    spark_remote: str | None = None
    spark_token: Path | None = None
    spark_master: Master | None = None
    spark_compiler: str = COMPILERS[0]
    declaration: Declaration = field(default_factory=Declaration)

    def __post_init__(self) -> None:
        """Raises ValueError where executors are of a kind that their master does not know."""
        if self.spark_master is not None and self.executors is not None:
            executor_properties(self.spark_master, self.executors)

    @property
    def computes_here(self) -> bool:
        """Whether Spark's machines are whole: neither relays nor drivers of executors elsewhere."""
        return self.spark_remote is None and self.spark_master is None

    @property
    def spark_pods(self) -> bool:
        """Whether Spark's machines are pods, as their executors are."""
        return self.spawner == "kubernetes" and self.executors is not None and self.spark_master is None


@dataclass(frozen=True, slots=True)
class Firecracker:
    """Where a release of Firecracker lies, its jailer beside it, and what its machines get.

    `memory` is ``File`` or ``Uffd``, `network` ``none`` or ``tap``: see `compute.spawners.firecracker`.
    """

    program: Path = Path("/usr/local/bin/firecracker")
    memory: str = "File"
    network: str = "none"


@dataclass(frozen=True, slots=True)
class Kubernetes:
    """The cluster that machines are pods of, and this gateway's name in it, which a restart keeps.

    `kubeconfig` None means that the gateway is itself a pod. `node_types` are JSON: fields of
    `compute.spawners.kubernetes.nodes.NodeType` by name, ``default`` for machines that are placed nowhere.
    `cpu_share` is how much of its threads a machine is promised. The rest is for Spark with executors: its image, the
    API server as pods find it (None: as the cluster tells them), and the volume claim that holds the tables, in that
    folder of it; None where they lie in no file system.
    """

    namespace: str = "lakegate-machines"
    gateway: str = field(default_factory=socket.gethostname)
    image: str = "lakegate.io/guest:latest"
    kubeconfig: Path | None = None
    node_types: str = "{}"
    cpu_share: float = 1.0
    spark_image: str = "lakegate.io/spark:latest"
    api_server: str | None = None
    warehouse_claim: str | None = None
    warehouse_folder: str = ""


@dataclass(frozen=True, slots=True)
class Config:
    """`metastore_dsn` None means the embedded PostgreSQL below `data`; certificate None means a self-signed one;
    `cache` is where set-up left Spark, None for its usual place; `metrics` is where they are told, None for nowhere;
    `advertised` is where other gateways of the metastore reach this one, None: where it listens."""

    data: Path
    host: str = "127.0.0.1"
    port: int = 5439
    admin: str = "admin"
    admin_password: str | None = field(default=None, repr=False)
    workspace: str = "demo"
    cache: Path | None = None
    metastore_dsn: str | None = field(default=None, repr=False)
    certificate: Path | None = None
    private_key: Path | None = None
    metrics: tuple[str, int] | None = None
    advertised: tuple[str, int] | None = None
    limits: Limits = field(default_factory=Limits)
    warehouse: Warehouse = field(default_factory=Warehouse)
    firecracker: Firecracker = field(default_factory=Firecracker)
    kubernetes: Kubernetes = field(default_factory=Kubernetes)
    objects: ObjectStore = field(default_factory=ObjectStore)
    access: Access = field(default_factory=Access)

    @classmethod
    def load(
        cls, data: Path, listen: str, warehouse: Warehouse, limits: Limits | None = None, access: Access | None = None
    ) -> "Config":
        """Joins the command line with the environment. Raises ValueError on an address that is not HOST:PORT."""
        host, port = _address(listen)
        metrics, advertised = os.environ.get("LAKEGATE_METRICS"), os.environ.get("LAKEGATE_ADVERTISE")
        return cls(
            data=data.resolve(),
            host=host,
            port=port,
            cache=_path("LAKEGATE_CACHE"),
            admin_password=os.environ.get("LAKEGATE_ADMIN_PASSWORD") or None,
            metastore_dsn=os.environ.get("LAKEGATE_METASTORE_DSN") or None,
            certificate=_path("LAKEGATE_TLS_CERTIFICATE"),
            private_key=_path("LAKEGATE_TLS_KEY"),
            metrics=_address(metrics) if metrics else None,
            advertised=_address(advertised) if advertised else None,
            warehouse=replace(warehouse, spark_token=_path("LAKEGATE_SPARK_TOKEN_FILE")),
            limits=limits or Limits(),
            firecracker=_firecracker(),
            kubernetes=parse_kubernetes(),
            objects=_objects(warehouse.declaration),
            access=access or Access(),
        )

    @property
    def warehouse_root(self) -> Path:
        """Managed tables live below it, a folder for each workspace."""
        return self.data / "warehouse"

    @property
    def spool_directory(self) -> Path:
        """Files without a name, in which rows wait for slow clients."""
        return self.data / "spool"

    @property
    def metastore_directory(self) -> Path:
        return self.data / "metastore"


def parse_executors(span: str | None) -> Executors | None:
    """``MIN:MAX`` and what the environment says of their size. Raises ValueError."""
    if span is None:
        return None
    least, separator, most = span.partition(":")
    if not (separator and least.isdigit() and most.isdigit() and int(least) <= int(most) and int(most) > 0):
        raise ValueError(f"executors can't be {span!r}: write MIN:MAX, such as 2:8")
    usual = Executors()
    return Executors(
        int(least),
        int(most),
        threads=_number("LAKEGATE_EXECUTOR_THREADS", int, usual.threads),
        memory_bytes=_number("LAKEGATE_EXECUTOR_MEMORY", int, usual.memory_bytes // MEBIBYTE) * MEBIBYTE,
        node_type=os.environ.get("LAKEGATE_EXECUTOR_NODES") or ANY_NODES,
    )


def parse_master(url: str | None) -> Master | None:
    """The master by that URL and what the environment says of it. Raises ValueError."""
    if url is None:
        return None
    hadoop, secret = _path("HADOOP_CONF_DIR"), _path("LAKEGATE_SPARK_SECRET_FILE")
    yarn = hadoop.absolute() if hadoop is not None and url == YARN else None
    return Master(
        url,
        parse_addresses(url, yarn),
        secret=None if secret is None or url == YARN else str(secret.absolute()),
        host=os.environ.get("LAKEGATE_SPARK_ADDRESS") or None,
        port=_number("LAKEGATE_SPARK_PORT", int, 0),
        hadoop=None if yarn is None else str(yarn),
        queue=os.environ.get("LAKEGATE_YARN_QUEUE") or "default",
        jars=os.environ.get("LAKEGATE_YARN_JARS") or None,
        staging=os.environ.get("LAKEGATE_YARN_STAGING") or None,
    )


def parse_kubernetes() -> Kubernetes:
    """What the environment says of the cluster. Raises ValueError."""
    settings = {
        name: value
        for name in (
            "namespace",
            "gateway",
            "image",
            "node_types",
            "spark_image",
            "api_server",
            "warehouse_claim",
            "warehouse_folder",
        )
        if (value := os.environ.get(f"LAKEGATE_KUBERNETES_{name.upper()}"))
    }
    share = _number("LAKEGATE_KUBERNETES_CPU_SHARE", float, 1.0)
    return Kubernetes(**settings, kubeconfig=_path("KUBECONFIG"), cpu_share=share)


def _address(listen: str) -> tuple[str, int]:
    """Raises ValueError."""
    host, separator, port = listen.rpartition(":")
    if not separator or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"cannot listen on {listen!r}: write HOST:PORT, such as 127.0.0.1:5439")
    return host.strip("[]"), int(port)


def _number(variable: str, parse: Callable[[str], N], usual: N) -> N:
    """Raises ValueError, which names the variable."""
    value = os.environ.get(variable)
    try:
        return parse(value) if value else usual
    except ValueError:
        raise ValueError(f"{variable} can't be {value!r}: write a number, such as {usual}") from None


def _path(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value) if value else None


def _firecracker() -> Firecracker:
    usual = Firecracker()
    return Firecracker(
        program=_path("LAKEGATE_FIRECRACKER") or usual.program,
        memory=os.environ.get("LAKEGATE_FIRECRACKER_MEMORY") or usual.memory,
        network=os.environ.get("LAKEGATE_FIRECRACKER_NETWORK") or usual.network,
    )


def _objects(declaration: Declaration) -> ObjectStore:
    """Keys by the names that AWS's own programs know. A store that is somebody else's has its buckets in paths."""
    endpoint = os.environ.get("LAKEGATE_S3_ENDPOINT") or None
    role = os.environ.get("LAKEGATE_S3_ROLE")
    style = os.environ.get("LAKEGATE_S3_PATH_STYLE") or str(endpoint is not None)
    return ObjectStore(
        region=os.environ.get("AWS_REGION") or ObjectStore().region,
        endpoint=endpoint,
        sts_endpoint=os.environ.get("LAKEGATE_STS_ENDPOINT") or None,
        path_style=style.lower() in ("1", "on", "true"),
        role=Role(role, os.environ.get("LAKEGATE_S3_EXTERNAL_ID") or None) if role else None,
        roles=declaration.roles,
        shared=declaration.shares_role,
        access_key=os.environ.get("AWS_ACCESS_KEY_ID") or None,
        secret_key=os.environ.get("AWS_SECRET_ACCESS_KEY") or None,
        token=os.environ.get("AWS_SESSION_TOKEN") or None,
    )
