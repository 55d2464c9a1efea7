"""A stand-in's guest: our real guest with a real engine, reached by what Firecracker makes of vsock.

A real one listens on a vsock port inside a VM. This one listens on a Unix socket in the jail; the lines before it
(``CONNECT``, ``OK``) and the socket names are Firecracker's.
"""

import base64
import json
import os
import re
import socket
from contextlib import suppress
from threading import Thread, current_thread
from typing import Any

from compute.engines import EngineOptions
from compute.engines.duckdb import DuckDBEngine
from compute.guest.machine import Guest
from compute.guest.vsock import GUEST_PORT, READY_PORT

GUEST_SOCKET = "guest.sock"
FIRST_HOST_PORT = 1 << 30
_connected: list[Thread] = []
"""Each hands on what the guest says in one connection."""


def read_arguments(command_line: str) -> dict[str, Any]:
    """What the guest is told on its kernel's command line."""
    found = re.search(r"lakegate\.guest=(\S+)", command_line)
    assert found is not None, "the command line says nothing to the guest"
    content: dict[str, Any] = json.loads(base64.urlsafe_b64decode(found[1]))
    return content


def open_guest(arguments: dict[str, Any]) -> tuple[Guest, socket.socket]:
    """Warm, and listening: as it is in a snapshot."""
    scratch = os.path.abspath("scratch")
    os.mkdir(scratch)
    engine = DuckDBEngine(EngineOptions(**arguments["options"], scratch=scratch, uid=None))
    return Guest(engine, lambda _identity, _folders: None, scratch), listen(GUEST_SOCKET)


def call_host(vsock: str) -> socket.socket:
    """The guest's own connection to the host, at the port where a template's maker listens."""
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.connect(f"{vsock}_{READY_PORT}")
    return stream


def listen(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen()
    return listener


def forward(listener: socket.socket, answer: bytes) -> None:
    """Firecracker's side of the vsock socket. `answer` replaces ``OK <port>`` where it is not empty."""
    port = FIRST_HOST_PORT
    while True:
        outer, _ = listener.accept()
        port += 1
        Thread(target=_connect, args=(outer, answer or b"OK %d\n" % port), daemon=True).start()


def _connect(outer: socket.socket, answer: bytes) -> None:
    """Nobody listening at the port ends the connection without a word."""
    line = b""
    while not line.endswith(b"\n") and len(line) < 32:
        line += outer.recv(1)
    inner = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if line != b"CONNECT %d\n" % GUEST_PORT:
            raise ConnectionRefusedError
        inner.connect(GUEST_SOCKET)
        outer.sendall(answer)
    except OSError:
        outer.close()
        return
    _connected.append(current_thread())
    Thread(target=_pump, args=(outer, inner), daemon=True).start()
    _pump(inner, outer)


def deliver() -> None:
    """Returns once what the guest sent before its end has been handed on."""
    for thread in _connected:
        thread.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    """However it ends, the other end hears of it."""
    with suppress(OSError):
        while content := source.recv(1 << 16):
            target.sendall(content)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
