"""The sessions of this gateway by their process id: cancel keys, pg_stat_activity, and signals between sessions.

A client's process id is the positive int4 of its BackendKeyData, which `pg_backend_pid()` answers too; the keys are
`gateway.keys`'. A request with a wrong one is dropped without a word, as the protocol wants.

Reference: PostgreSQL protocol, "Canceling Requests in Progress"; PostgreSQL documentation, `pg_stat_activity`,
`pg_stat_ssl`.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from catalog.errors import AdminShutdown, SqlError
from catalog.principals import Principal
from catalog.sessions import Signal, SignalKind
from gateway.admission import Admission
from gateway.auth.certificate import describe_certificate
from gateway.keys import Keyring
from gateway.pgwire.encryption import Cipher

_QUERY_SHOWN = 1024
_STATES = {b"I": "idle", b"T": "idle in transaction", b"E": "idle in transaction (aborted)"}


class Member(Protocol):
    """A session, as far as others may know it. `user` has logged in, whatever role she acts as. `query_start` and
    `state_change` are seconds since 1970, `xact_start` too, None outside a block."""

    user: Principal
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
    @property
    def query_start(self) -> float: ...
    @property
    def state_change(self) -> float: ...
    @property
    def xact_start(self) -> float | None: ...
    def cancel(self) -> None: ...


@dataclass(slots=True)
class _Entry:
    member: Member
    secret: bytes
    address: tuple[str, int] | None
    encryption: dict[str, Any]
    terminate: Callable[[SqlError], None]
    since: datetime = field(default_factory=lambda: datetime.now(UTC))


class Activity:
    """`keyring` gives its replica's name to all that it tells; `admission` says how many sessions there may be."""

    def __init__(self, keyring: Keyring, admission: Admission) -> None:
        self._keyring = keyring
        self._admission = admission
        self._entries: dict[int, _Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, pid: int) -> bool:
        return pid in self._entries

    @property
    def replica(self) -> str:
        return self._keyring.replica

    def enter(
        self,
        member: Member,
        *,
        long_key: bool,
        address: tuple[str, int] | None,
        cipher: Cipher | None,
        certificate: bytes | None = None,
        terminate: Callable[[SqlError], None],
    ) -> bytes:
        """Gives the session its process id; returns the secret of its cancel key. Call `leave` at its end.

        Raises TooManyConnections.
        """
        self._admission.admit(member.user, member.workspace)
        pid = self._keyring.make_pid()
        while pid in self._entries:
            pid = self._keyring.make_pid()
        member.pid = pid
        secret = self._keyring.make_secret(pid, long=long_key)
        encryption = _encryption(cipher) | ({} if certificate is None else describe_certificate(certificate))
        self._entries[pid] = _Entry(member, secret, address, encryption, terminate)
        return secret

    def leave(self, member: Member) -> None:
        """Does nothing for who has not come in."""
        if self._entries.pop(member.pid, None) is not None:
            self._admission.leave(member.user, member.workspace)

    def cancel(self, pid: int, secret: bytes) -> bool:
        """Cancels what that session runs if the secret is right; whether it is."""
        entry = self._entries.get(pid)
        if not hmac.compare_digest(entry.secret if entry else b"", secret) or entry is None:
            return False
        entry.member.cancel()
        return True

    def signal(self, signal: Signal, asker: Principal | None) -> None:
        """pg_cancel_backend and pg_terminate_backend, from any replica. Only who has the owner's privileges may."""
        entry = self._entries.get(signal.pid)
        if entry is None or asker is None or not may_act_as(asker, entry.member.user.name):
            return
        if signal.kind is SignalKind.CANCEL:
            entry.member.cancel()
        else:
            entry.terminate(AdminShutdown("terminating connection due to administrator command"))

    def describe(self, workspace: str) -> list[dict[str, Any]]:
        """The rows of pg_stat_activity, and of pg_stat_ssl with them, for this gateway's sessions in a workspace."""
        return [_row(entry) for entry in self._entries.values() if entry.member.workspace == workspace]


def may_act_as(asker: Principal, owner: str) -> bool:
    """Whether a principal has the privileges of the one whose session it is."""
    return asker.admin or owner == asker.name or owner in asker.groups


def _row(entry: _Entry) -> dict[str, Any]:
    member = entry.member
    active = member.working
    xact_start = member.query_start if active and member.xact_start is None else member.xact_start
    return {
        "datname": member.workspace,
        "pid": member.pid,
        "usename": member.user.name,
        "application_name": member.application_name,
        "client_addr": entry.address[0] if entry.address else None,
        "client_port": entry.address[1] if entry.address else None,
        "backend_start": entry.since.isoformat(),
        "xact_start": _moment(xact_start),
        "query_start": _moment(member.query_start),
        "state_change": _moment(member.query_start if active else member.state_change),
        "wait_event_type": None if active else "Client",
        "wait_event": None if active else "ClientRead",
        "state": "active" if active else _STATES[member.status],
        "query": member.query[:_QUERY_SHOWN],
        "backend_type": "client backend",
        **entry.encryption,
    }


def _encryption(cipher: Cipher | None) -> dict[str, Any]:
    if cipher is None:
        return {"ssl": False}
    return {"ssl": True, "version": cipher.protocol, "cipher": cipher.name, "bits": cipher.bits}


def _moment(seconds: float | None) -> str | None:
    """None also for 0: no statement yet."""
    return datetime.fromtimestamp(seconds, UTC).isoformat() if seconds else None
