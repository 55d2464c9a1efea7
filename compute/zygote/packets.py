"""One JSON object a packet over SOCK_SEQPACKET, file descriptors beside it. Both ends are ours."""

import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MAX_PACKET = 64 << 10
MAX_DESCRIPTORS = 4


@dataclass(frozen=True, slots=True)
class Packet:
    content: Mapping[str, Any]
    descriptors: Sequence[int]


def send(control: socket.socket, content: Mapping[str, Any], descriptors: Sequence[int] = ()) -> None:
    socket.send_fds(control, [json.dumps(content).encode()], list(descriptors))


def receive(control: socket.socket) -> Packet | None:
    """The next packet; None when the other end has gone. Raises BlockingIOError on a socket that does not block."""
    try:
        text, descriptors, _flags, _address = socket.recv_fds(control, MAX_PACKET, MAX_DESCRIPTORS)
    except ConnectionError:
        return None
    return Packet(json.loads(text), descriptors) if text else None
