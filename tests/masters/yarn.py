"""YARN on one host: a resource manager and a node manager that runs containers as its own user."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import psutil

from tests.daemon import Daemon
from tests.fix_oracle import free_port
from tests.masters.jars import HERE, fetched
from tests.masters.runtime import Runtime
from tests.processes import children, command_line

LOOPBACK = "127.0.0.1"
LOGGING = "-Dlog4j2.level=INFO"
MANAGER = "org.apache.hadoop.yarn.server.resourcemanager.ResourceManager"
NODE = "org.apache.hadoop.yarn.server.nodemanager.NodeManager"
CONTAINER = re.compile(r"/java .*org\.apache\.spark\.(executor|deploy\.yarn)\.\w+")
NEEDED = ("hadoop-client-api", "hadoop-client-runtime", "slf4j-api", "log4j-", "jcl-over-slf4j")
"""Of pyspark's jars."""


@dataclass(frozen=True, slots=True)
class Yarn:
    """`hadoop` is the folder of its client configuration; `jars` is where its one node finds Spark's and Delta's;
    `staging` is a folder in which everybody may hand over files."""

    hadoop: Path
    jars: str
    staging: Path
    node: Daemon

    def containers(self) -> list[psutil.Process]:
        """The JVMs that the node runs for applications."""
        below = children(psutil.Process(self.node.process.pid), recursive=True)
        return [process for process in below if CONTAINER.search(" ".join(command_line(process)))]


@contextmanager
def running_yarn(runtime: Runtime) -> Iterator[Yarn]:
    hadoop = runtime.folder / "hadoop"
    hadoop.mkdir()
    staging = runtime.folder / "staging"
    staging.mkdir()
    staging.chmod(0o1777)
    write_properties(hadoop / "core-site.xml", {"fs.defaultFS": "file:///", "hadoop.tmp.dir": f"{runtime.folder}/tmp"})
    write_properties(hadoop / "yarn-site.xml", _site(runtime.folder))
    write_properties(hadoop / "capacity-scheduler.xml", _SCHEDULER)
    path = ("-cp", ":".join((str(hadoop), *_jars(runtime))))
    active, registered = "Transitioned to active state", "Registered with ResourceManager as"
    variables: Mapping[str, str] = {}
    with (
        runtime.daemon("manager", (LOGGING, *path, MANAGER), lambda line: active in line, variables),
        runtime.daemon("node", (LOGGING, *path, NODE), lambda line: registered in line, variables) as node,
    ):
        yield Yarn(hadoop, _local_jars(runtime), staging, node)


def _local_jars(runtime: Runtime) -> str:
    folders = dict.fromkeys(Path(jar).parent for jar in runtime.installation.class_path)
    return ",".join(f"local:{folder}/*" for folder in folders)


def write_properties(path: Path, properties: Mapping[str, str]) -> None:
    root = ElementTree.Element("configuration")
    for name, value in properties.items():
        entry = ElementTree.SubElement(root, "property")
        ElementTree.SubElement(entry, "name").text = name
        ElementTree.SubElement(entry, "value").text = value
    ElementTree.ElementTree(root).write(path)


def _jars(runtime: Runtime) -> list[str]:
    shared = [path for path in runtime.installation.class_path if Path(path).name.startswith(NEEDED)]
    return [*shared, *fetched(HERE / "yarn.toml")]


def _site(folder: Path) -> Mapping[str, str]:
    manager = ("", "scheduler.", "resource-tracker.", "admin.", "webapp.")
    return {
        "yarn.resourcemanager.bind-host": LOOPBACK,
        "yarn.nodemanager.hostname": LOOPBACK,
        "yarn.nodemanager.bind-host": LOOPBACK,
        **{f"yarn.resourcemanager.{part}address": f"{LOOPBACK}:{free_port()}" for part in manager},
        **{f"yarn.nodemanager.{part}address": f"{LOOPBACK}:{free_port()}" for part in ("", "localizer.", "webapp.")},
        "yarn.nodemanager.local-dirs": f"{folder}/local",
        "yarn.nodemanager.log-dirs": f"{folder}/logs",
        "yarn.nodemanager.resource.memory-mb": "6144",
        "yarn.nodemanager.resource.cpu-vcores": "6",
        "yarn.nodemanager.vmem-check-enabled": "false",
        "yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage": "100",
        "yarn.nodemanager.disk-health-checker.min-free-space-per-disk-mb": "0",
        "yarn.scheduler.minimum-allocation-mb": "128",
    }


_SCHEDULER = {
    "yarn.scheduler.capacity.root.queues": "default",
    "yarn.scheduler.capacity.root.default.capacity": "100",
    "yarn.scheduler.capacity.maximum-am-resource-percent": "1.0",
}
