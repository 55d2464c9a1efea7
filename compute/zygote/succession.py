"""The next gateway: a zygote outlives the one that it worked for by a while, and works on for whoever wants the same.

Partner of `compute.spawners.adoption`, which is the other end.
"""

import os
import select
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

from compute.zygote.packets import receive

SOCKET = "zygote.sock"
"""In the run folder: only the gateway's own user may connect."""
GREETING_SECONDS = 5.0


class Succession:
    """Where the next gateway asks. `wanted` is what the first one wanted of its machines."""

    def __init__(self, folder: str, wanted: Mapping[str, Any], grace_seconds: float) -> None:
        self._wanted = wanted
        self._grace_seconds = grace_seconds
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        former = os.umask(0o077)
        self._listener.bind(os.path.join(folder, SOCKET))
        os.umask(former)
        self._listener.listen()

    def await_heir(self, wakeup: int, is_ready: Callable[[], bool]) -> socket.socket | None:
        """The control socket of the next gateway that wants the same; None when the grace is over.

        `wakeup` becomes readable when `is_ready` is to be asked again: whether an heir may come yet.
        """
        deadline = time.monotonic() + self._grace_seconds
        while (left := deadline - time.monotonic()) > 0:
            awaited = [wakeup, self._listener.fileno()] if is_ready() else [wakeup]
            ready, _, _ = select.select(awaited, [], [], left)
            if self._listener.fileno() in ready and (control := self._meet()):
                return control
        return None

    def _meet(self) -> socket.socket | None:
        control, _ = self._listener.accept()
        control.settimeout(GREETING_SECONDS)
        try:
            packet = receive(control)
        except OSError:
            packet = None
        if packet is None or packet.content != self._wanted:
            control.close()
            return None
        control.settimeout(None)
        return control
