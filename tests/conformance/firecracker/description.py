"""What Firecracker's API takes, as JSON schemas: written down from its published description, in our own words.

Source of the facts: the OpenAPI description of Firecracker 1.17 (src/firecracker/swagger/firecracker.yaml in its
repository): paths, methods, names and types of fields, which are required, their values and ranges. As the real server
does, unknown fields are refused. Deprecated fields are left out on purpose: a call that uses one fails here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema

Schema = Mapping[str, Any]
STRING: Schema = {"type": "string", "minLength": 1}
BOOLEAN: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}


def _object(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **(optional or {})},
        "additionalProperties": False,
    }


def _one_of(*values: str) -> Schema:
    return {"type": "string", "enum": list(values)}


BUCKET = _object({"refill_time": COUNT, "size": COUNT}, {"one_time_burst": COUNT})
RATE_LIMITER = _object({}, {"bandwidth": BUCKET, "ops": BUCKET})
MACHINE_CONFIGURATION = _object(
    {"vcpu_count": {"type": "integer", "minimum": 1, "maximum": 32}, "mem_size_mib": {"type": "integer"}},
    {"smt": BOOLEAN, "track_dirty_pages": BOOLEAN, "huge_pages": _one_of("None", "Transparent", "2M")},
)
BOOT_SOURCE = _object({"kernel_image_path": STRING}, {"boot_args": STRING, "initrd_path": STRING})
DRIVE = _object(
    {"drive_id": STRING, "is_root_device": BOOLEAN},
    {
        "partuuid": STRING,
        "cache_type": _one_of("Unsafe", "Writeback"),
        "is_read_only": BOOLEAN,
        "path_on_host": STRING,
        "rate_limiter": RATE_LIMITER,
        "io_engine": _one_of("Sync", "Async"),
        "socket": STRING,
    },
)
NETWORK_INTERFACE = _object(
    {"iface_id": STRING, "host_dev_name": STRING},
    {
        "guest_mac": STRING,
        "mtu": {"type": "integer", "minimum": 68, "maximum": 65535},
        "rx_rate_limiter": RATE_LIMITER,
        "tx_rate_limiter": RATE_LIMITER,
    },
)
MMDS_CONFIGURATION = _object(
    {"network_interfaces": {"type": "array", "items": STRING}},
    {"version": _one_of("V1", "V2"), "ipv4_address": STRING, "imds_compat": BOOLEAN},
)
SNAPSHOT_LOAD = _object(
    {
        "snapshot_path": STRING,
        "mem_backend": _object({"backend_type": _one_of("File", "Uffd"), "backend_path": STRING}),
    },
    {
        "track_dirty_pages": BOOLEAN,
        "resume_vm": BOOLEAN,
        "network_overrides": {"type": "array", "items": _object({"iface_id": STRING, "host_dev_name": STRING})},
        "vsock_override": _object({"uds_path": STRING}),
        "clock_realtime": BOOLEAN,
    },
)


@dataclass(frozen=True, slots=True)
class Operation:
    """`identifier` is the field of the body that must be the last part of the path."""

    method: str
    path: str
    body: Schema
    when: str
    identifier: str = ""

    def matches(self, method: str, path: str) -> bool:
        return method == self.method and re.fullmatch(self.path, path) is not None


OPERATIONS = (
    Operation("PUT", "/machine-config", MACHINE_CONFIGURATION, "before"),
    Operation("PUT", "/boot-source", BOOT_SOURCE, "before"),
    Operation("PUT", "/drives/[^/]+", DRIVE, "before", "drive_id"),
    Operation("PUT", "/network-interfaces/[^/]+", NETWORK_INTERFACE, "before", "iface_id"),
    Operation("PUT", "/mmds/config", MMDS_CONFIGURATION, "before"),
    Operation("PUT", "/mmds", {"type": "object"}, "always"),
    Operation("PUT", "/vsock", _object({"guest_cid": {"type": "integer", "minimum": 3}, "uds_path": STRING}), "before"),
    Operation("PUT", "/entropy", _object({}, {"rate_limiter": RATE_LIMITER}), "before"),
    Operation(
        "PUT",
        "/actions",
        _object({"action_type": _one_of("FlushMetrics", "InstanceStart", "SendCtrlAltDel")}),
        "always",
    ),
    Operation("PATCH", "/vm", _object({"state": _one_of("Paused", "Resumed")}), "after"),
    Operation(
        "PUT",
        "/snapshot/create",
        _object({"mem_file_path": STRING, "snapshot_path": STRING}, {"snapshot_type": _one_of("Full", "Diff")}),
        "after",
    ),
    Operation("PUT", "/snapshot/load", SNAPSHOT_LOAD, "before"),
    Operation("GET", "/version", {}, "always"),
    Operation("GET", "/", {}, "always"),
)


def find_operation(method: str, path: str) -> Operation | None:
    return next((operation for operation in OPERATIONS if operation.matches(method, path)), None)


def find_fault(operation: Operation, path: str, body: Any) -> str | None:
    """What is wrong with the body, None if nothing is."""
    for error in jsonschema.Draft202012Validator(operation.body).iter_errors(body):
        return f"{error.json_path}: {error.message}"
    if operation.identifier and body[operation.identifier] != path.rpartition("/")[2]:
        return f"the {operation.identifier} of the body is not that of the path"
    return None
