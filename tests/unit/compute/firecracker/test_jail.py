"""A VMM's jail: its command line, its files, and what may be wrong with them."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from compute.spawners import CannotStart
from compute.spawners.firecracker.calls import Hardware
from compute.spawners.firecracker.config import FirecrackerConfig
from compute.spawners.firecracker.jail import (
    Jail,
    clone_bounds,
    control_group,
    fill,
    jailer_command,
    longest_socket,
    remove,
    template_bounds,
)
from compute.spawners.firecracker.network import build_commands, make_slots, remove_commands, uplink, uplink_name
from compute.spawners.firecracker.slots import Slot, Slots
from compute.spawners.firecracker.vmm import find_process
from compute.spawners.shares import FIRST_UID, MOST_SHARES

CONFIG = FirecrackerConfig(
    firecracker=Path("/opt/firecracker"),
    jailer=Path("/opt/jailer"),
    kernel=Path("/guest/vmlinux"),
    initrd=Path("/guest/initrd"),
    root_image=Path("/guest/root.erofs"),
    folder=Path("/var/lib/lakegate/firecracker"),
)
HARDWARE = Hardware(vcpus=2, memory_mebibytes=512, boot_arguments="quiet")
NOBODY = 65534
SLOT = Slot(7, 64107, "lakegate-7")


def test_the_command_line() -> None:
    jail = Jail(Path("/var/lib/lakegate/run"), "firecracker", "duckdb-1a2b3c4d")
    command = jailer_command(CONFIG, jail, SLOT, clone_bounds(HARDWARE))
    assert " ".join(command) == (
        "/opt/jailer --id duckdb-1a2b3c4d --exec-file /opt/firecracker --uid 64107 --gid 64107 "
        "--chroot-base-dir /var/lib/lakegate/run --netns /run/netns/lakegate-7 "
        "--cgroup-version 2 --parent-cgroup lakegate "
        "--cgroup memory.max=671088640 --cgroup memory.swap.max=0 --cgroup cpu.max=200000 100000 --cgroup pids.max=18 "
        "--resource-limit no-file=256 --resource-limit fsize=536870912 "
        "--new-pid-ns --daemonize -- --api-sock api.sock"
    )
    assert control_group(CONFIG, jail) == Path("/sys/fs/cgroup/lakegate/duckdb-1a2b3c4d")


def test_a_template_may_write_its_memory_out() -> None:
    template, clone = template_bounds(HARDWARE), clone_bounds(HARDWARE)
    assert template.file_bytes == clone.file_bytes == 512 << 20
    assert template.memory_bytes - clone.memory_bytes == 512 << 20


def test_socket_paths_fit_where_packages_put_them() -> None:
    assert longest_socket(CONFIG, "v.sock_5202") <= 107


def test_files_are_linked_and_outlive_the_jail(tmp_path: Path) -> None:
    source = tmp_path / "image"
    source.write_bytes(b"image")
    jail = Jail(tmp_path / "run", "firecracker", "one")
    fill(jail, Slot(0, os.geteuid(), "none"), {"root.img": source})
    assert (jail.root / "root.img").samefile(source)
    assert jail.root.stat().st_mode & 0o777 == 0o700
    group = tmp_path / "group"
    group.mkdir()
    remove(jail, group)
    remove(jail, group)
    assert sorted(os.listdir(tmp_path)) == ["image", "run"]
    assert source.read_bytes() == b"image"


@pytest.mark.parametrize(
    "content", [b"", b"x", b"-1", b"1", pytest.param(str(os.getpid()).encode(), id="ours"), b"9" * 400]
)
def test_a_pid_file_is_not_believed(tmp_path: Path, content: bytes) -> None:
    """The VMM owns it: what it names must be in the jail's root folder."""
    jail = Jail(tmp_path, "firecracker", "duckdb-00000000")
    jail.root.mkdir(parents=True)
    jail.pid_file.write_bytes(content)
    assert find_process(jail) is None


def test_a_pid_file_that_is_no_file_blocks_nobody(tmp_path: Path) -> None:
    jail = Jail(tmp_path, "firecracker", "duckdb-00000000")
    jail.root.mkdir(parents=True)
    os.mkfifo(jail.pid_file)
    assert find_process(jail) is None
    jail.pid_file.unlink()
    jail.pid_file.symlink_to("/proc/self/stat")
    assert find_process(jail) is None


def test_slots_have_users_and_namespaces_of_their_own() -> None:
    slots = Slots(make_slots(replace(CONFIG, network="tap", machines=2)))
    first, second = slots.take(), slots.take()
    assert (first.uid, first.namespace) == (FIRST_UID, "lakegate-0")
    assert (second.uid, second.namespace) == (FIRST_UID + 1, "lakegate-1")
    with pytest.raises(CannotStart, match="all 2 slots"):
        slots.take()
    slots.give_back(first)
    assert slots.take() is first


def test_gateways_of_a_host_have_slots_of_their_own() -> None:
    configs = [replace(CONFIG, network="tap", share=share) for share in range(MOST_SHARES)]
    slots = [slot for config in configs for slot in make_slots(config)]
    for said in ("number", "uid", "namespace"):
        assert len({getattr(slot, said) for slot in slots}) == len(slots)
    assert len({uplink_name(slot) for slot in slots} | {uplink(slot.number)[0] for slot in slots}) == 2 * len(slots)
    assert max(slot.uid for slot in slots) < NOBODY


def test_without_a_network_all_of_a_gateway_share_an_empty_namespace() -> None:
    assert {slot.namespace for slot in make_slots(CONFIG)} == {"lakegate-empty-0"}
    assert {slot.namespace for slot in make_slots(replace(CONFIG, share=3))} == {"lakegate-empty-3"}


def test_more_machines_than_users_are_refused() -> None:
    with pytest.raises(ValueError, match="users for 250 machines"):
        make_slots(replace(CONFIG, machines=251))


def test_network_commands() -> None:
    assert [" ".join(command) for command in build_commands(SLOT)] == [
        "netns add lakegate-7",
        "-n lakegate-7 link set lo up",
        "-n lakegate-7 tuntap add tap0 mode tap user 64107",
        "-n lakegate-7 addr add 172.30.0.1/30 dev tap0",
        "-n lakegate-7 link set tap0 up",
        "link add lg7 type veth peer name uplink netns lakegate-7",
        "-n lakegate-7 addr add 10.201.0.30/30 dev uplink",
        "-n lakegate-7 link set uplink up",
        "addr add 10.201.0.29/30 dev lg7",
        "link set lg7 up",
        "-n lakegate-7 route add default via 10.201.0.29",
    ]
    assert remove_commands("lakegate-7", "lg7") == (("link", "delete", "lg7"), ("netns", "delete", "lakegate-7"))
    assert remove_commands("lakegate-empty-0", "") == (("netns", "delete", "lakegate-empty-0"),)
    assert str(uplink(16383)[1]) == "10.201.255.254"
