"""A microVM's ports: byte streams to the host by virtio-serial, found by the names that the host gave them.

References: virtio 1.2, "Console Device"; the kernel's ``Documentation/ABI/testing/sysfs-devices-virtio-ports``.
"""

import os
import select
from pathlib import Path

_PORTS = Path("/sys/class/virtio-ports")


class Port:
    """One port as a stream. While no host holds the other end a read gives nothing at once: that is the end."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._readable = select.poll()
        self._readable.register(descriptor, select.POLLIN)

    def recv_into(self, buffer: memoryview) -> int:
        self._readable.poll()
        return os.readv(self._descriptor, [buffer])

    def sendall(self, data: bytes | memoryview) -> None:
        left = memoryview(data).cast("B")
        while left:
            left = left[os.write(self._descriptor, left) :]

    def close(self) -> None:
        os.close(self._descriptor)


def open_port(name: str) -> Port:
    """The port that the host calls so. Raises FileNotFoundError."""
    for port in _PORTS.iterdir():
        if (port / "name").read_text().strip() == name:
            return Port(os.open(f"/dev/{port.name}", os.O_RDWR | os.O_CLOEXEC))
    raise FileNotFoundError(f"the machine has no port {name}")
