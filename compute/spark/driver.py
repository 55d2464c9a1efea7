"""What a JVM of this host needs to drive executors of a `master` elsewhere: settings, class path, environment.

Executors connect to the driver, which therefore listens beyond the loopback, on two ports: one for orders, one for
blocks. Where driver and executors have a common secret nobody else is heard, and what they say is encrypted.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from compute.spark.installation import Installation
from compute.spark.jars import pinned_jars
from compute.spark.java import PYSPARK
from compute.spark.master import Master

EVERYWHERE = "0.0.0.0"
PORTS = 64
"""How many ports after the first are tried."""
AGENT_BYTES = 512 << 20
"""The heap of what YARN runs beside the executors to ask for them."""
RESOLVER_FILES = ("/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf")
_ADVICE = (
    (
        re.compile(r"All masters are unresponsive"),
        f"the master takes no such application: it must run Spark {PYSPARK.removeprefix('pyspark-')}, and its secret"
        " (spark.authenticate.secret) must be what LAKEGATE_SPARK_SECRET_FILE names the file of",
    ),
    (
        re.compile(r"YARN application has (?:already ended|exited unexpectedly)"),
        "YARN ended the application: its log says why (yarn logs); nodes need Java 17 or later",
    ),
    (re.compile(r"unknown queue|not a leaf queue", re.IGNORECASE), "LAKEGATE_YARN_QUEUE must name a queue of YARN's"),
)


@dataclass(frozen=True, slots=True)
class Driver:
    """`settings` are Spark's, with the secret in them; `class_path` comes after the installation's. `folders` are the
    host's files and folders that the JVM still reads after it has been shut off."""

    settings: Mapping[str, str] = field(default_factory=dict, repr=False)
    class_path: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()


def open_driver(dumped: str | None, installation: Installation) -> Driver:
    """Finds this host's address and reads the secret of the master that is dumped there. Nothing where there is none:
    Spark computes here, or is a pod. Raises Unreachable, OSError, ValueError."""
    if dumped is None:
        return Driver()
    master = Master.load(dumped)
    nearest = master.connect()
    listening = nearest if master.host is None else EVERYWHERE
    settings = {**_endpoint(master, nearest, listening), **_secrecy(master)}
    environment = {"SPARK_LOCAL_IP": listening}
    resolver = tuple(filter(os.path.exists, RESOLVER_FILES))
    if master.hadoop is None:
        delta = installation.class_path[: len(pinned_jars())]
        return Driver({**settings, "spark.jars": ",".join(delta)}, (), environment, resolver)
    environment["HADOOP_CONF_DIR"] = master.hadoop
    folders = (*resolver, master.hadoop)
    return Driver({**settings, **_yarn(master, installation)}, (master.hadoop,), environment, folders)


def explain(message: str) -> str:
    """What the operator can do about a driver that ended with those words; empty where we do not know."""
    return "; ".join(advice for pattern, advice in _ADVICE if pattern.search(message))


def _endpoint(master: Master, nearest: str, listening: str) -> Mapping[str, str]:
    host = master.host or nearest
    return {
        "spark.master": master.url,
        "spark.driver.host": f"[{host}]" if ":" in host else host,
        "spark.driver.bindAddress": listening,
        "spark.driver.port": str(master.port),
        "spark.driver.blockManager.port": str(master.port),
        "spark.port.maxRetries": str(PORTS),
    }


def _secrecy(master: Master) -> Mapping[str, str]:
    """YARN makes the secret by itself."""
    if not master.authenticates:
        return {}
    secret = master.read_secret()
    own = {} if secret is None else {"spark.authenticate.secret": secret}
    return {"spark.authenticate": "true", "spark.network.crypto.enabled": "true", **own}


def _yarn(master: Master, installation: Installation) -> Mapping[str, str]:
    return {
        "spark.submit.deployMode": "client",
        "spark.yarn.queue": master.queue,
        "spark.yarn.jars": master.jars or ",".join(installation.class_path),
        "spark.yarn.am.memory": f"{AGENT_BYTES}b",
        **({} if master.staging is None else {"spark.yarn.stagingDir": master.staging}),
    }
