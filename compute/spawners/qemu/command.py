"""QEMU's command line, as a function of what a machine is. Template and clones differ in back ends only."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

PROGRAM = "qemu-system-x86_64"
Accelerator = Literal["kvm", "tcg"]
CARD_ADDRESS = "06:00:ac:1e:00:02"
_SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"


@dataclass(frozen=True, slots=True)
class Shape:
    """What a template and its clones have in common. `memory` is in MiB; `options` is what the guest is told; `disk` is
    the bytes of what the machine may spill to, 0 for none; `network` says whether it has a card."""

    accelerator: Accelerator
    image: Path
    memory: int
    clock_khz: int
    options: Mapping[str, Any]
    disk: int = 0
    network: bool = False

    @property
    def processor(self) -> str:
        return "host" if self.accelerator == "kvm" else "max"


@dataclass(frozen=True, slots=True)
class Ends:
    """The back ends of one machine: inherited descriptors, `disk` and `tap` among them where it has them, and the file
    that its memory is mapped from.

    `shared` maps it so that what the machine writes stays there: that is how a template is made.
    """

    channel: int
    rehearsal: int
    control: int
    memory: str
    shared: bool
    disk: int | None = None
    tap: int | None = None


def command_line(shape: Shape, ends: Ends, *, console: str = "null,id=console") -> Sequence[str]:
    """A machine that boots (`shared`) or waits for the state of one that has."""
    accelerator = "kvm" if shape.accelerator == "kvm" else "tcg,thread=multi"
    memory = f"memory-backend-file,id=memory,size={shape.memory}M,mem-path={ends.memory}"
    root = f"id=root,file={shape.image / 'root.erofs'},format=raw,if=none,readonly=on,file.locking=off"
    return [
        *(PROGRAM, "-nodefaults", "-no-user-config", "-no-reboot", "-nographic", "-sandbox", _SANDBOX),
        *("-M", _machine(shape), "-accel", accelerator, "-cpu", shape.processor, "-smp", "1", "-m", f"{shape.memory}M"),
        *("-object", f"{memory},share={'on' if ends.shared else 'off'}"),
        *(_boot(shape) if ends.shared else ()),
        *("-drive", root, "-device", "virtio-blk-device,drive=root"),
        *(() if ends.disk is None else _disk(ends.disk)),
        *(() if ends.tap is None else _card(ends.tap)),
        *("-device", "virtio-serial-device,max_ports=4"),
        *_port("channel", ends.channel, 1),
        *_port("rehearsal", ends.rehearsal, 2),
        *("-object", "rng-random,id=random,filename=/dev/urandom", "-device", "virtio-rng-device,rng=random"),
        *("-chardev", f"socket,id=control,fd={ends.control}", "-mon", "chardev=control,mode=control"),
        *("-chardev", console, "-serial", "chardev:console"),
        *([] if ends.shared else ["-incoming", "defer"]),
    ]


def _machine(shape: Shape) -> str:
    clocks = "off" if shape.accelerator == "kvm" else "on"
    return f"microvm,acpi=on,rtc=on,pit={clocks},pic={clocks},isa-serial=on,x-option-roms=off,memory-backend=memory"


def _boot(shape: Shape) -> Sequence[str]:
    """A clone has no use for it: what it booted from is in its memory."""
    image = shape.image
    return "-kernel", str(image / "vmlinuz"), "-initrd", str(image / "initrd"), "-append", kernel_options(shape)


def _disk(descriptor: int) -> Sequence[str]:
    """One that nobody needs after the machine's end, so nothing is ever flushed; what is freed is free for the host."""
    file = "file=/dev/fdset/1,format=raw,auto-read-only=off,file.locking=off"
    drive = f"id=disk,{file},if=none,cache=unsafe,discard=unmap,detect-zeroes=unmap"
    return "-add-fd", f"fd={descriptor},set=1", "-drive", drive, "-device", "virtio-blk-device,drive=disk"


def _card(descriptor: int) -> Sequence[str]:
    """Clones have their template's address on a wire of their own."""
    return "-netdev", f"tap,id=wire,fd={descriptor}", "-device", f"virtio-net-device,netdev=wire,mac={CARD_ADDRESS}"


def _port(name: str, descriptor: int, number: int) -> Sequence[str]:
    device = f"virtserialport,chardev={name},name={name},nr={number}"
    return "-chardev", f"socket,id={name},fd={descriptor}", "-device", device


def kernel_options(shape: Shape) -> str:
    """Emulated, Debian's kernel cannot measure its clock on this machine type and hangs: it is told the frequency."""
    told = base64.urlsafe_b64encode(json.dumps(shape.options, sort_keys=True).encode()).decode()
    clock = [f"tsc_early_khz={shape.clock_khz}", "tsc=reliable"] if shape.accelerator == "tcg" else []
    return " ".join(["console=ttyS0", "quiet", "panic=-1", "reboot=t", *clock, f"lakegate.guest={told}"])
