"""What a killed gateway has left of machines: their VMMs, jails, control groups and network namespaces.

Each is a resource of the run folder's journal, recorded before it is made.
"""

import os
import select
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from compute.spawners.firecracker.config import FirecrackerConfig
from compute.spawners.firecracker.jail import Jail, control_group, remove
from compute.spawners.firecracker.network import remove_command
from compute.spawners.firecracker.vmm import find_process
from compute.spawners.journal import Resource
from compute.spawners.reapers import END_SECONDS, Reaper


def jail_resource(config: FirecrackerConfig, jail: Jail) -> Resource:
    """A jail, and with it the VMM and the control group that are named after it."""
    detail = {"base": str(jail.base), "executable": jail.executable, "group": str(control_group(config, jail))}
    return Resource("firecracker-jail", jail.identifier, detail)


def namespace_resource(config: FirecrackerConfig, namespace: str) -> Resource:
    return Resource("network-namespace", namespace, {"ip": config.ip})


def _reap_jail(resource: Resource) -> None:
    """Kills the VMM if it is still that one and waits for its end, then removes what it used."""
    detail = resource.detail
    jail = Jail(Path(detail["base"]), detail["executable"], resource.name)
    process = find_process(jail)
    if process is not None:
        _kill(process)
    remove(jail, Path(detail["group"]))


def _kill(process: int) -> None:
    """By its pidfd, which is readable once it has ended."""
    try:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(process, signal.SIGKILL)
        ended, _, _ = select.select([process], [], [], END_SECONDS)
        if not ended:
            raise OSError("a VMM does not end")
    finally:
        os.close(process)


def _reap_namespace(resource: Resource) -> None:
    """One that is gone already is as good as removed."""
    command = [resource.detail["ip"], *remove_command(resource.name)]
    subprocess.run(command, check=False, stderr=subprocess.DEVNULL, timeout=END_SECONDS)


REAPERS: Mapping[str, Reaper] = {"firecracker-jail": _reap_jail, "network-namespace": _reap_namespace}
