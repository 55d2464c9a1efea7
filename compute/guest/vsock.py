"""A guest that is reached by vsock: it listens at a port of its machine, and tells the host once that it is warm.

In the template it announces itself, which is the moment of the snapshot; its clones wake up listening. A connection of
the host's is then a guest's connection as any other.

References: vsock(7).
"""

import socket

from compute.guest.channel import Channel
from compute.guest.machine import Guest
from compute.transport import PROTOCOL_VERSION, Frame, Kind

GUEST_PORT = 5201
"""Where a guest listens."""
READY_PORT = 5202
"""Where the host listens while a template is made: the guest says HELLO there, and closes."""
BACKLOG = 64


def open_listener() -> socket.socket:
    """For the host's connections. Raises OSError where the kernel has no vsock."""
    listener = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
    listener.bind((socket.VMADDR_CID_ANY, GUEST_PORT))
    listener.listen(BACKLOG)
    return listener


def call_host() -> socket.socket:
    """Raises OSError where the host does not listen: this machine is not made to be a template."""
    stream = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
    stream.connect((socket.VMADDR_CID_HOST, READY_PORT))
    return stream


def serve(guest: Guest, engine: str, mode: str, listener: socket.socket, host: socket.socket) -> None:
    """Announces the warm engine to `host`, then serves: one lease and the end (``user``), or many (``shared``)."""
    with host:
        Channel(host).send(Frame(Kind.HELLO, control={"protocol": PROTOCOL_VERSION, "engine": engine}))
    guest.serve(listener, mode)
