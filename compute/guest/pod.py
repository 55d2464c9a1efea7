"""``python -m compute.guest.pod JSON``:

a guest in a container of a pod. The cluster has shut it off already; pools reach it through the container beside it.

A pool that is restarted comes back to a guest that it has not used. When the node wants the pod to go, an unused guest
goes at once and another one as soon as its pools have left.
"""

import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from compute.engines import EngineOptions, open_engine
from compute.guest.filesystem import ChannelFiles
from compute.guest.machine import Guest
from compute.identity import Identity


def main() -> None:
    """Opens and warms the engine, then serves; who connects before waits for HELLO until then."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    order = json.loads(sys.argv[1])
    os.environ["TMPDIR"] = os.environ["HOME"] = order["scratch"]
    with listen(order["socket"]) as listener:
        guest = open_guest(order)
        signal.signal(signal.SIGTERM, lambda _signal, _frame: guest.retire())
        if order["mode"] == "shared":
            guest.serve(listener, "shared")
        guest.serve_until_claimed(listener)


def listen(path: str) -> socket.socket:
    """Raises OSError where another guest listens already."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen()
    return listener


def open_guest(order: Mapping[str, Any]) -> Guest:
    """Files lie with the gateway: a pod has none of them, and no way to anybody else's."""
    files = ChannelFiles()
    options = EngineOptions(**order["options"], scratch=order["scratch"], files=files)
    return Guest(open_engine(order["engine"], options), _is_sealed, order["scratch"], files, remote=True)


def _is_sealed(_identity: Identity, _folders: Sequence[str]) -> None:
    """Namespaces, root folder, privileges and hostname are the pod's own from its start."""


if __name__ == "__main__":
    main()
