"""Cancel: from BackendKeyData to the session that it names.

Keys are random, long for protocol 3.2 and four bytes before. A request with a wrong key is dropped without a word, as
the protocol wants; comparing takes the same time for every key. Reference: PostgreSQL protocol, "Canceling Requests
in Progress".
"""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from catalog.errors import TooManyConnections

_HIGHEST_PID = 2**31 - 1


@dataclass(frozen=True, slots=True)
class BackendKey:
    """What BackendKeyData tells the client: a positive int4, unique in this gateway, and the secret."""

    pid: int
    secret: bytes


class CancelRegistry:
    """The running sessions by their backend key."""

    def __init__(self) -> None:
        self._sessions: dict[int, tuple[bytes, Callable[[], None]]] = {}

    def register(self, cancel: Callable[[], None], *, secret_length: int) -> BackendKey:
        """Gives a session its key; `cancel` is called when the right key comes back. Forget it with `forget`."""
        if len(self._sessions) >= _HIGHEST_PID // 2:
            raise TooManyConnections("sorry, too many clients already")
        pid = secrets.randbelow(_HIGHEST_PID) + 1
        while pid in self._sessions:
            pid = secrets.randbelow(_HIGHEST_PID) + 1
        key = BackendKey(pid, secrets.token_bytes(secret_length))
        self._sessions[pid] = (key.secret, cancel)
        return key

    def forget(self, key: BackendKey) -> None:
        self._sessions.pop(key.pid, None)

    def cancel(self, pid: int, secret: bytes) -> None:
        """Cancels what that session runs, if the secret is right; otherwise does nothing."""
        expected, cancel = self._sessions.get(pid, (b"", None))
        if hmac.compare_digest(expected, secret) and cancel is not None:
            cancel()
