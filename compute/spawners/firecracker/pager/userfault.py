"""userfaultfd's ioctls that resolve a fault, by fcntl: the standard library lacks them (ioctl_userfaultfd(2))."""

import errno
import fcntl
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass

_MESSAGE = struct.Struct("=B7xQQ8x")
_COPY = struct.Struct("=QQQQq")
_RANGE = struct.Struct("=QQ")
_EVENT_PAGEFAULT = 0x12
_MESSAGES_AT_ONCE = 64


def _request(direction: int, number: int, size: int) -> int:
    """ioctl(2)'s way to number requests; userfaultfd's are of type 0xAA."""
    return direction << 30 | size << 16 | 0xAA << 8 | number


_UFFDIO_COPY = _request(3, 0x03, _COPY.size)
_UFFDIO_WAKE = _request(2, 0x02, _RANGE.size)


@dataclass(frozen=True, slots=True)
class Fault:
    address: int


class UnknownEvent(Exception):
    """Something else than a missing page. A VMM without a balloon causes none."""


def read_faults(userfault: int) -> Sequence[Fault]:
    """The faults that wait, at most some dozens; none if another reader was faster. Raises UnknownEvent, OSError."""
    try:
        content = os.read(userfault, _MESSAGE.size * _MESSAGES_AT_ONCE)
    except BlockingIOError:
        return ()
    faults = []
    for event, _flags, address in _MESSAGE.iter_unpack(content):
        if event != _EVENT_PAGEFAULT:
            raise UnknownEvent(f"event {event:#x}")
        faults.append(Fault(address))
    return faults


def copy_pages(userfault: int, target: int, source: int, size: int) -> bool:
    """Puts `size` bytes of our memory at `target`, as far as no page is there yet, and wakes who waits for them.

    False: the address space is changing, try again. Raises ProcessLookupError when it is gone, OSError.
    """
    order = bytearray(_COPY.pack(target, source, size, 0, 0))
    try:
        fcntl.ioctl(userfault, _UFFDIO_COPY, order)
    except FileExistsError:
        _wake(userfault, target, size)
    except OSError as error:
        if error.errno != errno.EAGAIN:
            raise
        copied = _COPY.unpack(order)[4]
        return bool(copied > 0)
    return True


def _wake(userfault: int, start: int, size: int) -> None:
    """Who faulted on a page that came by another fault's answer."""
    fcntl.ioctl(userfault, _UFFDIO_WAKE, _RANGE.pack(start, size))
