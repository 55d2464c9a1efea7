"""Notifications on their way from a backend to the client of the session that listens there.

A session that has run LISTEN keeps its backend, so what comes there between statements is its own. Reference:
PostgreSQL protocol, "Asynchronous Operations".
"""

import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

_PID = struct.Struct(">i")
_PID_AT = 5
"""After the type and the length."""


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A session that hears. `pid` is what its client takes for its process.

    `tell` passes a NotificationResponse on, and what it returns is done when the client has read enough for the next;
    None tells that the backend has ended, and nothing will be heard any more. `signal` hears what a pg_cancel_backend
    or pg_terminate_backend of the session asks for (`catalog.sessions`).
    """

    pid: int
    tell: Callable[[bytes | None], Awaitable[None]]
    signal: Callable[[str], None]

    def translate(self, notification: bytes, backend_pid: int) -> bytes:
        """The message with the client's process id where it has notified itself, as clients look for that."""
        if _PID.unpack_from(notification, _PID_AT)[0] != backend_pid:
            return notification
        return notification[:_PID_AT] + _PID.pack(self.pid) + notification[_PID_AT + _PID.size :]
