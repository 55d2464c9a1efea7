"""A microVM's ports: byte streams to the host by virtio-serial, found by the names that the host gave them.

References: virtio 1.2, "Console Device"; the kernel's ``Documentation/ABI/testing/sysfs-devices-virtio-ports``.
"""

import os
import select
from contextlib import suppress
from pathlib import Path

_PORTS = Path("/sys/class/virtio-ports")


class Port:
    """One port as a stream. The kernel would let a writer wait for ever for a host that has gone, so it never waits for
    one; a reader gets nothing at once, which is the end."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._readable, self._writable = select.poll(), select.poll()
        self._readable.register(descriptor, select.POLLIN)
        self._writable.register(descriptor, select.POLLOUT)

    def recv_into(self, buffer: memoryview) -> int:
        while True:
            self._readable.poll()
            with suppress(BlockingIOError):
                return os.readv(self._descriptor, [buffer])

    def sendall(self, data: bytes | memoryview) -> None:
        left = memoryview(data).cast("B")
        while left:
            ((_, events),) = self._writable.poll()
            if events & select.POLLHUP:
                raise BrokenPipeError("the host has left the port")
            with suppress(BlockingIOError):
                left = left[os.write(self._descriptor, left) :]

    def close(self) -> None:
        os.close(self._descriptor)


def open_port(name: str) -> Port:
    """The port that the host calls so. Raises FileNotFoundError."""
    for port in _PORTS.iterdir():
        if (port / "name").read_text().strip() == name:
            return Port(os.open(f"/dev/{port.name}", os.O_RDWR | os.O_CLOEXEC))
    raise FileNotFoundError(f"the machine has no port {name}")
