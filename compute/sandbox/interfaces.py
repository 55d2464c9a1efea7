"""Network interfaces of the caller's own namespace, by ioctl(2): no program is run for it.

References: netdevice(7); the kernel's ``Documentation/networking/tuntap``.
"""

import fcntl
import os
import socket
import struct
from ipaddress import IPv4Interface

TUN = "/dev/net/tun"
_SIOCSIFFLAGS = 0x8914
_SIOCSIFADDR = 0x8916
_SIOCSIFNETMASK = 0x891C
_IFF_UP = 0x1
_IFF_LOOPBACK = 0x8
_IFF_RUNNING = 0x40
_TUNSETIFF = 0x400454CA
_IFF_TAP = 0x2
_IFF_NO_PI = 0x1000
_IFF_VNET_HDR = 0x4000


def raise_loopback() -> None:
    """A new network namespace has one, but down; programs of one machine talk over it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        _set_flags(any_socket, "lo", _IFF_UP | _IFF_LOOPBACK | _IFF_RUNNING)


def raise_interface(name: str, address: IPv4Interface) -> None:
    """Gives it the address and the network that it is of. Raises OSError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for request, value in ((_SIOCSIFADDR, address.ip), (_SIOCSIFNETMASK, address.netmask)):
            place = struct.pack("=16sHH4s8x", name.encode(), socket.AF_INET, 0, value.packed)
            fcntl.ioctl(any_socket, request, place)
        _set_flags(any_socket, name, _IFF_UP | _IFF_RUNNING)


def open_tap(name: str) -> int:
    """A new device whose wire is the descriptor, with which it goes. Raises OSError."""
    tap = os.open(TUN, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        fcntl.ioctl(tap, _TUNSETIFF, struct.pack("=16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR))
    except OSError:
        os.close(tap)
        raise
    return tap


def _set_flags(any_socket: socket.socket, name: str, flags: int) -> None:
    fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("=16sh22x", name.encode(), flags))
