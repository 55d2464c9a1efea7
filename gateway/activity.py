"""The sessions of this gateway by their process id: cancel keys, pg_stat_activity, and signals between sessions.

A client's process id is the positive int4 of its BackendKeyData, which `pg_backend_pid()` answers too. Keys are
random, long for protocol 3.2 and four bytes before; a request with a wrong one is dropped without a word, as the
protocol wants.

Reference: PostgreSQL protocol, "Canceling Requests in Progress"; PostgreSQL documentation, `pg_stat_activity`.
"""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from catalog.errors import TooManyConnections
from catalog.principals import Principal
from catalog.sessions import Signal, SignalKind

_HIGHEST_PID = 2**31 - 1
_QUERY_SHOWN = 1024
_STATES = {b"I": "idle", b"T": "idle in transaction", b"E": "idle in transaction (aborted)"}


class Member(Protocol):
    """A session, as far as others may know it."""

    principal: Principal
    workspace: str
    pid: int

    @property
    def status(self) -> bytes: ...
    @property
    def working(self) -> bool: ...
    @property
    def application_name(self) -> str: ...
    @property
    def query(self) -> str: ...
    def cancel(self) -> None: ...


@dataclass(slots=True)
class _Entry:
    member: Member
    secret: bytes
    address: tuple[str, int] | None
    terminate: Callable[[], None]
    since: datetime = field(default_factory=lambda: datetime.now(UTC))


class Activity:
    """`replica` names this gateway among those that share a metastore."""

    def __init__(self) -> None:
        self.replica = secrets.token_hex(8)
        self._entries: dict[int, _Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def enter(
        self,
        member: Member,
        *,
        secret_length: int,
        address: tuple[str, int] | None,
        terminate: Callable[[], None],
    ) -> bytes:
        """Gives the session its process id; returns the secret of its cancel key. Call `leave` at its end."""
        if len(self._entries) >= _HIGHEST_PID // 2:
            raise TooManyConnections("sorry, too many clients already")
        pid = secrets.randbelow(_HIGHEST_PID) + 1
        while pid in self._entries:
            pid = secrets.randbelow(_HIGHEST_PID) + 1
        member.pid = pid
        self._entries[pid] = _Entry(member, secrets.token_bytes(secret_length), address, terminate)
        return self._entries[pid].secret

    def leave(self, member: Member) -> None:
        self._entries.pop(member.pid, None)

    def cancel(self, pid: int, secret: bytes) -> None:
        """A CancelRequest: cancels what that session runs if the secret is right, otherwise does nothing."""
        entry = self._entries.get(pid)
        if hmac.compare_digest(entry.secret if entry else b"", secret) and entry is not None:
            entry.member.cancel()

    def signal(self, signal: Signal) -> None:
        """pg_cancel_backend and pg_terminate_backend, from any replica. Only oneself or an admin may."""
        entry, asker = self._entries.get(signal.pid), self._find(signal.asker)
        if entry is None or not _may(signal.asker, asker, entry.member.principal):
            return
        if signal.kind is SignalKind.CANCEL:
            entry.member.cancel()
        else:
            entry.terminate()

    def describe(self, workspace: str) -> list[dict[str, Any]]:
        """The rows of pg_stat_activity for this gateway's sessions in a workspace."""
        return [_row(entry) for entry in self._entries.values() if entry.member.workspace == workspace]

    def _find(self, name: str) -> Principal | None:
        return next((e.member.principal for e in self._entries.values() if e.member.principal.name == name), None)


def _may(name: str, asker: Principal | None, owner: Principal) -> bool:
    return name == owner.name or (asker is not None and asker.admin)


def _row(entry: _Entry) -> dict[str, Any]:
    member = entry.member
    return {
        "datname": member.workspace,
        "pid": member.pid,
        "usename": member.principal.name,
        "application_name": member.application_name,
        "client_addr": entry.address[0] if entry.address else None,
        "client_port": entry.address[1] if entry.address else None,
        "backend_start": entry.since.isoformat(),
        "state": "active" if member.working else _STATES[member.status],
        "query": member.query[:_QUERY_SHOWN],
        "backend_type": "client backend",
    }
