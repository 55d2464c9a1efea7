"""The filter: its numbers are the kernel's, and an interpreter of it decides as meant, on both architectures."""

import errno
import re
import struct
import subprocess

import pytest

from compute.sandbox.seccomp import assemble
from compute.sandbox.syscalls import CHECKED, ENGINE, NEWEST, PROGRAMS
from tests.hostile import REFUSED

ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
ALLOW, KILL = "allow", "kill"
HEADERS = {
    "x86_64": "#include <asm/unistd_64.h>",
    "aarch64": """
        #define __BITS_PER_LONG 64
        #define _ASM_GENERIC_BITSPERLONG
        #define __ASM_GENERIC_BITS_PER_LONG
        #define __ARCH_WANT_RENAMEAT
        #define __ARCH_WANT_NEW_STAT
        #define __ARCH_WANT_SET_GET_RLIMIT
        #define __ARCH_WANT_SYS_CLONE3
        #include <asm-generic/unistd.h>
    """,
}
CLONE_THREAD, CLONE_NEWUSER, CLONE_NEWNET = 0x3D0F00, 0x10000000, 0x40000000
UNIX, INTERNET, NETLINK, PACKET, VSOCK = 1, 2, 16, 17, 40
READ_ONLY, EXECUTABLE = 1, 5
TIOCSTI, FIONREAD = 0x5412, 0x541B


def decide(machine: str, name: str, *arguments: int, programs: bool, architecture: int | None = None) -> str | int:
    column, own = ARCHITECTURES[machine]
    number = (ENGINE | PROGRAMS | CHECKED | REFUSED)[name][column]
    assert number is not None
    return run(assemble(programs, machine), number, architecture or own, arguments)


def run(program: bytes, number: int, architecture: int, arguments: tuple[int, ...] = ()) -> str | int:
    """What the kernel would do: an interpreter of the few instructions that filters are made of."""
    seen = struct.pack("=IIQ6Q", number, architecture, 0, *arguments, *[0] * (6 - len(arguments)))
    instructions = list(struct.iter_unpack("=HBBI", program))
    place, register = 0, 0
    while True:
        code, if_true, if_false, operand = instructions[place]
        place += 1
        if code == 0x20:
            (register,) = struct.unpack_from("=I", seen, operand)
        elif code == 0x06:
            return {0x7FFF0000: ALLOW, 0x80000000: KILL}.get(operand, operand & 0xFFFF)
        else:
            true = {0x15: register == operand, 0x25: register > operand, 0x35: register >= operand}
            true[0x45] = bool(register & operand)
            place += if_true if true[code] else if_false


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_numbers_are_the_kernels(machine: str) -> None:
    command = ["cc", "-E", "-dM", "-"]
    headers = subprocess.run(command, input=HEADERS[machine], text=True, capture_output=True, check=True).stdout
    defined = dict(re.findall(r"#define (__NR\w+) (\S+)", headers))
    column, _ = ARCHITECTURES[machine]
    listed = {name: numbers[column] for name, numbers in (ENGINE | PROGRAMS | CHECKED | REFUSED).items()}
    known = {name: text for name in listed if (text := defined.get(f"__NR_{name}"))}
    assert {name: int(defined.get(text, text)) for name, text in known.items()} == {
        name: listed[name] for name in known
    }
    assert {name for name in listed if name not in known and listed[name] is not None} <= {"fchmodat2"}
    assert max(number for number in listed.values() if number is not None) <= NEWEST


@pytest.mark.parametrize("programs", [False, True])
@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_what_is_listed_is_allowed_and_nothing_else(machine: str, programs: bool) -> None:
    column, architecture = ARCHITECTURES[machine]
    allowed = {numbers[column] for numbers in (ENGINE | PROGRAMS if programs else ENGINE).values()}
    checked = {numbers[column] for numbers in CHECKED.values()}
    program = assemble(programs, machine)
    for number in set(range(NEWEST + 1)) - checked:
        expected = ALLOW if number in allowed else errno.EPERM
        assert run(program, number, architecture) == expected, number
    assert run(program, NEWEST + 1, architecture) == errno.ENOSYS


@pytest.mark.parametrize("programs", [False, True])
@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_another_architecture_ends_the_process(machine: str, programs: bool) -> None:
    program = assemble(programs, machine)
    assert run(program, 1, 0x40000003) == KILL
    assert run(program, 0x40000000 | 1, ARCHITECTURES[machine][1]) == KILL


@pytest.mark.parametrize("machine", ARCHITECTURES)
@pytest.mark.parametrize(
    ("name", "arguments", "engine", "programs"),
    [
        ("clone", (CLONE_THREAD,), ALLOW, ALLOW),
        ("clone", (17,), errno.EPERM, ALLOW),
        ("clone", (CLONE_THREAD | CLONE_NEWNET,), errno.EPERM, errno.EPERM),
        ("clone", (17 | CLONE_NEWUSER,), errno.EPERM, errno.EPERM),
        ("clone3", (0,), errno.ENOSYS, errno.ENOSYS),
        ("mmap", (0, 4096, READ_ONLY), ALLOW, ALLOW),
        ("mmap", (0, 4096, EXECUTABLE), errno.EPERM, ALLOW),
        ("mprotect", (0, 4096, EXECUTABLE), errno.EPERM, ALLOW),
        ("ioctl", (0, TIOCSTI), errno.EPERM, errno.EPERM),
        ("ioctl", (0, FIONREAD), ALLOW, ALLOW),
        ("socket", (UNIX,), errno.EPERM, ALLOW),
        ("socket", (INTERNET,), errno.EPERM, ALLOW),
        *(("socket", (family,), errno.EPERM, errno.EPERM) for family in (NETLINK, PACKET, VSOCK)),
        ("socketpair", (UNIX,), errno.EPERM, ALLOW),
        ("prctl", (15,), ALLOW, ALLOW),
        ("prctl", (1, 0), errno.EPERM, errno.EPERM),
    ],
)
def test_arguments_decide(
    machine: str, name: str, arguments: tuple[int, ...], engine: str | int, programs: str | int
) -> None:
    assert decide(machine, name, *arguments, programs=False) == engine
    assert decide(machine, name, *arguments, programs=True) == programs


def test_an_architecture_without_a_list_is_named() -> None:
    with pytest.raises(OSError, match="no list of system calls for riscv64"):
        assemble(False, "riscv64")
