"""The spawners by the name that the command line gives them. Another one is a line in `SPAWNERS`."""

import dataclasses
import os
import re
import secrets
import ssl
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from compute.config import MachineSpec
from compute.spark.cache import cache_folder
from compute.spawners import CannotStart, Spawner
from compute.spawners.driver import DriverSpawner
from compute.spawners.process import ProcessSpawner
from compute.spawners.qemu import QemuSpawner
from compute.spawners.qemu.network import StoreAddress
from compute.spawners.relay import RelaySpawner
from compute.spawners.split import SplitSpawner
from gateway.config import Config, IsolationLevel, Kubernetes, Warehouse
from gateway.warehouse import present_engines, templates

_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
NAMES = ("process", "qemu", "firecracker", "kubernetes")


def make_spawner(config: Config) -> Spawner:
    """The spawner that the warehouse asks for, not yet open. Raises CannotStart for one that this build lacks."""
    name = config.warehouse.spawner
    if name not in SPAWNERS:
        raise CannotStart(f"this build has no spawner {name!r}; it has: {', '.join(SPAWNERS)}")
    spawner = SPAWNERS[name](config)
    elsewhere = _spark_elsewhere(config.warehouse)
    return spawner if elsewhere is None else SplitSpawner({"duckdb": spawner, "spark": elsewhere})


def _spark_elsewhere(warehouse: Warehouse) -> Spawner | None:
    """What starts the machines that hand Spark's work on; None where they do it themselves."""
    if warehouse.spark_remote is not None:
        return RelaySpawner()
    return None if warehouse.spark_master is None else make_driver_spawner(warehouse)


def make_driver_spawner(warehouse: Warehouse) -> Spawner:
    """Of machines that drive executors of the warehouse's master, which it has."""
    assert warehouse.spark_master is not None, "a driver has a master"
    isolated = warehouse.isolation is not IsolationLevel.NONE
    return DriverSpawner(warehouse.spark_master, isolated=isolated, disk_bytes=warehouse.spill)


def make_job_spawner(warehouse: Warehouse, kubernetes: Kubernetes, folder: Path | None) -> Spawner:
    """Of one job's machine: it drives executors of the warehouse's master, or is a pod with executors that are pods.

    Such a submitter has a name of its own in the cluster, so that nobody else's machines are taken for its own, and
    `folder` is where its pods find the volume that is kept for jobs. Raises CannotStart.
    """
    if warehouse.spark_master is not None:
        return make_driver_spawner(warehouse)
    from compute.spawners.kubernetes.config import configure, for_job
    from compute.spawners.kubernetes.spawner import KubernetesSpawner

    chosen = dataclasses.asdict(dataclasses.replace(kubernetes, gateway=f"job-{secrets.token_hex(5)}"))
    return KubernetesSpawner(for_job(configure(**chosen), None if folder is None else str(folder)))


def _process(config: Config) -> Spawner:
    return _processes(config, templates(config))


def _processes(config: Config, warm: Sequence[MachineSpec]) -> Spawner:
    warehouse = config.warehouse
    isolated = warehouse.isolation is not IsolationLevel.NONE
    return ProcessSpawner(templates=warm, isolated=isolated, disk_bytes=warehouse.spill)


def _firecracker(config: Config) -> Spawner:
    """Loaded only where it is asked for: its HTTP library would cost every start of a gateway some tenths of a second.

    Raises CannotStart.
    """
    from compute.spawners.firecracker.config import configure
    from compute.spawners.firecracker.spawner import FirecrackerSpawner

    chosen, cache = config.firecracker, config.cache or cache_folder(os.environ)
    return FirecrackerSpawner(configure(chosen.program, cache, memory=chosen.memory, network=chosen.network))


def _qemu(config: Config) -> Spawner:
    """Of both engines' machines, or of DuckDB's alone."""
    make = _microvms if config.warehouse.spark_spawner == "qemu" else _beside_spark(_microvms)
    return make(config)


def _microvms(config: Config) -> Spawner:
    cache, specs = config.cache or cache_folder(os.environ), templates(config)
    store = store_address(config) if any(spec.reaches_store for spec in specs) else None
    return QemuSpawner(templates=specs, cache=cache, disk_bytes=config.warehouse.spill, store=store)


def store_address(config: Config) -> StoreAddress:
    """With the authorities that the gateway trusts itself: those of ``SSL_CERT_FILE``, the host's, or botocore's.

    Raises CannotStart.
    """
    from botocore.httpsession import get_cert_path

    host, port, secured = config.objects.address()
    trusted = ssl.get_default_verify_paths().cafile or get_cert_path(True)
    return StoreAddress(host, port, _authorities(Path(trusted)) if secured else "")


def _authorities(trusted: Path) -> str:
    """The certificates (PEM) in the file, without the comments between them, which may be in any language.

    A guest could not say what is wrong with them. Raises CannotStart.
    """
    try:
        found = "\n".join(_CERTIFICATE.findall(trusted.read_text("latin-1")))
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=found)
    except (OSError, TypeError, ValueError) as error:
        raise CannotStart(f"{trusted} does not say which certificates to trust: {error}") from error
    return found


def _kubernetes(config: Config) -> Spawner:
    """Loaded only where it is asked for: its client would cost every start of a gateway a second.

    Raises CannotStart.
    """
    from compute.spawners.kubernetes.config import configure
    from compute.spawners.kubernetes.spawner import KubernetesSpawner

    chosen = dataclasses.asdict(config.kubernetes)
    return KubernetesSpawner(configure(**chosen, warehouse=str(config.warehouse_root)))


def _pods(config: Config) -> Spawner:
    """Spark's machines are pods too where they have executors, which are."""
    make = _kubernetes if config.warehouse.spark_pods else _beside_spark(_kubernetes)
    return make(config)


def _beside_spark(make: Callable[[Config], Spawner]) -> Callable[[Config], Spawner]:
    """DuckDB's machines from that spawner. Spark's serve a whole workspace and write its tables: they are processes."""

    def split(config: Config) -> Spawner:
        spawner = make(config)
        if not config.warehouse.computes_here or "spark" not in present_engines(config):
            return spawner
        return SplitSpawner({"duckdb": spawner, "spark": _processes(config, ())})

    return split


SPAWNERS: Mapping[str, Callable[[Config], Spawner]] = {
    "process": _process,
    "qemu": _qemu,
    "firecracker": _beside_spark(_firecracker),
    "kubernetes": _pods,
}
