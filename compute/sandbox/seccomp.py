"""The filter of system calls that a machine gets when it is sealed: a list of what it may do, kept by the kernel.

Two lists. An engine in the guest's own process (DuckDB) has threads but no children, makes no sockets and maps no new
code. An engine that runs programs (a JVM) has those, but no namespaces and no sockets but Unix and internet ones, of
which its network namespace offers the loopback. What is not listed fails with EPERM, as if it were forbidden to the
user; what is younger than the list, and clone3, whose arguments a filter cannot see, with ENOSYS, so that the C library
takes an older way. A call by another architecture's numbers ends the process.

The program is classic BPF: a few instructions for the kernel, which remembers the calls that it always allows.

References: seccomp(2), Linux ``Documentation/userspace-api/seccomp_filter``; ``linux/audit.h`` for the architectures.
"""

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache

from compute.sandbox.syscalls import CHECKED, ENGINE, NEWEST, PROGRAMS, Numbers

_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Which column of the tables, and the kernel's name for it."""
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_SET_MODE_FILTER = 1
_ALL_THREADS = 1
_X32 = 0x40000000

_NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
_CLONE_THREAD = 0x00010000
_PROT_EXEC = 0x4
_TERMINAL_INPUT = (0x5412, 0x541C)
"""TIOCSTI and TIOCLINUX: they type into a terminal that others read."""
_QUIET_IOCTLS = (0x5401, 0x5421, 0x541B, 0x5450, 0x5451)
"""TCGETS, FIONBIO, FIONREAD, FIONCLEX, FIOCLEX."""
_PRCTLS = (3, 15, 16, 38, 0x53564D41)
"""PR_GET_DUMPABLE, PR_SET_NAME, PR_GET_NAME, PR_SET_NO_NEW_PRIVS, PR_SET_VMA."""

_LOAD, _RETURN, _EQUAL, _GREATER, _AT_LEAST, _ANY_BIT = 0x20, 0x06, 0x15, 0x25, 0x35, 0x45
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16

Instruction = tuple[int, int, int, int]
"""Code, how many to skip if true and if false, and a number."""
_libc = ctypes.CDLL(None, use_errno=True)


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def install(*, programs: bool) -> None:
    """In every thread of this process, for good, and inherited by what it starts. Needs no_new_privs.

    Raises OSError where the kernel has no filters or this architecture has no list.
    """
    instructions = assemble(programs, os.uname().machine)
    program = _FilterProgram(len(instructions) // 8, instructions)
    number = _SECCOMP[os.uname().machine]
    result = _libc.syscall(number, _SET_MODE_FILTER, _ALL_THREADS, ctypes.byref(program))
    if result != 0:
        cause = ctypes.get_errno() if result < 0 else errno.EBUSY
        raise OSError(cause, f"seccomp: {os.strerror(cause)}")


@cache
def assemble(programs: bool, machine: str) -> bytes:
    """The filter as the kernel takes it. Raises OSError for an architecture without a list."""
    if machine not in _ARCHITECTURES:
        raise OSError(errno.ENOSYS, f"seccomp: no list of system calls for {machine}")
    column, architecture = _ARCHITECTURES[machine]
    listed = _numbers([ENGINE, PROGRAMS] if programs else [ENGINE], column)
    checked = {name: numbers[column] for name, numbers in CHECKED.items()}
    instructions = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _KILL),
    ]
    for name, check in _checks(programs):
        instructions += [(_EQUAL, 0, len(check), checked[name] or 0), *check]
    for first, last in _ranges(listed):
        instructions += [(_AT_LEAST, 0, 2, first), (_GREATER, 1, 0, last), (_RETURN, 0, 0, _ALLOW)]
    instructions += [(_GREATER, 0, 1, NEWEST), _refuse(errno.ENOSYS), _refuse(errno.EPERM)]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)


def _checks(programs: bool) -> Iterator[tuple[str, Sequence[Instruction]]]:
    """What decides about each call that may be made with some arguments only."""
    yield "clone3", [_refuse(errno.ENOSYS)]
    yield "prctl", _if_one_of(0, _PRCTLS)
    if programs:
        yield "clone", _unless_any_bit(0, _NAMESPACES)
        yield "ioctl", _unless_one_of(1, _TERMINAL_INPUT)
        yield "socket", _if_one_of(0, (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6))
        yield "socketpair", _if_one_of(0, (socket.AF_UNIX,))
        yield "mmap", [_allow()]
        yield "mprotect", [_allow()]
    else:
        yield "clone", [*_unless_any_bit(0, _NAMESPACES)[:-1], (_ANY_BIT, 1, 0, _CLONE_THREAD), _refuse(), _allow()]
        yield "ioctl", _if_one_of(1, _QUIET_IOCTLS)
        yield "mmap", _unless_any_bit(2, _PROT_EXEC)
        yield "mprotect", _unless_any_bit(2, _PROT_EXEC)


def _if_one_of(argument: int, values: Iterable[int]) -> list[Instruction]:
    cases = [case for value in values for case in ((_EQUAL, 0, 1, value), _allow())]
    return [_load(argument), *cases, _refuse()]


def _unless_one_of(argument: int, values: Iterable[int]) -> list[Instruction]:
    cases = [case for value in values for case in ((_EQUAL, 0, 1, value), _refuse())]
    return [_load(argument), *cases, _allow()]


def _unless_any_bit(argument: int, bits: int) -> list[Instruction]:
    return [_load(argument), (_ANY_BIT, 0, 1, bits), _refuse(), _allow()]


def _load(argument: int) -> Instruction:
    """Its lower half, which is all that the kernel itself looks at in these calls."""
    return _LOAD, 0, 0, _ARGUMENTS_AT + 8 * argument


def _allow() -> Instruction:
    return _RETURN, 0, 0, _ALLOW


def _refuse(cause: int = errno.EPERM) -> Instruction:
    return _RETURN, 0, 0, _REFUSE | cause


def _numbers(tables: Iterable[Mapping[str, Numbers]], column: int) -> list[int]:
    found = {numbers[column] for table in tables for numbers in table.values()}
    return sorted(number for number in found if number is not None)


def _ranges(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last of each run of numbers without a gap."""
    first = 0
    for place, number in enumerate(numbers):
        if place + 1 == len(numbers) or numbers[place + 1] != number + 1:
            yield numbers[first], number
            first = place + 1
