"""A real node: kubelet, containerd and crun in namespaces and control groups of their own, joined to a control plane.

Network policies hold there: SIG network's reference enforcer judges the first packet of each connection. The node
reaches the API server, and we its pods, through a wire. Its mounts, its end of the wire and all its processes go with
its first process, which goes with ours.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from compute.spark import java
from deploy.guest import tarball
from deploy.guest.oci import write_oci
from deploy.guest.tarball import Entry
from tests.cluster import groups, packages
from tests.cluster.control_plane import ControlPlane
from tests.cluster.wire import Wire
from tests.daemon import Daemon, running
from tests.processes import until

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = "/run/containerd/containerd.sock"
PAUSE_IMAGE = "lakegate.io/pause:latest"
NAME = "real"
PORT = 10250
BRIDGE = "pods"
QUEUE = 100
"""Of the node's network: packets that wait for the policies' verdict."""
PIDS = java.MOST_THREADS
"""Tasks that a pod may have."""
NAMESPACES = ("--net", "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--fork", "--kill-child", "--mount-proc")


@dataclass(frozen=True, slots=True)
class Node:
    """A node that is Ready. `folder` has the logs; `first` is its first process, which all others come from."""

    name: str
    folder: Path
    first: int


@contextmanager
def running_node(plane: ControlPlane, wire: Wire, folder: Path, images: Sequence[Path]) -> Iterator[Node]:
    """Ready, with those images (OCI archives) and no way to get another. Leaving ends all of it."""
    packages.require()
    groups.remove_abandoned()
    group = f"{groups.PREFIX}{os.getpid()}"
    write_configuration(plane, wire, folder, images)
    groups.create(group)
    mortal = ["setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-m", "tests.cluster.groups", group]
    command = [*mortal, "unshare", *NAMESPACES, sys.executable, "-m", "tests.cluster.node_init", str(folder)]
    try:
        with running(command, lambda line: line == "alone\n", cwd=ROOT) as daemon:
            (first,) = psutil.Process(daemon.process.pid).children()
            wire.hand_over(first.pid)
            until(lambda: is_ready(plane, daemon))
            yield Node(NAME, folder, first.pid)
            daemon.process.kill()
    finally:
        groups.remove(group)


def is_ready(plane: ControlPlane, daemon: Daemon) -> bool:
    assert daemon.process.poll() is None, "".join(daemon.log)
    path = "jsonpath={.items[?(@.metadata.name=='real')].status.conditions[?(@.type=='Ready')].status}"
    return plane.run("kubectl", "get", "nodes", "-o", path) == "True"


def write_configuration(plane: ControlPlane, wire: Wire, folder: Path, images: Sequence[Path]) -> None:
    (folder / "cni").mkdir()
    (folder / "cni" / "10-bridge.conflist").write_text(json.dumps(network(wire)))
    (folder / "containerd.toml").write_text(containerd_configuration(folder))
    (folder / "kubelet.json").write_text(json.dumps(kubelet_configuration(plane)))
    kubelet = [
        plane.commands / "kubelet",
        f"--config={folder / 'kubelet.json'}",
        f"--kubeconfig={plane.kubeconfig('kubelet')}",
        f"--hostname-override={NAME}",
        f"--node-ip={wire.node}",
        f"--root-dir={folder / 'kubelet'}",
        f"--cert-dir={folder / 'kubelet-certificates'}",
        f"--node-labels=tests/node={NAME}",
    ]
    policies = [
        plane.commands / "kube-network-policies",
        f"--kubeconfig={plane.kubeconfig('kube-network-policies')}",
        f"--hostname-override={NAME}",
        f"--nfqueue-id={QUEUE}",
    ]
    node = {
        "controllers": groups.controllers(),
        "wire": wire.node_end,
        "address": wire.node,
        "gateway": wire.host,
        "runtime": RUNTIME,
        "images": [str(image) for image in images],
        "kubelet": [str(part) for part in kubelet],
        "policies": [str(part) for part in policies],
        "bridge": BRIDGE,
        "queue": str(QUEUE),
    }
    (folder / "node.json").write_text(json.dumps(node))


def pause_image(folder: Path) -> Path:
    """What holds a pod's namespaces: a program that sleeps, as an OCI archive."""
    layer, archive = folder / "pause-layer.tar", folder / "pause.tar"
    busybox = shutil.which("busybox")
    assert busybox is not None, "a node's packages have it"
    tarball.write(layer, {"bin/busybox": Entry(0o755, Path(busybox).read_bytes())})
    write_oci([layer], archive, name=PAUSE_IMAGE, entrypoint=["/bin/busybox", "sleep", "2147483647"])
    return archive


def network(wire: Wire) -> object:
    """Pods on a bridge. Nothing is translated: the host knows the way to them."""
    ranges = [[{"subnet": wire.pods}]]
    ipam = {"type": "host-local", "ranges": ranges, "routes": [{"dst": "0.0.0.0/0"}], "dataDir": "/run/cni"}
    bridge = {"type": "bridge", "bridge": BRIDGE, "isGateway": True, "hairpinMode": True, "ipam": ipam}
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge]}


def containerd_configuration(folder: Path) -> str:
    """Values are JSON strings, which TOML takes as they are."""
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    return f"""
version = 2
root = {json.dumps(str(folder / "containerd"))}
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs"]
[grpc]
address = {json.dumps(RUNTIME)}
[{cri}]
sandbox_image = {json.dumps(PAUSE_IMAGE)}
restrict_oom_score_adj = true
[{cri}.cni]
bin_dir = {json.dumps(str(packages.PLUGINS))}
conf_dir = {json.dumps(str(folder / "cni"))}
[{cri}.containerd]
default_runtime_name = "crun"
[{cri}.containerd.runtimes.crun]
runtime_type = "io.containerd.runc.v2"
[{cri}.containerd.runtimes.crun.options]
BinaryName = "crun"
"""


def kubelet_configuration(plane: ControlPlane) -> object:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": f"unix://{RUNTIME}",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(plane.authority.certificate)},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": True,
        "enforceNodeAllocatable": ["pods"],
        "failCgroupV1": False,
        "podPidsLimit": PIDS,
        "volumeStatsAggPeriod": "1s",
        "failSwapOn": False,
        "resolvConf": "",
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "1Mi", "nodefs.available": "0%", "imagefs.available": "0%"},
        "kubeAPIQPS": 100,
        "kubeAPIBurst": 200,
    }
