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
from compute.spawners.firecracker.network import remove_commands, uplink_name
from compute.spawners.firecracker.slots import Slot
from compute.spawners.firecracker.vmm import find_process
from compute.spawners.journal import Resource
from compute.spawners.reapers import END_SECONDS, Reaper


def jail_resource(config: FirecrackerConfig, jail: Jail) -> Resource:
    """A jail, and with it the VMM and the control group that are named after it."""
    detail = {"base": str(jail.base), "executable": jail.executable, "group": str(control_group(config, jail))}
    return Resource("firecracker-jail", jail.identifier, detail)


def namespace_resource(config: FirecrackerConfig, slot: Slot) -> Resource:
    """Of all that share it; with it goes the slot's own link to the host."""
    return Resource("network-namespace", slot.namespace, {"ip": config.ip, "uplink": uplink_name(slot)})


def _reap_jail(resource: Resource) -> None:
    detail = resource.detail
    end_jail(Jail(Path(detail["base"]), detail["executable"], resource.name), Path(detail["group"]))


def end_jail(jail: Jail, group: Path) -> None:
    """Kills whatever is left in the jail and waits for its end, then removes jail and control group. Raises OSError.

    The control group has also what the jailer forked and could not note any more.
    """
    with suppress(FileNotFoundError), open(group / "cgroup.kill", "r+") as order:
        order.write("1")
    process = find_process(jail)
    if process is not None:
        _kill(process)
    remove(jail, group)


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
    """One that is gone already is as good as removed. The link is deleted at once, not when the kernel gets to it."""
    for command in remove_commands(resource.name, resource.detail["uplink"]):
        subprocess.run([resource.detail["ip"], *command], check=False, stderr=subprocess.DEVNULL, timeout=END_SECONDS)


REAPERS: Mapping[str, Reaper] = {"firecracker-jail": _reap_jail, "network-namespace": _reap_namespace}
