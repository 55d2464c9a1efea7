"""What a guest is told on its kernel's command line: how to boot, and which engine to open."""

import base64
import json

from compute.config import MachineSpec
from compute.spawners import CannotStart

KERNEL_ARGUMENTS = (
    "quiet",
    "reboot=k",
    "panic=-1",
    "pci=off",
    "8250.nr_uarts=0",
)
"""No console: nobody reads it, and each byte of it is an exit from the guest."""
GUEST_ARGUMENT = "lakegate.guest"
MAX_COMMAND_LINE = 2048
"""Bytes that x86-64 kernels take."""


def boot_arguments(spec: MachineSpec) -> str:
    """The command line; the guest's own part is JSON in base64, since properties hold any character.

    Raises CannotStart where that is longer than a kernel takes.
    """
    content = {
        "channel": "vsock",
        "engine": spec.engine,
        "mode": spec.mode,
        "options": {"threads": spec.threads, "memory_bytes": spec.memory_bytes, "properties": dict(spec.properties)},
    }
    text = base64.urlsafe_b64encode(json.dumps(content, sort_keys=True).encode()).decode()
    line = " ".join((*KERNEL_ARGUMENTS, f"{GUEST_ARGUMENT}={text}"))
    if len(line) > MAX_COMMAND_LINE:
        raise CannotStart(f"the properties of {spec.engine} are too long for a kernel's command line")
    return line
