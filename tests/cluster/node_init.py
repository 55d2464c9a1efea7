"""``python -m tests.cluster.node_init FOLDER``: process 1 of a node, in namespaces and control groups of its own.

It mounts what a node has for itself, starts containerd, takes the images in and becomes the parent of the kubelet and
of what enforces network policies. Whichever of these ends is started again, as a node's init does. All of it ends with
this process, by the kernel.
`FOLDER/node.json` says the rest.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

CONTROL_GROUPS = Path("/sys/fs/cgroup")
START_SECONDS = 600.0
RESTART_PAUSE_SECONDS = 0.2


def main() -> None:
    folder = Path(sys.argv[1])
    node = json.loads((folder / "node.json").read_text())
    print("alone", flush=True)
    mount_control_groups(node["controllers"])
    run("mount", "-t", "tmpfs", "-o", "mode=0755", "run", "/run")
    join_network(node)
    queue_packets(node["bridge"], node["queue"])
    services: dict[str, Sequence[str | Path]] = {
        "containerd": ["containerd", "--config", folder / "containerd.toml"],
        "policies": node["policies"],
        "kubelet": node["kubelet"],
    }
    containerd = start(services["containerd"], folder / "containerd.log")
    address = ("--address", node["runtime"], "--namespace", "k8s.io")
    await_success(("ctr", *address, "version"), containerd)
    for image in node["images"]:
        run("ctr", *address, "images", "import", image)
    started = {name: start(services[name], folder / f"{name}.log") for name in ("policies", "kubelet")}
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(0))
    running = {containerd.pid: "containerd", **{process.pid: name for name, process in started.items()}}
    while True:
        pid, _ = os.wait()
        if name := running.pop(pid, None):
            print(f"{name} ended and is started again", file=sys.stderr, flush=True)
            time.sleep(RESTART_PAUSE_SECONDS)
            running[start(services[name], folder / f"{name}.log").pid] = name


def mount_control_groups(controllers: Mapping[str, str]) -> None:
    """The node's own subtree takes the host's place. Version 1 has a hierarchy a controller, version 2 has one."""
    if controllers:
        run("mount", "-t", "tmpfs", "-o", "mode=0755", "cgroup", CONTROL_GROUPS)
        for controller, options in controllers.items():
            (CONTROL_GROUPS / controller).mkdir()
            run("mount", "-t", "cgroup", "-o", options, "cgroup", CONTROL_GROUPS / controller)
        return
    run("umount", "--lazy", CONTROL_GROUPS)
    run("mount", "-t", "cgroup2", "cgroup2", CONTROL_GROUPS)
    inner = CONTROL_GROUPS / "init"
    inner.mkdir()
    (inner / "cgroup.procs").write_text(str(os.getpid()))
    available = (CONTROL_GROUPS / "cgroup.controllers").read_text().split()
    (CONTROL_GROUPS / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in available))


def join_network(node: Mapping[str, Any]) -> None:
    """The host gives us one end of a wire; behind it lie the pods' addresses and nothing else of the host."""
    run("ip", "link", "set", "lo", "up")
    await_success(("ip", "link", "show", node["wire"]))
    run("ip", "address", "add", f"{node['address']}/30", "dev", node["wire"])
    run("ip", "link", "set", node["wire"], "up")
    run("ip", "route", "add", "default", "via", node["gateway"])
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def queue_packets(bridge: str, queue: str) -> None:
    """The first packet of every connection from or to a pod waits for a verdict; none gets through without one.

    What the node itself says to its pods is spared, as Kubernetes demands: its kubelet probes them. The enforcer would
    set such rules itself, but by a module of nftables that a kernel may lack, and it spares what pods say to the node.
    Pods have no addresses of version 6 but those that every link gives itself, which no policy speaks of.
    """
    known = ("-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "ACCEPT")
    judged = ("-j", "NFQUEUE", "--queue-num", queue)
    mangle = ("iptables", "--wait", "--table", "mangle", "--append")
    run(*mangle, "POSTROUTING", "-m", "owner", "--uid-owner", "0", "-j", "ACCEPT")
    for chain in (("POSTROUTING",), ("INPUT", "-i", bridge)):
        run(*mangle, *chain, *known)
        run(*mangle, *chain, *judged)
    run("ip6tables", "--wait", "--table", "mangle", "--append", "PREROUTING", "-i", bridge, "-j", "DROP")


def start(command: Sequence[str | Path], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("ab") as output:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)


def run(*command: str | Path) -> None:
    """Raises CalledProcessError; what it says goes to the node's log."""
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr)


def await_success(command: Sequence[str], needed: "subprocess.Popen[bytes] | None" = None) -> None:
    """Tries again until it succeeds, for as long as the process that it asks runs."""
    deadline = time.monotonic() + START_SECONDS
    while subprocess.run(command, check=False, capture_output=True).returncode != 0:
        if time.monotonic() > deadline or (needed is not None and needed.poll() is not None):
            sys.exit(f"{' '.join(command)} does not succeed")
        time.sleep(0.05)


if __name__ == "__main__":
    main()
