"""What is asked of a VMM: every call against the API's description, in an order that its states allow."""

import base64
import json
from pathlib import Path

import pytest

from compute.config import MachineSpec
from compute.spawners import CannotStart
from compute.spawners.firecracker.boot import GUEST_ARGUMENT, boot_arguments
from compute.spawners.firecracker.calls import (
    Call,
    Hardware,
    boot_calls,
    hardware,
    load_call,
    metadata_call,
    snapshot_calls,
)
from compute.spawners.firecracker.templates import Ground, Plan
from tests.conformance.firecracker.states import Microvm, Refused

SPEC = MachineSpec("duckdb", "user", threads=2, memory_bytes=1 << 30)
WITH_NETWORK = hardware(SPEC, boot_arguments(SPEC), network=True)
LOAD = load_call("File", network=False, realtime=True)


def carry_out(vm: Microvm, *calls: Call) -> None:
    for call in calls:
        body = json.loads(json.dumps(call.body))
        vm.check(call.method, call.path, body)
        vm.apply(call.path, body)


@pytest.mark.parametrize("network", [False, True])
def test_a_template_then_clones(network: bool) -> None:
    machine = hardware(SPEC, boot_arguments(SPEC), network=network)
    carry_out(Microvm(), *boot_calls(machine), *snapshot_calls())
    for load in (load_call("File", network=network, realtime=True), load_call("Uffd", network=network, realtime=False)):
        vm = Microvm()
        carry_out(vm, load, metadata_call("duckdb-1"))
        assert vm.metadata == {"lakegate": {"machine": "duckdb-1"}}


def test_the_body_of_a_load() -> None:
    assert load_call("Uffd", network=True, realtime=False).body == {
        "snapshot_path": "template.state",
        "mem_backend": {"backend_type": "Uffd", "backend_path": "pager.sock"},
        "vsock_override": {"uds_path": "v.sock"},
        "resume_vm": True,
        "network_overrides": [{"iface_id": "eth0", "host_dev_name": "tap0"}],
    }
    assert LOAD.body["clock_realtime"] is True
    assert "network_overrides" not in LOAD.body


def test_the_root_image_can_not_be_written() -> None:
    (drive,) = [call.body for call in boot_calls(WITH_NETWORK) if call.path.startswith("/drives")]
    assert drive["is_read_only"] is True


@pytest.mark.parametrize(("threads", "vcpus"), [(1, 1), (2, 2), (3, 4), (31, 32), (64, 32)])
def test_vcpus_are_one_or_even(threads: int, vcpus: int) -> None:
    spec = MachineSpec("duckdb", "user", threads, memory_bytes=(1 << 30) + 1)
    assert hardware(spec, "", network=False) == Hardware(vcpus, 1025 + 256, "")


@pytest.mark.parametrize(
    ("before", "call", "reason"),
    [
        (boot_calls(WITH_NETWORK)[:1], LOAD, "after configuring"),
        (boot_calls(WITH_NETWORK), LOAD, "after starting"),
        (boot_calls(WITH_NETWORK), boot_calls(WITH_NETWORK)[0], "after starting"),
        (boot_calls(WITH_NETWORK), boot_calls(WITH_NETWORK)[-1], "after starting"),
        (boot_calls(WITH_NETWORK), snapshot_calls()[1], "not paused"),
        ((), snapshot_calls()[0], "before starting"),
        ((), snapshot_calls()[1], "before starting"),
        ((LOAD,), LOAD, "after starting"),
        ((), boot_calls(WITH_NETWORK)[-1], "without kernel"),
        ((), Call("PUT", "/mmds/config", {"network_interfaces": ["eth0"]}), "interfaces are not valid"),
        ((), Call("PUT", "/machine-config", {"vcpu_count": 3, "mem_size_mib": 128}), "vCPU number"),
        ((), Call("PUT", "/machine-config", {"vcpu_count": 64, "mem_size_mib": 128}), "maximum of 32"),
        ((), Call("PUT", "/machine-config", {"vcpu_count": 1}), "required"),
        ((), Call("PUT", "/vsock", {"guest_cid": 2, "uds_path": "v.sock"}), "minimum of 3"),
        ((), Call("PUT", "/drives/a", {"drive_id": "b", "is_root_device": False}), "not that of the path"),
        ((), Call("PUT", "/snapshot/load", {"snapshot_path": "s", "mem_file_path": "m"}), "mem_backend"),
        ((), Call("PUT", "/balloons", {}), "Invalid request"),
        ((), Call("PATCH", "/boot-source", {}), "Invalid request"),
    ],
)
def test_what_the_contract_refuses(before: tuple[Call, ...], call: Call, reason: str) -> None:
    vm = Microvm()
    carry_out(vm, *before)
    with pytest.raises(Refused, match=reason):
        carry_out(vm, call)


def test_the_guest_reads_its_options_on_the_command_line() -> None:
    words = dict(word.partition("=")[::2] for word in boot_arguments(SPEC).split())
    assert json.loads(base64.urlsafe_b64decode(words[GUEST_ARGUMENT])) == {
        "channel": "vsock",
        "engine": "duckdb",
        "mode": "user",
        "options": {"threads": 2, "memory_bytes": 1 << 30, "properties": {}},
    }
    with pytest.raises(CannotStart, match="too long"):
        boot_arguments(MachineSpec("spark", "shared", 1, 1, {"key": "x" * 2048}))


def test_a_template_is_known_by_all_of_its_content() -> None:
    parts = {"vmm_version": "1", "host_kernel": "6", "cpu": "c", "kernel": "k", "initrd": "i", "root_image": "r"}
    machine = Hardware(1, 128, "quiet")
    key = Plan(Ground(**parts), machine, "duckdb").key
    assert Plan(Ground(**parts), machine, "duckdb").key == key
    others = [Plan(Ground(**{**parts, name: "other"}), machine, "duckdb") for name in parts]
    others += [Plan(Ground(**parts), Hardware(2, 128, "quiet"), "duckdb"), Plan(Ground(**parts), machine, "spark")]
    assert len({key, *(plan.key for plan in others)}) == len(others) + 1


def test_paths_mean_the_same_in_every_jail() -> None:
    calls = (*boot_calls(WITH_NETWORK), *snapshot_calls(), LOAD)
    paths = [value for call in calls for name, value in call.body.items() if name.endswith("path")]
    assert paths
    assert not any(Path(path).is_absolute() for path in paths)
