"""The timeouts that end a session: of one that is idle, in a block or outside, and of one whose transaction is long.

They run from the end of one cycle to the next message, or from a transaction's first message to its end; nothing is
counted while no such setting is in force. Statements have a timer of their own (`Session.interruptible`).

Reference: PostgreSQL documentation, `idle_session_timeout`, `idle_in_transaction_session_timeout`,
`transaction_timeout`; `ProcessInterrupts` for the texts.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from catalog.errors import IdleInTransactionTimeout, IdleSessionTimeout, SqlError, TransactionTimeout
from gateway.variables import read_duration

IDLE = "idle_session_timeout"
IDLE_IN_TRANSACTION = "idle_in_transaction_session_timeout"
TRANSACTION = "transaction_timeout"


class Timed(Protocol):
    """A session, as far as its time counts."""

    @property
    def status(self) -> bytes: ...
    @property
    def settings(self) -> Mapping[str, str]:
        """The settings in force that differ from the server's defaults, by lower-case name."""
        ...


class Timeouts:
    """Of one session. `end` closes its connection with the error, whatever runs."""

    def __init__(self, session: Timed, end: Callable[[SqlError], None]) -> None:
        self._session = session
        self._end = end
        self._loop = asyncio.get_running_loop()
        self._idle: asyncio.TimerHandle | None = None
        self._transaction: asyncio.TimerHandle | None = None

    @property
    def in_force(self) -> bool:
        """Whether there is anything to count."""
        settings = self._session.settings
        return IDLE in settings or IDLE_IN_TRANSACTION in settings or TRANSACTION in settings

    def wake(self) -> None:
        """The client has said something."""
        self._stop_idle()
        self._start_transaction()

    def rest(self) -> None:
        """A cycle is over: it is the client's turn."""
        self._stop_idle()
        outside = self._session.status == b"I"
        if outside or self._session.settings.get(TRANSACTION, "0") == "0":
            self._stop_transaction()
        if not self.in_force:
            return
        if outside:
            self._idle = self._start(IDLE, IdleSessionTimeout("terminating connection due to idle-session timeout"))
        else:
            self._start_transaction()
            error = IdleInTransactionTimeout("terminating connection due to idle-in-transaction timeout")
            self._idle = self._start(IDLE_IN_TRANSACTION, error)

    def close(self) -> None:
        self._stop_idle()
        self._stop_transaction()

    def _stop_idle(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _stop_transaction(self) -> None:
        if self._transaction is not None:
            self._transaction.cancel()
            self._transaction = None

    def _start_transaction(self) -> None:
        """Unless its time is counted already."""
        if self._transaction is None and TRANSACTION in self._session.settings:
            error = TransactionTimeout("terminating connection due to transaction timeout")
            self._transaction = self._start(TRANSACTION, error)

    def _start(self, setting: str, error: SqlError) -> asyncio.TimerHandle | None:
        seconds = read_duration(self._session.settings.get(setting, "0"))
        return None if seconds is None else self._loop.call_later(seconds, self._end, error)
