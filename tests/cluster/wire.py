"""A wire from the host to a node: two interfaces, and addresses that no real network has (RFC 2544's and 5737's)."""

import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PREFIX = "lg"


@dataclass(frozen=True, slots=True)
class Wire:
    """`host` and `node` are the ends' addresses, `pods` the network behind the node, `internet` an address far away for
    those on it."""

    host_end: str
    node_end: str
    host: str
    node: str
    pods: str
    internet: str

    def hand_over(self, process: int) -> None:
        """The node's end goes into that process' network; the host's knows the way to its pods."""
        ip("link", "set", self.node_end, "netns", str(process))
        ip("route", "replace", self.pods, "via", self.node, "dev", self.host_end)


@contextmanager
def wired() -> Iterator[Wire]:
    """The host's end is up. Leaving takes both away."""
    _remove_abandoned()
    third = 2 * secrets.randbelow(126)
    name = f"{PREFIX}{os.getpid()}"
    near, pods, far = f"198.18.{third}", f"198.18.{third + 1}.0/24", f"203.0.113.{third + 1}"
    wire = Wire(f"{name}h", f"{name}n", f"{near}.1", f"{near}.2", pods, far)
    ip("link", "add", wire.host_end, "type", "veth", "peer", "name", wire.node_end)
    try:
        ip("address", "add", f"{wire.host}/30", "dev", wire.host_end)
        ip("address", "add", f"{wire.internet}/32", "dev", wire.host_end)
        ip("link", "set", wire.host_end, "up")
        yield wire
    finally:
        subprocess.run(["ip", "link", "delete", wire.host_end], check=False, capture_output=True)


def ip(*arguments: str) -> None:
    """Raises CalledProcessError."""
    subprocess.run(["ip", *arguments], check=True)


def _remove_abandoned() -> None:
    for end in Path("/sys/class/net").glob(f"{PREFIX}*h"):
        owner = end.name.removeprefix(PREFIX).removesuffix("h")
        if owner.isdigit() and not Path("/proc", owner).exists():
            ip("link", "delete", end.name)
