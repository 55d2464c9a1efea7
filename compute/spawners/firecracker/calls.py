"""What is asked of a VMM, as values: the calls that make a template, and those that make a clone of it.

Every path in a body is relative to the jail, the same in template and clone: a snapshot remembers the paths of its
drives and has no override for them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from compute.config import MachineSpec
from compute.spawners.firecracker.config import MemoryBackend

KERNEL = "vmlinux"
INITRD = "initrd"
ROOT_IMAGE = "root.img"
STATE = "template.state"
MEMORY = "template.memory"
API_SOCKET = "api.sock"
VSOCK = "v.sock"
PAGER_SOCKET = "pager.sock"

GUEST_CID = 3
INTERFACE = "eth0"
TAP = "tap0"
GUEST_MAC = "06:00:ac:1e:00:02"
ROOT_DRIVE = {
    "drive_id": "root",
    "path_on_host": ROOT_IMAGE,
    "is_root_device": True,
    "is_read_only": True,
    "cache_type": "Unsafe",
    "io_engine": "Sync",
}
"""All that machines have of a disk: what a guest writes stays in its memory."""
MEBIBYTE = 1 << 20
SYSTEM_MEBIBYTES = 256
"""What the guest's kernel and interpreter take beside the engine's memory."""
MOST_VCPUS = 32


@dataclass(frozen=True, slots=True)
class Call:
    """One request of the VMM's API."""

    method: Literal["GET", "PUT", "PATCH"]
    path: str
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hardware:
    """What a template is booted with. Clones have the same, by nature."""

    vcpus: int
    memory_mebibytes: int
    boot_arguments: str
    network: bool = False

    @property
    def memory_bytes(self) -> int:
        return self.memory_mebibytes * MEBIBYTE


def hardware(spec: MachineSpec, boot_arguments: str, *, network: bool) -> Hardware:
    """One vCPU or an even number of them, as Firecracker has it."""
    vcpus = 1 if spec.threads == 1 else min(MOST_VCPUS, spec.threads + spec.threads % 2)
    return Hardware(vcpus, -(-spec.memory_bytes // MEBIBYTE) + SYSTEM_MEBIBYTES, boot_arguments, network)


def boot_calls(machine: Hardware) -> tuple[Call, ...]:
    """From a fresh VMM to a running guest."""
    return (
        Call(
            "PUT",
            "/machine-config",
            {
                "vcpu_count": machine.vcpus,
                "mem_size_mib": machine.memory_mebibytes,
                "smt": False,
                "track_dirty_pages": False,
            },
        ),
        Call(
            "PUT",
            "/boot-source",
            {"kernel_image_path": KERNEL, "initrd_path": INITRD, "boot_args": machine.boot_arguments},
        ),
        Call("PUT", "/drives/root", ROOT_DRIVE),
        *(_network_calls() if machine.network else ()),
        Call("PUT", "/vsock", {"guest_cid": GUEST_CID, "uds_path": VSOCK}),
        Call("PUT", "/entropy", {}),
        Call("PUT", "/actions", {"action_type": "InstanceStart"}),
    )


def _network_calls() -> tuple[Call, ...]:
    device = {"iface_id": INTERFACE, "host_dev_name": TAP, "guest_mac": GUEST_MAC}
    return (
        Call("PUT", f"/network-interfaces/{INTERFACE}", device),
        Call("PUT", "/mmds/config", {"version": "V2", "network_interfaces": [INTERFACE]}),
    )


def snapshot_calls() -> tuple[Call, ...]:
    """From a running guest to a template's two files."""
    return (
        Call("PATCH", "/vm", {"state": "Paused"}),
        Call(
            "PUT",
            "/snapshot/create",
            {"snapshot_type": "Full", "snapshot_path": STATE, "mem_file_path": MEMORY},
        ),
    )


def load_call(backend: MemoryBackend, *, network: bool, realtime: bool) -> Call:
    """From a fresh VMM to a running clone.

    `realtime` moves the guest's clock on to now; only x86-64 has that. Devices of the host are named again, since the
    snapshot's own names are those of the template's jail.
    """
    body: dict[str, Any] = {
        "snapshot_path": STATE,
        "mem_backend": {"backend_type": backend, "backend_path": MEMORY if backend == "File" else PAGER_SOCKET},
        "vsock_override": {"uds_path": VSOCK},
        "resume_vm": True,
    }
    if network:
        body["network_overrides"] = [{"iface_id": INTERFACE, "host_dev_name": TAP}]
    if realtime:
        body["clock_realtime"] = True
    return Call("PUT", "/snapshot/load", body)


def metadata_call(machine: str) -> Call:
    """What the guest finds at its metadata address: not part of a snapshot, so it is put into every clone again."""
    return Call("PUT", "/mmds", {"lakegate": {"machine": machine}})
