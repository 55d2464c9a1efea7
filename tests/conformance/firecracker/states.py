"""A VMM's states as Firecracker keeps them: what may be called when, and what is asked of it in that order.

From its documents and its published source: devices are configured before boot only; a snapshot is loaded by a fresh
VMM only, one whose load fails ends; a snapshot is made of a paused VM only; MMDS needs a network interface.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from tests.conformance.firecracker.description import find_fault, find_operation

AFTER_BOOT = "The requested operation is not supported after starting the microVM."
BEFORE_BOOT = "The requested operation is not supported before starting the microVM."


class State(Enum):
    NOT_STARTED = "Not started"
    RUNNING = "Running"
    PAUSED = "Paused"


class Refused(Exception):
    """Answered with status 400 and a fault message. `fatal` ends the VMM."""

    def __init__(self, reason: str, *, fatal: bool = False) -> None:
        super().__init__(reason)
        self.fatal = fatal


@dataclass
class Microvm:
    """`configured` has the body of each path that was PUT; `metadata` is the MMDS store."""

    state: State = State.NOT_STARTED
    configured: dict[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] | None = None

    def check(self, method: str, path: str, body: Any) -> None:
        """Raises Refused for what the real one refuses by its description or its state."""
        operation = find_operation(method, path)
        if operation is None:
            raise Refused(f"Invalid request method and/or path: {method} {path}.")
        if method != "GET" and (fault := find_fault(operation, path, body)):
            raise Refused(f"An error occurred when deserializing the json body of a request: {fault}")
        started = self.state is not State.NOT_STARTED
        if operation.when == "before" and started:
            raise Refused(AFTER_BOOT)
        if operation.when == "after" and not started:
            raise Refused(BEFORE_BOOT)
        self._check_order(path, body)

    def _check_order(self, path: str, body: Any) -> None:
        if path == "/actions" and body["action_type"] == "InstanceStart":
            self._check_boot()
        elif path == "/snapshot/load" and self.configured:
            raise Refused("Loading a microVM snapshot not allowed after configuring boot-specific resources.")
        elif path == "/snapshot/create" and self.state is not State.PAUSED:
            raise Refused("Create snapshot error: the microVM is not paused")
        elif path == "/mmds/config":
            self._check_interfaces(body["network_interfaces"])
        elif path == "/machine-config" and body["vcpu_count"] != 1 and body["vcpu_count"] % 2:
            raise Refused("The vCPU number is invalid!")
        elif path.startswith("/drives/") and not (body.get("path_on_host") and "is_read_only" in body):
            raise Refused("a virtio block device needs path_on_host and is_read_only")

    def _check_boot(self) -> None:
        if self.state is not State.NOT_STARTED:
            raise Refused(AFTER_BOOT)
        if "/boot-source" not in self.configured:
            raise Refused("Cannot start microvm without kernel configuration.")

    def _check_interfaces(self, names: list[str]) -> None:
        if not names or any(f"/network-interfaces/{name}" not in self.configured for name in names):
            raise Refused("MMDS config error: the network interfaces are not valid")

    def apply(self, path: str, body: Any) -> None:
        """Records a call that was carried out."""
        if path == "/actions":
            self.state = State.RUNNING
        elif path == "/vm":
            self.state = State.PAUSED if body["state"] == "Paused" else State.RUNNING
        elif path == "/snapshot/load":
            self.state = State.RUNNING if body.get("resume_vm") else State.PAUSED
        elif path == "/mmds":
            self.metadata = body
        elif path not in ("/snapshot/create",):
            self.configured[path] = body

    def check_overrides(self, body: Mapping[str, Any]) -> None:
        """Of a load, once the snapshot's own configuration is known. Raises Refused, which ends the VMM."""
        interfaces = {path.rpartition("/")[2] for path in self.configured if path.startswith("/network-interfaces/")}
        unknown = {override["iface_id"] for override in body.get("network_overrides", ())} - interfaces
        if unknown:
            raise Refused(f"Load snapshot error: unknown network device {unknown}", fatal=True)
        if "vsock_override" in body and "/vsock" not in self.configured:
            raise Refused("Load snapshot error: vsock_override without a vsock device", fatal=True)
