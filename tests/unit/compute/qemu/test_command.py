"""QEMU's command line, the key of a template, and what the guest reads of both."""

from dataclasses import replace
from pathlib import Path

import pytest

from compute.guest.virtual import read_options
from compute.spawners.qemu.command import Ends, Shape, command_line, kernel_options
from compute.spawners.qemu.host import Host
from compute.spawners.qemu.process import launcher
from compute.spawners.qemu.template import template_key

SHAPE = Shape(
    "tcg", Path("/cache/images/k"), 512, 2_000_000, {"engine": "duckdb", "options": {"properties": {"a": "b c"}}}
)
HOST = Host("QEMU 7.2", "a processor", 2_000_000, "tcg")
BACKS = Ends(11, 12, 13, "/proc/self/fd/14", shared=False, disk=15)


def test_a_clone_differs_from_its_template_in_back_ends_only() -> None:
    template, clone = (command_line(SHAPE, ends) for ends in (replace(BACKS, shared=True), BACKS))
    assert [word for word in clone if word not in template] == [
        "memory-backend-file,id=memory,size=512M,mem-path=/proc/self/fd/14,share=off",
        "-incoming",
        "defer",
    ]
    assert [word for word in template if word.startswith("virt")] == [word for word in clone if word.startswith("virt")]


def test_a_machine_has_no_network_and_no_way_out() -> None:
    line = command_line(SHAPE, BACKS)
    assert not any("net" in word or "vsock" in word for word in line)
    assert "-nodefaults" in line
    assert "spawn=deny" in line[line.index("-sandbox") + 1]
    assert all("readonly=on" in word for word in line if word.startswith("id=root"))


def test_a_card_is_connected_to_the_machines_own_wire() -> None:
    """The rest of the line is the template's; without one there is no card at all."""
    shape = replace(SHAPE, network=True)
    template, clone = (command_line(shape, replace(BACKS, tap=tap, shared=True)) for tap in (16, 17))
    assert [word for word in clone if word not in template] == ["tap,id=wire,fd=17"]
    assert sum("net" in word for word in clone) == 2, "the wire and the card"


def test_the_guest_reads_its_options_from_the_kernels_line() -> None:
    assert read_options(kernel_options(SHAPE)) == SHAPE.options
    with pytest.raises(ValueError, match="no options"):
        read_options("quiet")


def test_the_clock_is_told_to_emulated_kernels_alone() -> None:
    assert "tsc_early_khz=2000000" in kernel_options(SHAPE)
    assert "tsc" not in kernel_options(replace(SHAPE, accelerator="kvm"))


def test_a_template_is_found_again_by_all_that_clones_depend_on() -> None:
    keys = [
        template_key(shape, host)
        for shape, host in [
            (SHAPE, HOST),
            (replace(SHAPE, memory=513), HOST),
            (replace(SHAPE, disk=1 << 30), HOST),
            (replace(SHAPE, image=Path("/cache/images/l")), HOST),
            (replace(SHAPE, options={}), HOST),
            (replace(SHAPE, network=True), HOST),
            (replace(SHAPE, accelerator="kvm"), HOST),
            (SHAPE, replace(HOST, version="QEMU 8.2")),
            (SHAPE, replace(HOST, processor="another")),
        ]
    ]
    assert len(set(keys)) == len(keys)
    assert template_key(SHAPE, HOST) == keys[0]


def test_a_machine_is_nobody_and_dies_with_us() -> None:
    assert launcher(64023, kvm=False) == [
        *("setpriv", "--pdeathsig", "KILL", "--no-new-privs"),
        *("--reuid=64023", "--regid=64023", "--clear-groups"),
    ]
    assert launcher(None, kvm=False) == ["setpriv", "--pdeathsig", "KILL", "--no-new-privs"]
